"""Mining: which candidates, of all that were tried, moved differently from the rest of the market."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from patterns.discovery.cells import CellSums, add_cells_nb, asked_features, regimes_of, student_t
from patterns.discovery.features import Features
from patterns.discovery.options import MiningOptions, Progress, Segments
from patterns.discovery.pattern import LONG, REGIMES, SHORT, Pattern, RegimeCuts, Shape
from patterns.discovery.rates import adjusted_p_values
from patterns.discovery.regimes import tercile_cuts
from patterns.discovery.tracking import Record, record_over
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.stats.multiplicity import benjamini_hochberg
from trainingday.typing import FloatArray, IntArray, JSONDict

_CHUNK = 250_000
_LEFT_OUT = {
    "volatility": "Volatility regimes were left out: volatility is undefined or constant on train.",
    "volume": "Volume regimes were left out: relative volume does not vary on train.",
    "trend": "Trend regimes were left out: the trend is undefined or constant on train.",
    "place": "Places in the range were left out: the place is undefined or constant on train.",
}


@dataclass(frozen=True)
class PatternCandidate:
    """A pattern found on train and validation bars; not yet evidence, see `confirm`.

    Attributes
    ----------
    t_statistic : Student t of its mean outcome minus the mean of all bars, signed as prices move.
    p_value : two-sided, degrees of freedom n - 1.
    q_value : smallest false discovery rate at which it would still be found.
    record : its sightings on the bars that it was found on.
    """

    pattern: Pattern
    t_statistic: float
    p_value: float
    q_value: float
    record: Record

    def as_dict(self) -> JSONDict:
        """Return the evidence, JSON-safe; `Pattern.from_dict` reads its "pattern"."""
        return {
            "pattern": self.pattern.as_dict(),
            "t": self.t_statistic,
            "p_value": self.p_value,
            "q_value": self.q_value,
            **self.record.as_dict(),
        }


@dataclass(frozen=True)
class MiningResult:
    """What a scan tried and found.

    Attributes
    ----------
    candidates_listed : cells on the list, fixed beforehand.
    candidates_tested : cells with enough occurrences; the false discovery rate is over all of these.
    found : best p-value first.
    reason : why nothing was found, one sentence; None if something was.
    notes : what was left out, one sentence each.
    """

    candidates_listed: int
    candidates_tested: int
    found: tuple[PatternCandidate, ...]
    reason: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Tested:
    """Cells of one shape and horizon that had enough occurrences."""

    shape: Shape
    horizon: int
    cells: IntArray
    t: FloatArray
    p: FloatArray


def mine(
    bars: Bars,
    segments: Segments,
    options: MiningOptions | None = None,
    progress: Progress | None = None,
    *,
    features: Features | None = None,
) -> MiningResult:
    """Return the candidates whose mean outcome differs from the market's, at a false discovery rate.

    Every word of every window, with the regimes that `options` asks for or any, and every horizon is a
    candidate. Its occurrences are thinned to at least one horizon apart; the outcome is the forward
    log return from the next open over trailing volatility x sqrt(horizon); Student's t of its mean
    against the mean of all bars, two-sided, with >= min_occurrences; Benjamini-Hochberg over all
    tested. The sign of t is the pattern's direction.

    Parameters
    ----------
    bars : Bars of shape (n_bars,); bars outside the segments serve as history only.
    segments : train gives the regime cuts; no outcome reaches beyond its own segment.
    progress : called with the share done in [0, 1] and the stage; may raise to cancel.

    Raises
    ------
    InvalidArgument
        If a segment holds no bar or leaves the bars. Bars that cannot hold a pattern give a result
        with a reason instead.
    """
    options = options or MiningOptions()
    report = progress or _silent
    features = features or Features(bars)
    if features.bars is not bars:
        raise InvalidArgument("features should be of the same bars, are of others")
    bounds = segments.checked(len(bars))
    cuts, notes = _cuts_and_notes(features, segments.train, options, bounds)
    reason = _why_not(features, options, bounds)
    if reason is not None:
        return MiningResult(options.n_listed, 0, (), reason, notes)
    tested = list(_test_all(features, options, bounds, cuts, report))
    found = _select(tested, options)
    if not found:
        n_tested = sum(group.p.size for group in tested)
        return MiningResult(options.n_listed, n_tested, (), _nothing(tested, options), notes)
    candidates = []
    for index, (group, cell, t, p, q) in enumerate(found):
        report(0.9 + 0.1 * index / len(found), "measuring what was found")
        pattern = _pattern_of(group, cell, t, cuts, options.regimes)
        record = record_over(bars, pattern, [slice(*pair) for pair in bounds], options, features=features)
        candidates.append(PatternCandidate(pattern, t, p, q, record))
    report(1.0, "done")
    n_tested = sum(group.p.size for group in tested)
    return MiningResult(options.n_listed, n_tested, tuple(candidates), None, notes)


def _silent(share: float, stage: str) -> None:
    """Report to nobody."""


def _cuts_and_notes(
    features: Features, train: slice, options: MiningOptions, bounds: tuple[tuple[int, int], ...]
) -> tuple[RegimeCuts, tuple[str, ...]]:
    bars = features.bars
    cuts = tercile_cuts(features.state, train, options.regimes, has_volume=bars.has_volume)
    notes = [_LEFT_OUT[name] for name in options.regimes if getattr(cuts, name) is None]
    if "volume" in options.regimes and not bars.has_volume:
        notes[notes.index(_LEFT_OUT["volume"])] = "Volume regimes were left out: these bars have no volume."
    longest = max(stop - start for start, stop in bounds)
    for shape in options.shapes:
        short = [horizon for horizon in options.horizons if shape.window + horizon >= longest]
        if short:
            listed = ", ".join(str(horizon) for horizon in short)
            notes.append(f"Window {shape.window} with horizon {listed} was left out: it needs more bars.")
    return cuts, tuple(notes)


def _why_not(features: Features, options: MiningOptions, bounds: tuple[tuple[int, int], ...]) -> str | None:
    """Return why these bars can hold no pattern at all, or None."""
    need = min(options.windows) + min(options.horizons) + 1
    most = max(stop - start for start, stop in bounds)
    if most < need:
        return (
            f"Too few bars: a window of {min(options.windows)} and its horizon need {need}, there are {most}."
        )
    close = features.bars.close
    if all(np.ptp(close[start:stop]) == 0 for start, stop in bounds):
        return "The price is constant: there is no shape to recognise."
    has_word = any(
        (features.words(shape)[start:stop] >= 0).any() for shape in options.shapes for start, stop in bounds
    )
    if not has_word:
        return (
            f"No window of {min(options.windows)} bars is free of gaps and of constant prices: "
            "there is no shape to recognise."
        )
    if not any(np.isfinite(features.state.volatility[start:stop]).any() for start, stop in bounds):
        return "Volatility is undefined on every bar: too few bars between gaps, or prices do not vary."
    return None


def _test_all(
    features: Features,
    options: MiningOptions,
    bounds: tuple[tuple[int, int], ...],
    cuts: RegimeCuts,
    report: Progress,
) -> Iterator[_Tested]:
    regimes = features.regimes(cuts, options.regimes)
    asked = asked_features(len(options.regimes), options.max_conditions)
    n_steps = len(options.shapes) * len(options.horizons) * sum(stop - start for start, stop in bounds)
    n_done = 0
    for shape in options.shapes:
        words = features.words(shape)
        for horizon in options.horizons:
            sums = CellSums.empty(shape.n_words, len(options.regimes))
            for start, stop in bounds:
                for chunk in range(start, stop, _CHUNK):
                    report(0.9 * n_done / n_steps, f"windows of {shape.window}, horizon {horizon}")
                    last = min(chunk + _CHUNK, stop)
                    add_cells_nb(
                        features.log_open, words, features.state.volatility, regimes, asked, features.n_gaps, horizon,
                        chunk, last, stop, sums.n, sums.total, sums.squares, sums.last_kept, sums.base,
                    )  # fmt: skip
                    n_done += last - chunk
            yield _Tested(shape, horizon, *student_t(sums, options.min_occurrences))


def _select(tested: list[_Tested], options: MiningOptions) -> list[tuple[_Tested, int, float, float, float]]:
    """Return (group, cell, t, p, q) of the found, best p first, by Benjamini-Hochberg over all tested."""
    p = np.concatenate([group.p for group in tested])
    if not p.size:
        return []
    q = adjusted_p_values(p)
    is_found = benjamini_hochberg(p, options.false_discovery_rate)
    owners = np.concatenate([np.full(group.p.size, i) for i, group in enumerate(tested)])
    cells = np.concatenate([group.cells for group in tested])
    t = np.concatenate([group.t for group in tested])
    order = np.flatnonzero(is_found)[np.argsort(p[is_found], kind="stable")]
    return [(tested[owners[i]], int(cells[i]), float(t[i]), float(p[i]), float(q[i])) for i in order]


def _pattern_of(group: _Tested, cell: int, t: float, cuts: RegimeCuts, names: tuple[str, ...]) -> Pattern:
    word, regimes = regimes_of(cell, len(names))
    asked = dict.fromkeys(REGIMES) | dict(zip(names, regimes, strict=True))
    direction = LONG if t > 0 else SHORT
    return Pattern(group.shape, word, horizon=group.horizon, direction=direction, cuts=cuts, **asked)


def _nothing(tested: list[_Tested], options: MiningOptions) -> str:
    n_tested = sum(group.p.size for group in tested)
    if not n_tested:
        return (
            f"No candidate occurred {options.min_occurrences} times at least one horizon apart: "
            "more bars are needed."
        )
    return (
        f"None of {n_tested:,} candidates tested stands out at a false discovery rate of "
        f"{options.false_discovery_rate:g}."
    )
