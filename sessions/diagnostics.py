"""What is reported beside the gate and never decides: luck, costs and intervals, all on validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import variance
from typing import TYPE_CHECKING

import numpy as np

from sessions.models import ModelVersion, Trial
from sessions.paired import paired_difference
from strategies.library.registry import get_family
from strategies.positions import positions_of
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.stats.ratios import sharpe_interval, sharpe_ratio
from trainingday.stats.selection import overfitting_probability_from_blocks
from trainingday.stats.significance import (
    SharpeMoments,
    deflated_sharpe_ratio,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_moments,
)
from trainingday.typing import FloatArray, JSONDict

if TYPE_CHECKING:
    from sessions.day import Day
    from sessions.model_stage import Baseline

ON_VALIDATION = "On validation, where the candidate was chosen; the test window stays sealed."
MAX_COST = 0.1
MIN_TRIALS = 4  # of a search, for its probability of overfitting


@dataclass(frozen=True)
class Diagnostic:
    """One figure beside the gate.

    Attributes
    ----------
    name, title : str
    value, low, high : float or None
        None where undefined; `low` and `high` are an interval, whose confidence the note says.
    n : int
        Bars, or trials, that the value rests on.
    note : str
    """

    name: str
    title: str
    value: float | None
    n: int
    note: str
    low: float | None = None
    high: float | None = None


def measure_diagnostics(
    day: Day, baseline: Baseline, candidate: ModelVersion, trials: Sequence[Trial]
) -> list[JSONDict]:
    """Return every diagnostic, JSON-safe; only bars before the test window's gap are read."""
    own = _returns(day, _positions(day, candidate))
    beaten = _returns(day, positions_of(baseline.strategy, _seen(day)))
    market = _returns(day, get_family("buy_and_hold").positions(_seen(day), {}))
    moments = sharpe_moments(own)
    found = [
        _psr(moments, own.shape[0]),
        _dsr(day, moments, trials),
        _pbo(trials),
        *_track_record(day, moments, own.shape[0]),
        _sharpe(day, "sharpe_double_costs", "Sharpe at double fee and slippage", _stressed(day, candidate)),
        _sharpe(day, "sharpe_candidate", "Sharpe, candidate", own),
        _sharpe(day, "sharpe_baseline", "Sharpe, baseline", beaten),
        _sharpe(day, "sharpe_buy_and_hold", "Sharpe, buy & hold", market),
        _difference(day, own, beaten),
    ]
    return [asdict(each) for each in found]


def _psr(moments: SharpeMoments | None, n_bars: int) -> Diagnostic:
    value = None if moments is None else probabilistic_sharpe_ratio(moments)
    note = f"Probability that the true Sharpe ratio is above 0, one candidate alone. {ON_VALIDATION}"
    return Diagnostic("psr", "Probabilistic Sharpe ratio", value, n_bars, note)


def _dsr(day: Day, moments: SharpeMoments | None, trials: Sequence[Trial]) -> Diagnostic:
    """Return the deflated Sharpe ratio; a trial that stayed flat has 0, a failed one counts without a score."""
    done = [trial for trial in trials if trial.state != Trial.State.WAITING]
    scored = [trial for trial in done if trial.state in (Trial.State.COMPLETE, Trial.State.PRUNED)]
    ratios = [(trial.score or 0.0) / math.sqrt(day.bars_per_year) for trial in scored]
    value = None
    if moments is not None and len(ratios) >= 2:
        value = deflated_sharpe_ratio(moments, len(done), variance(ratios))
    note = (
        f"Probability that it is above the best of {len(done)} lucky trials, pruned and failed ones counted; "
        f"that each trial shows its best checkpoint is not. {ON_VALIDATION}"
    )
    return Diagnostic("dsr", "Deflated Sharpe ratio", value, len(done), note)


def _pbo(trials: Sequence[Trial]) -> Diagnostic:
    """Return the probability of overfitting over complete and pruned trials, by their best checkpoints."""
    tables = [np.array(trial.blocks, dtype=np.float64) for trial in trials if trial.blocks]
    value = None
    if len(tables) >= MIN_TRIALS:
        table = np.stack(tables, axis=-1)
        found = overfitting_probability_from_blocks(int(table[0, 0, 0]), table[:, 1], table[:, 2])
        value = None if found is None else found.probability
    note = (
        "How often the best trial of half of the time blocks is below the median on the other half; "
        f"0.49 ± 0.21 where nothing can be learned, undefined under {MIN_TRIALS} trials. {ON_VALIDATION}"
    )
    return Diagnostic("pbo", "Probability of backtest overfitting", value, len(tables), note)


def _track_record(day: Day, moments: SharpeMoments | None, n_bars: int) -> list[Diagnostic]:
    bars = None if moments is None else minimum_track_record_length(moments)
    years = None if bars is None else bars / day.bars_per_year
    note = f"For a PSR of 95 % at this Sharpe ratio; undefined unless it is above 0. {ON_VALIDATION}"
    return [
        Diagnostic("min_track_record_bars", "Minimum track record, bars", bars, n_bars, note),
        Diagnostic("min_track_record_years", "Minimum track record, years", years, n_bars, note),
    ]


def _sharpe(day: Day, name: str, title: str, returns: FloatArray) -> Diagnostic:
    low, high = sharpe_interval(returns, day.bars_per_year) or (None, None)
    value = sharpe_ratio(returns, day.bars_per_year)
    note = f"Annualised, net of costs, with its 95 % interval. {ON_VALIDATION}"
    return Diagnostic(name, title, value, returns.shape[0], note, low, high)


def _difference(day: Day, own: FloatArray, beaten: FloatArray) -> Diagnostic:
    found = paired_difference(own, beaten, day.bars_per_year, day.session.seed)
    note = f"Annualised, paired bar by bar, with its 90 % interval{found.method}. {ON_VALIDATION}"
    title = "Sharpe difference, candidate − baseline"
    return Diagnostic("sharpe_difference", title, found.value, own.shape[0], note, found.low, found.high)


def _stressed(day: Day, candidate: ModelVersion) -> FloatArray:
    doubled = Costs(min(2 * day.costs.fee, MAX_COST), min(2 * day.costs.slippage, MAX_COST))
    return _returns(day, _positions(day, candidate), doubled)


def _positions(day: Day, candidate: ModelVersion) -> FloatArray:
    """Return the positions of the fit on train alone: the examined one has been fitted on validation."""
    return positions_of(candidate.selection_strategy, _seen(day))


def _seen(day: Day) -> Bars:
    return day.bars[: day.split.validation.stop]


def _returns(day: Day, positions: FloatArray, costs: Costs | None = None) -> FloatArray:
    segment = day.split.validation
    return run_backtest(
        day.bars[segment], positions[segment], costs or day.costs, bars_per_year=day.bars_per_year
    ).returns
