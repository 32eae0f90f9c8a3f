"""Released artifacts proved again: their files, their answers, and their bytes where they are made in seconds.

What a lock says is believed only as far as it is found again. Builds nothing that stays.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.artifacts.locks import (
    ENTRY,
    MODEL,
    cache_folder,
    read_lock,
    released_recipes,
    sha256_of,
    verify,
    write_lock,
)
from harness.artifacts.onnx_file import artifact_facts, inspect
from harness.datasets.split import Split
from harness.errors import BuildError, DataError, HarnessError, ModelError, UnknownName
from harness.model.case import ArtifactFacts, Suite, Variant
from harness.model.proportion import wilson_interval
from harness.model.recipe import Recipe
from harness.variants.build import recipe_of
from harness.variants.describe import agreement, compared, versions, why_no_accuracy
from harness.variants.graphs import fidelity
from harness.variants.steps import make
from harness.variants.workplace import Site

# Another processor sums in another order, which turns a few of 10,000 predictions that were nearly ties.
ACCURACY_TOLERANCE = 0.001
# What writes the bytes of a step that takes seconds; torch and its kin only make what such steps start from.
WRITERS = ("numpy", "onnx", "onnxruntime", "cpu_vnni")
COUNTED = ("size_bytes", "precision", "parameters", "macs", "uncounted")

State = Literal["good", "BAD", "not proved"]


@dataclass(frozen=True)
class Check:
    """One thing that was verified of one released artifact, and how it ended. `not proved`: nothing speaks against it,
    but what would prove it is not at hand."""

    variant: str
    what: str
    state: State
    found: str

    @property
    def good(self) -> bool:
        """Whether it was proved."""
        return self.state == "good"


def check(site: Site, names: Sequence[str], folder: Path, data_named: bool = False) -> list[Check]:
    """`check_files`, then `check_answers`."""
    return check_files(site, names, folder) + check_answers(site, names, folder, data_named)


def check_files(site: Site, names: Sequence[str], folder: Path) -> list[Check]:
    """What the files alone tell of the named variants, else of all that the suite should release and the lock holds.

    A failed check is a row, not an exception, so that one bad artifact does not hide the others. UnknownName where
    neither suite nor lock has the name; UsageError where the lock itself cannot be read.
    """
    lock = read_lock(folder / f"{site.suite.name}.lock.json")
    rows: list[Check] = []
    for name in _names(site.suite, names, lock):
        variant = _variant(site.suite, name)
        learned = variant is not None and variant.recipe is not None and variant.recipe.learning is not None
        if name in lock:
            rows += _check_file(name, variant, lock[name], folder)
        elif learned:
            advice = f"build it: harness build {site.suite.name} --variant {name} --release"
            rows.append(Check(name, "released", "BAD", f"it is not in the lock; {advice}"))
        else:
            rows.append(Check(name, "released", "not proved", "it is not trained, and only trained ones are released"))
    return rows


def check_answers(site: Site, names: Sequence[str], folder: Path, data_named: bool = False) -> list[Check]:
    """What the released files answer against what the lock says, and the bytes again of those made in seconds.

    Parents and teachers are the released ones, whatever the cache holds. Absent images are a row, or a DataError where
    `data_named`: the user said where they are.
    """
    lock = read_lock(folder / f"{site.suite.name}.lock.json")
    proof = _Proof(site, folder, {facts.recipe_id: facts for facts in lock.values()}, data_named)
    chosen = [(name, _variant(site.suite, name)) for name in _names(site.suite, names, lock) if name in lock]
    known = [(one, lock[name]) for name, one in chosen if one is not None and one.recipe is not None]
    rows: list[Check] = []
    for variant, facts in known:
        rows += proof.guarded(variant.name, "accuracy", proof.answers(variant, facts))
    for variant, facts in known:
        if recipe_of(variant).is_quick and facts.recipe_id == recipe_of(variant).id:
            rows += proof.guarded(variant.name, "built again", proof.bytes_again(variant, facts))
    return rows


def _names(suite: Suite, names: Sequence[str], lock: Mapping[str, ArtifactFacts]) -> list[str]:
    for name in names:
        if name not in lock and _variant(suite, name) is None:
            raise UnknownName(f"variant of suite {suite.name}", name, {one.name for one in suite.variants} | set(lock))
    learned = {one.name for one in suite.variants if one.recipe is not None and one.recipe.learning is not None}
    return list(dict.fromkeys(names)) or sorted(learned | set(lock))


def _variant(suite: Suite, name: str) -> Variant | None:
    return next((one for one in suite.variants if one.name == name), None)


def _check_file(name: str, variant: Variant | None, facts: ArtifactFacts, folder: Path) -> Iterator[Check]:
    try:
        sha256 = sha256_of(facts, folder)
        same = sha256 == facts.sha256
        yield _check(name, "hash", same, sha256[:16], facts.sha256[:16])
    except ModelError as error:
        yield Check(name, "hash", "BAD", str(error))
        return
    if variant is None or variant.recipe is None:
        what = "the suite has no such variant" if variant is None else "the suite's variant of that name has no recipe"
        yield Check(name, "recipe", "BAD", f"{what}; take its entry out of the lock")
        return
    recipe = variant.recipe
    yield _check(name, "recipe", facts.recipe_id == recipe.id, recipe.id, str(facts.recipe_id))
    try:
        found = inspect(folder / facts.file, {})
    except ModelError as error:
        yield Check(name, "counts", "BAD", str(error))
        return
    inside = found.metadata.get("recipe", "none")
    if inside != facts.recipe_id:
        yield _check(name, "recipe in the file", False, inside, str(facts.recipe_id))
    counted = artifact_facts(variant, facts.file, found)
    other = [key for key in COUNTED if getattr(counted, key) != getattr(facts, key)]
    told = ", ".join(f"{key} {getattr(counted, key)}, locked {getattr(facts, key)}" for key in other)
    yield Check(
        name, "counts", "BAD" if other else "good", told or f"{found.size_bytes} B, {found.parameters} parameters"
    )


def _check(name: str, what: str, good: bool, found: str, locked: str) -> Check:
    return Check(name, what, "good" if good else "BAD", found if good else f"{found}, locked {locked}")


@dataclass
class _Proof:
    """One round of questions to released artifacts, each of which answers once. `locked`: by recipe id."""

    site: Site
    folder: Path
    locked: Mapping[str | None, ArtifactFacts]
    data_named: bool
    _logits: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def guarded(self, name: str, what: str, rows: Iterator[Check]) -> list[Check]:
        """The rows up to the error that ends them, which is a row too."""
        done: list[Check] = []
        try:
            for row in rows:
                done.append(row)  # noqa: PERF402  # the rows before an error count
        except DataError as error:
            if self.data_named:
                raise
            done.append(Check(name, what, "not proved", f"no data, give --data DIR ({error})"))
        except (ModelError, BuildError) as error:
            done.append(Check(name, what, "BAD" if isinstance(error, ModelError) else "not proved", str(error)))
        return done

    def answers(self, variant: Variant, facts: ArtifactFacts) -> Iterator[Check]:
        """Accuracy, its interval, agreements."""
        name, recipe = variant.name, recipe_of(variant)
        missing = why_no_accuracy(recipe)
        if missing is not None:
            if facts.accuracy is not None:
                yield Check(name, "accuracy", "BAD", f"the lock holds one, which cannot be: {missing}")
            return
        test = self.site.data.test(recipe.origin.dataset)
        logits = self._answer(facts, test)
        yield from _accuracy(name, facts, logits, test)
        if facts.recipe_id != recipe.id:
            return
        parents = (recipe.parent,) if recipe.parent else ()
        for what, others in (("parent", parents), ("teacher", recipe.teachers)):
            yield from self._agreement(name, what, facts, compared(others), test)

    def _agreement(
        self, name: str, what: str, facts: ArtifactFacts, others: Sequence[Recipe], test: Split
    ) -> Iterator[Check]:
        locked = facts.agreement_with_parent if what == "parent" else facts.agreement_with_teacher
        title = f"agreement with {what}"
        if not others:
            if locked is not None:
                yield Check(name, title, "BAD", f"the lock holds {locked:.2%}, but there is no trained {what}")
            return
        known = [self.released(other) for other in others]
        absent = [other.id for other, one in zip(others, known, strict=True) if one is None]
        if absent:
            yield Check(name, title, "not proved", f"recipe {', '.join(absent)} is not released")
            return
        try:
            answers = [self._answer(one, test) for one in known if one is not None]
        except ModelError as error:  # its own rows say so
            yield Check(name, title, "not proved", str(error))
            return
        now = agreement(self._answer(facts, test), answers)
        good = locked is not None and abs(now - locked) <= ACCURACY_TOLERANCE
        yield _check(name, title, good, f"{now:.2%}", "none" if locked is None else f"{locked:.2%}")

    def bytes_again(self, variant: Variant, facts: ArtifactFacts) -> Iterator[Check]:
        """The recipe carried out on the released parent, in an empty cache."""
        self.site.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.site.cache) as scratch:
            here = replace(self.site, cache=Path(scratch), released=None)
            try:
                self._lay_out_parent(recipe_of(variant), here.cache)
                # The file says how the variant was called where it was built, perhaps in another suite.
                called = inspect(self.folder / facts.file, {}).metadata.get("variant", variant.name)
                make(here, called, recipe_of(variant), here.cache / "again")
            except DataError:
                raise
            except HarnessError as error:
                yield Check(variant.name, "built again", "not proved", str(error))
                return
            sha256 = inspect(here.cache / "again" / MODEL, {}).sha256
        yield _judge_bytes(variant.name, sha256, facts)

    def released(self, recipe: Recipe) -> ArtifactFacts | None:
        """The release's artifact of a recipe: this suite's, else another's."""
        return self.locked.get(recipe.id) or released_recipes(self.folder).get(recipe.id)

    def _lay_out_parent(self, recipe: Recipe, cache: Path) -> None:
        if recipe.parent is None:
            return
        parent = self.released(recipe.parent)
        if parent is None:
            raise BuildError(f"its parent, recipe {recipe.parent.id}, is not released")
        target = cache_folder(cache, recipe.parent.id)
        target.mkdir(parents=True)
        shutil.copyfile(verify(parent, self.folder), target / MODEL)
        write_lock(target / ENTRY, [replace(parent, file=MODEL)])

    def _answer(self, facts: ArtifactFacts, test: Split) -> NDArray[np.float32]:
        sha256 = sha256_of(facts, self.folder)  # of the file as it is: whether it is the locked one is its own row
        if sha256 not in self._logits:
            path = self.folder / facts.file
            try:
                logits = fidelity.logits(path, test.images)
            except HarnessError:
                raise
            except Exception as error:  # noqa: BLE001  # onnxruntime's errors share no type of their own
                told = " ".join(str(error).split())
                raise ModelError(f"{path} does not run on the images of {test.dataset}: {told}") from None
            if logits.ndim != 2:
                raise ModelError(f"{path} gives {logits.shape[1:]} values for an image, and no row of classes")
            self._logits[sha256] = logits
        return self._logits[sha256]


def _accuracy(name: str, facts: ArtifactFacts, logits: NDArray[np.float32], test: Split) -> Iterator[Check]:
    now, locked = fidelity.accuracy(logits.argmax(1), test), facts.accuracy
    if locked is None:
        yield _check(name, "accuracy", False, f"{now.top1:.2%}", "none")
        return
    if not 0 <= locked.correct <= locked.images or locked.images == 0:
        yield _check(name, "accuracy", False, f"{now.top1:.2%}", f"{locked.correct} of {locked.images} images")
        return
    of = (now.images, now.dataset) == (locked.images, locked.dataset)
    good = of and abs(now.top1 - locked.top1) <= ACCURACY_TOLERANCE
    found, was = (f"{one.top1:.2%} of {one.images} images of {one.dataset}" for one in (now, locked))
    yield _check(name, "accuracy", good, found, was)
    expected = wilson_interval(locked.correct, locked.images)
    same = len(facts.accuracy_interval) == 2 and np.allclose(facts.accuracy_interval, expected, rtol=0, atol=1e-9)
    shown, claimed = (" to ".join(f"{end:.2%}" for end in ends) for ends in (expected, facts.accuracy_interval))
    yield _check(name, "interval", same, shown, claimed or "none")


def _judge_bytes(name: str, sha256: str, facts: ArtifactFacts) -> Check:
    if sha256 == facts.sha256:
        return Check(name, "built again", "good", "the same bytes")
    then, now = facts.versions, versions()
    changed = [f"{key} {then.get(key)} -> {now.get(key)}" for key in WRITERS if then.get(key) != now.get(key)]
    if changed:  # another version may write other bytes, or not: neither is shown by this
        return Check(name, "built again", "not proved", f"other bytes, as versions differ: {', '.join(changed)}")
    return Check(name, "built again", "BAD", f"other bytes ({sha256[:16]}) from the same versions")
