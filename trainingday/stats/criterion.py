"""A success criterion as a value, and the eight headings under which the mission is measured."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from trainingday.stats.ratios import Interval
from trainingday.typing import JSONDict

POINT_ONLY = "Point estimate only: the interval does not exclude a value below the threshold."


@dataclass(frozen=True)
class Criterion:
    """One success criterion of the mission, as measured.

    Attributes
    ----------
    name, title, how_measured : str
        Stable key, heading, and the measure in a sentence.
    value, low, high : float or None
        Estimate and 95 % interval; fractions, except counts and differences of Sharpe ratios.
    n : int
        What the value rests on: bars, sessions, generations, seeds or patterns.
    threshold : float
        What `value` or `low` must exceed.
    met : bool or None
        None where it could not be measured.
    note : str
        What a reader must know, empty if nothing.
    """

    name: str
    title: str
    how_measured: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    threshold: float
    met: bool | None
    note: str

    def as_dict(self) -> JSONDict:
        """Return JSON-safe values."""
        return asdict(self)


@dataclass(frozen=True)
class Heading:
    """What is fixed of a criterion before anything is measured."""

    name: str
    title: str
    how_measured: str
    threshold: float

    def measured(
        self,
        value: float,
        interval: Interval | None,
        n: int,
        note: str = "",
        *,
        otherwise: bool | None = False,
    ) -> Criterion:
        """Return the criterion, met if the lower bound exceeds the threshold; `otherwise` without bounds."""
        is_met = otherwise if interval is None else interval.low > self.threshold
        text = f"{POINT_ONLY} {note}" if value > self.threshold and not is_met else note
        low, high = interval if interval is not None else (None, None)
        return self.decided(value, low, high, n, is_met, text)

    def unknown(self, n: int, note: str) -> Criterion:
        """Return the criterion as not measured."""
        return self.decided(None, None, None, n, None, note)

    def decided(
        self, value: float | None, low: float | None, high: float | None, n: int, met: bool | None, note: str
    ) -> Criterion:
        """Return the criterion with `met` as given; what is not finite becomes None."""
        return Criterion(
            self.name,
            self.title,
            self.how_measured,
            _finite(value),
            _finite(low),
            _finite(high),
            n,
            self.threshold,
            met,
            note.strip(),
        )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


SHARPE = Heading(
    "sharpe_improvement",
    "Sharpe ratio improved by more than 5 % in the session",
    "Test Sharpe ratio of the promoted candidate over the champion's, re-scored on the same bars, minus 1; "
    "met if the lower end of the 95 % Fieller interval exceeds 5 %.",
    0.05,
)
PATTERNS = Heading(
    "new_patterns",
    "More than 3 new patterns in the session",
    "Patterns confirmed on later bars and without duplicates, not merely found.",
    3.0,
)
WIN_RATE = Heading(
    "win_rate_trend",
    "Win rate rises over generations",
    "Slope of the promoted finalists' test win rate per generation; met if the lower end of its 95 % "
    "interval exceeds 0.",
    0.0,
)
VALIDATED = Heading(
    "validated_out_of_sample",
    "Every promotion was validated out of sample",
    "Share of promotions that nobody decided by hand with a passed sealed exam, or with a lead on bars that "
    "came after a failed one; must be 100 %.",
    1.0,
)
SEARCH = Heading(
    "search_improvement",
    "Hyperparameter search improves by 20 to 30 %",
    "Mean test Sharpe ratio of the best parameters over the defaults', both retrained with at least 5 "
    "seeds, minus 1; met if the lower end of the 95 % interval over seeds exceeds 20 %.",
    0.20,
)
GENERATION = Heading(
    "generation_improvement",
    "Each generation improves by 10 to 15 %",
    "Median relative change of the score from one generation to the next, beside random entrants; met if "
    "the lower end of its 95 % interval exceeds 10 % and the control's median.",
    0.10,
)
ENSEMBLE = Heading(
    "ensemble_stability",
    "Ensembles are more stable than single models",
    "1 minus the spread of the ensembles' Sharpe ratios over sessions on the same bars, relative to one member's "
    "of each; met if the lower end of the 95 % interval for pairs exceeds 0.",
    0.0,
)
DRAWDOWN = Heading(
    "drawdown_reduction",
    "Risk management reduces drawdown",
    "Maximum drawdown with the overlay minus without it, on the same bars; met if the lower end of the "
    "95 % block-bootstrap interval exceeds 0.",
    0.0,
)
