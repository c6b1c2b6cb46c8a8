"""What a run of the honesty benchmark is asked, checked once, and the markets that it consists of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.synthetic import CODES, NULL_MARKETS, SEED

PARTS = ("models", "tournaments", "patterns")
MARKETS_RANGE = (2, 10_000)
MAX_TRAINED = 1_000
MAX_SEED = 2**63 - 1
MAX_WORKERS = 64


class Mutant(StrEnum):
    """A fault put in on purpose, which the benchmark must catch."""

    NONE = ""
    LOOKAHEAD = "lookahead"
    PICK_ON_TEST = "pick-on-test"


class Case(StrEnum):
    """What is run on a market. Never reorder: the place here is part of each seed, see `stream`."""

    TOURNAMENT = "tournament"
    UNTRAINED = "untrained"
    TRAINED = "trained"
    PATTERNS_NULL = "patterns_null"
    PATTERNS_PLANTED = "patterns_planted"


@dataclass(frozen=True)
class MarketTask:
    """One session on one market; equal tasks give equal outcomes, in any process.

    Attributes
    ----------
    case : Case
    kind : str
        The market, see `trainingday.synthetic`.
    index, seed : int
        Which market of its kind, and the benchmark's seed.
    """

    case: Case
    kind: str
    index: int
    seed: int
    mutant: Mutant = Mutant.NONE

    def stream(self) -> int:
        """Return the seed of what is bred, drawn or trained here, apart from that of the market's bars."""
        words = [self.seed, CODES[self.kind], self.index, 1 + list(Case).index(self.case)]
        return int(np.random.SeedSequence(words).generate_state(1)[0])


@dataclass(frozen=True)
class HonestyOptions:
    """How much is asked of which parts.

    Attributes
    ----------
    n_markets : int
        Null markets and planted markets for each part, 2..10,000.
    parts : tuple of str
        Of "models", "tournaments", "patterns".
    seed : int
    n_trained : int
        Null and planted markets on which models are really trained, 0..1,000; 0 for none.
    mutant : Mutant
    n_workers : int
        Processes; no result depends on it.
    """

    n_markets: int = 200
    parts: tuple[str, ...] = PARTS
    seed: int = SEED
    n_trained: int = 0
    mutant: Mutant = Mutant.NONE
    n_workers: int = 2

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("markets", self.n_markets, *MARKETS_RANGE),
            ("seed", self.seed, 0, MAX_SEED),
            ("train", self.n_trained, 0, MAX_TRAINED),
            ("workers", self.n_workers, 1, MAX_WORKERS),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise InvalidArgument(f"{name} should be a whole number {low}..{high}, is {value!r}")
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts or len(set(self.parts)) < len(self.parts):
            raise InvalidArgument(
                f"parts should be some of {', '.join(PARTS)}, each once, are {','.join(self.parts)!r}"
            )
        if self.n_trained and "models" not in self.parts:
            raise InvalidArgument("train should be 0 without the part models")
        if self.mutant is Mutant.PICK_ON_TEST and "patterns" in self.parts:
            raise InvalidArgument("the mutant pick-on-test should be run on models and tournaments only")

    def tasks(self) -> list[MarketTask]:
        """Return every market, in an order that only these options decide."""
        makers = {"models": self._models, "tournaments": self._tournaments, "patterns": self._patterns}
        return [task for part in PARTS if part in self.parts for task in makers[part]()]

    def _models(self) -> Iterator[MarketTask]:
        yield from self._null(Case.UNTRAINED)
        pairs = zip(*(self._of(Case.TRAINED, kind, self.n_trained) for kind in ("N3", "P1")), strict=True)
        yield from chain.from_iterable(pairs)  # a run that is stopped has as many of each

    def _tournaments(self) -> Iterator[MarketTask]:
        yield from self._null(Case.TOURNAMENT)
        half = -(-self.n_markets // 2)
        for kind in ("N6", "P1", "P2"):
            yield from self._of(Case.TOURNAMENT, kind, half)

    def _patterns(self) -> Iterator[MarketTask]:
        yield from self._null(Case.PATTERNS_NULL)
        yield from self._of(Case.PATTERNS_PLANTED, "patterns", self.n_markets)

    def _null(self, case: Case) -> Iterator[MarketTask]:
        for index in range(self.n_markets):
            yield MarketTask(case, NULL_MARKETS[index % len(NULL_MARKETS)], index, self.seed, self.mutant)

    def _of(self, case: Case, kind: str, n: int) -> Iterator[MarketTask]:
        for index in range(n):
            yield MarketTask(case, kind, index, self.seed, self.mutant)
