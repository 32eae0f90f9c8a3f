"""Where a build works and what it works on: data splits read once, artifacts and weights found by recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifacts.locks import cache_entry, cache_folder, released_recipes, verify
from harness.datasets.split import Split
from harness.datasets.table import dataset
from harness.errors import BuildError, DataError, UsageError
from harness.model.case import ArtifactFacts, Suite
from harness.model.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = "weights.pt"
CHECKPOINTS = "checkpoints"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Data:
    """The splits of the registered data sets, each read when first needed; the functions take a data set's name."""

    load_train: Callable[[str], Split]
    load_test: Callable[[str], Split]
    _read: dict[tuple[str, str], Split] = field(default_factory=dict, compare=False, repr=False)

    def train(self, name: str) -> Split:
        """Images to learn and calibrate from."""
        return self._once(("train", name), self.load_train)

    def test(self, name: str) -> Split:
        """Images to judge by."""
        return self._once(("test", name), self.load_test)

    def train_of(self, name: str, sha256: str) -> Split:
        """The training images of a recipe; DataError where the folder holds others."""
        found = self.train(name)
        if found.sha256 != sha256:
            raise DataError(
                f"the recipe is for training images of {name} with SHA-256 {sha256}, but the data folder holds "
                f"{found.sha256}; point --data at the data set of the recipe"
            )
        return found

    def _once(self, key: tuple[str, str], load: Callable[[str], Split]) -> Split:
        if key not in self._read:
            self._read[key] = load(key[1])
        return self._read[key]


def data_in(folder: Path) -> Data:
    """The registered data sets as they lie in `folder`."""
    return Data(lambda name: dataset(name).load_train(folder), lambda name: dataset(name).load_test(folder))


@dataclass(frozen=True)
class Site:
    """`released`: the folder of suites with their locks, or None; `report` gets one line of progress at a time."""

    suite: Suite
    data: Data
    cache: Path
    released: Path | None
    report: Report
    _told: set[str] = field(default_factory=set, compare=False, repr=False)

    def artifact(self, recipe: Recipe) -> tuple[ArtifactFacts, Path] | None:
        """A verified artifact of the recipe, from the cache or else as released; None where neither has it.

        ModelError where the released file was altered.
        """
        built = self.built(recipe)
        if built is not None:
            return built
        facts = released_recipes(self.released).get(recipe.id) if self.released is not None else None
        if facts is None or self.released is None:
            return None
        return facts, verify(facts, self.released)

    def built(self, recipe: Recipe) -> tuple[ArtifactFacts, Path] | None:
        """The recipe's artifact in the cache; None where there is none, or only a damaged one, which is reported once.

        What can be made again at will is missing when it is damaged; an error would only forbid to make it.
        """
        try:
            found = cache_entry(self.cache, recipe.id)
            return None if found is None else (found[0], verify(found[0], cache_folder(self.cache, recipe.id)))
        except UsageError as error:  # ModelError: another file or recipe than recorded; else the entry is no entry
            if recipe.id not in self._told:
                self._told.add(recipe.id)
                self.report(f"taken for missing: {error}")
            return None

    def has_network(self, recipe: Recipe) -> bool:
        """Whether the cache holds the recipe's weights for torch, from which children and lessons are made."""
        return (cache_folder(self.cache, recipe.id) / WEIGHTS).is_file() and self.built(recipe) is not None

    def network(self, recipe: Recipe) -> nn.Module:
        """The recipe's network with its weights, in evaluation mode. BuildError where it was not built here."""
        from harness.variants.networks import weights

        path = cache_folder(self.cache, recipe.id) / WEIGHTS
        if not path.is_file():
            raise BuildError(f"the weights of recipe {recipe.id} are not at {path}; build its variant first")
        return weights.load(path, recipe.origin, recipe.id)
