"""Variants to artifacts: released beside the suite, built in the cache, or a file of the user's. Measures nothing.

A variant that resolves to nothing gets the reason with the command that would change it, and so does a form of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.artifacts import forms as made_forms
from harness.artifacts import locks, onnx_composition, onnx_file
from harness.errors import BuildError, ModelError, UsageError
from harness.model.backend import ONNX_FORMS, SCRIPTED, Form
from harness.model.case import ArtifactFacts, Case, Part, Suite, Variant
from harness.plan import Resolved


@dataclass(frozen=True)
class Source:
    """Where an artifact's files lie on the host, the model first; `sha256` is the model file's own."""

    folder: Path
    files: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Resolution:
    """Per variant: what a plan needs, or the reason why it is not there; and where the files of the former lie.

    forms: where the same weights in another form lie, by the hash of that file.
    """

    artifacts: Mapping[str, Resolved | str]
    sources: Mapping[str, Source]
    forms: Mapping[str, Source] = field(default_factory=dict)

    def source(self, case: Case) -> Source:
        """The files that a case runs."""
        return self.forms.get(case.artifact_sha256) or self.sources[case.variant]


def resolve(suite: Suite, folder: Path, cache: Path, forms: Collection[Form] = ()) -> Resolution:
    """Look up every variant, and its `forms`. Raises ModelError for a file that the user named and that cannot be used.

    A form that needs no torch is made here; one that does is only looked up, with the command that makes it.
    """
    released = locks.released_recipes(folder.parent)
    locked = locks.read_lock(folder.with_suffix(".lock.json"))
    artifacts: dict[str, Resolved | str] = {}
    sources: dict[str, Source] = {}
    for variant in suite.variants:
        known = released.get(variant.recipe.id) if variant.recipe is not None else None
        found = _find(suite, variant, folder, (known or locked.get(variant.name), cache))
        if isinstance(found, str):
            artifacts[variant.name] = found
        else:
            artifacts[variant.name], sources[variant.name] = found
    formed: dict[str, Source] = {}
    for name, source in sources.items():
        resolved = artifacts[name]
        if forms and isinstance(resolved, Resolved) and resolved.inputs:
            artifacts[name] = _with_forms(suite, resolved, source, (cache, sorted(forms)), formed)
    return Resolution(artifacts, sources, formed)


def _with_forms(
    suite: Suite, resolved: Resolved, source: Source, wanted: tuple[Path, list[Form]], formed: dict[str, Source]
) -> Resolved:
    cache, forms = wanted
    facts = resolved.facts
    found: dict[str, ArtifactFacts | str] = {}
    for form in forms:
        made = _form(suite, facts, source, cache, form)
        if isinstance(made, str):
            found[form] = made
        else:
            parts = _parts(made.path, made.size_bytes) if form in ONNX_FORMS else ()
            found[form] = dataclasses.replace(
                facts, file=made.path.name, sha256=made.sha256, size_bytes=made.size_bytes, composition=parts
            )
            formed[made.sha256] = Source(made.path.parent, (made.path.name,), made.sha256)
    return dataclasses.replace(resolved, forms=found)


def _form(suite: Suite, facts: ArtifactFacts, source: Source, cache: Path, form: Form) -> made_forms.Made | str:
    from harness.variants import forms as making  # onnx is heavy

    made = made_forms.find(cache, facts.sha256, form)
    if made is not None:
        return made
    reason = making.why_not(facts, form)
    if reason is not None:
        return f"it {reason}"
    if len(source.files) > 1:
        return "its weights lie beside it; save the model as one file"
    if form not in ONNX_FORMS:
        named = f"{suite.name} --variant {facts.variant}" if facts.recipe_id else f"--model {_path(source)}"
        return f"it has no torch program; make one with: harness build {named} --form {form}"
    try:
        return making.make(cache, facts, _path(source), form)
    except BuildError as error:
        return str(error)


def _parts(path: Path, size_bytes: int) -> tuple[Part, ...]:
    """Of an ONNX form, which is one file."""
    return onnx_composition.composition(onnx_file.read(path), size_bytes)


def _path(source: Source) -> Path:
    return source.folder / source.files[0]


def adhoc_suite(files: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]) -> Suite:
    """A suite of the user's own models, named after their files; the first is the parent of the others."""
    names = _unique_names([Path(file) for file in files])
    variants = tuple(
        Variant(name, Path(file).name, "own", file=file, inputs=inputs, parent=names[0] if index else None)
        for index, (name, file, inputs) in enumerate(zip(names, files, _shapes_of(files, shapes), strict=True))
    )
    return Suite(name="models", title="Your own models", variants=variants)


def _shapes_of(files: tuple[str, ...], shapes: Mapping[str, tuple[int, ...]]) -> list[Mapping[str, tuple[int, ...]]]:
    """Per file the shapes of inputs that it has. One that no file has goes to all of them, whose check refuses it."""
    if not shapes:
        return [{} for _ in files]
    names = [{value.name for value in onnx_file.read(Path(file)).graph.input} for file in files]
    return [{n: s for n, s in shapes.items() if n in own or not any(n in other for other in names)} for own in names]


def parse_shapes(texts: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """`NAME=1,3,224,224` per text. UsageError for anything else."""
    shapes = {}
    for text in texts:
        name, _, numbers = text.rpartition("=")
        if not name or not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", numbers):
            raise UsageError(f"--shape {text!r} is not NAME=1,3,224,224")
        shapes[name] = tuple(int(number) for number in numbers.split(","))
    return shapes


def _find(
    suite: Suite, variant: Variant, folder: Path, known: tuple[ArtifactFacts | None, Path]
) -> tuple[Resolved, Source] | str:
    released, cache = known
    if variant.file is not None:
        path = folder.parent / variant.file
        return _script(variant, path) if SCRIPTED in suite.backends else _own_model(variant, path)
    if released is not None and variant.recipe is not None and released.recipe_id == variant.recipe.id:
        return _with_inputs(variant, released, locks.verify(released, folder.parent))
    command = f"harness build {suite.name} --variant {variant.name}"
    built = locks.cache_entry(cache, variant.recipe.id) if variant.recipe is not None else None
    if built is not None:
        facts, path = built
        return _with_inputs(variant, facts, locks.verify(facts, path.parent))
    if released is not None:
        return f"its released artifact is of another recipe; build this one with: {command}"
    return f"its artifact is not built; build it with: {command}"


def _with_inputs(variant: Variant, facts: ArtifactFacts, path: Path) -> tuple[Resolved, Source]:
    found = onnx_file.inspect(path, {})
    told = dataclasses.replace(
        facts,
        variant=variant.name,
        parent=variant.parent,
        title=variant.title,
        role=variant.role,
        composition=found.composition,
    )
    return Resolved(told, found.inputs), Source(path.parent, (path.name, *found.files[1:]), facts.sha256)


def _own_model(variant: Variant, path: Path) -> tuple[Resolved, Source]:
    found = onnx_file.inspect(path, variant.inputs)
    facts = dataclasses.replace(
        onnx_file.artifact_facts(variant, path.name, found),
        accuracy_missing="no labelled data is known for this model",
        title=variant.title,
        role=variant.role,
        composition=found.composition,
    )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if len(found.files) > 1 else found.sha256
    return Resolved(facts, found.inputs), Source(path.parent, found.files, sha256)


def _script(variant: Variant, path: Path) -> tuple[Resolved, Source]:
    """A script of the null backend: checked here, so that a typo is a usage error and not a failed trial."""
    try:
        content = path.read_bytes()
        durations = json.loads(content)["durations_s"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} is not a script of the null backend ({error!r})") from None
    numbers = isinstance(durations, list) and all(isinstance(value, int | float) and value > 0 for value in durations)
    if not durations or not numbers:
        raise ModelError(f"{path}: durations_s must be a list of positive numbers of seconds")
    facts = ArtifactFacts(
        variant=variant.name,
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        precision=variant.precision,
        parent=variant.parent,
        accuracy_missing="a scripted model predicts nothing",
        title=variant.title,
        role=variant.role,
    )
    return Resolved(facts, ()), Source(path.parent, (path.name,), facts.sha256)


def _unique_names(paths: list[Path]) -> list[str]:
    """File stems; where two are alike, with the folder's name, then with a number."""
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [f"{path.resolve().parent.name}/{path.stem}" for path in paths]
    if len(set(names)) < len(names):
        names = [f"{name}#{index + 1}" for index, name in enumerate(names)]
    return names
