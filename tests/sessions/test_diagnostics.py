"""Diagnostics beside the gate: right on validation, blind to the test window, undefined where they should be."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sessions.day import Day
from sessions.diagnostics import measure_diagnostics
from sessions.model_stage import Baseline
from sessions.models import ModelVersion, Trial
from strategies.library.registry import get_family
from strategies.models import Strategy
from tests.markets import autoregressive_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.markets.splits import Split
from trainingday.stats.hac import compare_to_flat
from trainingday.stats.selection import block_moments, overfitting_probability
from trainingday.stats.significance import deflated_sharpe_ratio, sharpe_moments

BARS_PER_YEAR = 8766.0
SPLIT = Split(slice(0, 1400), slice(1500, 2700), slice(2800, 3600), slice(3600, 3600), 100)
NAMES = [
    "psr", "dsr", "pbo", "min_track_record_bars", "min_track_record_years", "sharpe_double_costs",
    "sharpe_candidate", "sharpe_baseline", "sharpe_buy_and_hold", "sharpe_difference",
]  # fmt: skip


def make_day(bars: Bars | None = None, **fields: Any) -> Day:
    values: dict[str, Any] = {
        "context": None,
        "session": SimpleNamespace(seed=3),
        "market": None,
        "dataset": None,
        "bars": autoregressive_bars(3600, seed=4, phi=0.3) if bars is None else bars,
        "window": None,
        "split": SPLIT,
        "costs": Costs(0.0001, 0.0),
        "bars_per_year": BARS_PER_YEAR,
        "preset": None,
        "bundle": "",
    }
    return Day(**(values | fields))


def strategy(family: str) -> Strategy:
    return Strategy(family=family, parameters=get_family(family).validate({}, 2**31))


def measure(
    day: Day, candidate: str = "momentum", baseline: str = "mean_reversion", trials: list[Trial] | None = None
) -> dict[str, dict[str, Any]]:
    version = ModelVersion(selection_strategy=strategy(candidate), strategy=strategy("flat"))
    beaten = Baseline(None, strategy(baseline), cast(ModelVersion, None), None)
    rows = measure_diagnostics(day, beaten, version, make_trials() if trials is None else trials)
    return {row["name"]: row for row in rows}


def make_trials() -> list[Trial]:
    rows = [("complete", 2.0), ("pruned", -1.0), ("complete", None), ("failed", None), ("waiting", None)]
    return [Trial(index=i, state=state, score=score) for i, (state, score) in enumerate(rows)]


def validation_returns(day: Day, family: str) -> np.ndarray:
    positions = get_family(family).positions(day.bars, {})[SPLIT.validation]
    return run_backtest(day.bars[SPLIT.validation], positions, day.costs, bars_per_year=BARS_PER_YEAR).returns


def test_every_diagnostic_is_there_and_says_that_the_test_stays_sealed() -> None:
    found = measure(make_day())
    assert list(found) == NAMES
    for row in found.values():
        assert set(row) == {"name", "title", "value", "low", "high", "n", "note"}
        assert "validation" in row["note"] and "sealed" in row["note"]
        assert row["value"] is None or np.isfinite(row["value"])


def test_nothing_behind_validation_is_read() -> None:
    day = make_day()
    other = autoregressive_bars(3600, seed=99, phi=-0.5)
    stop = SPLIT.validation.stop
    columns = {
        name: np.concatenate([getattr(day.bars, name)[:stop], getattr(other, name)[stop:]])
        for name in ("open", "high", "low", "close", "volume")
    }
    assert measure(make_day(replace(day.bars, **columns))) == measure(day)


def test_sharpe_ratios_are_those_of_the_backtests_on_validation() -> None:
    day = make_day()
    found = measure(day)
    for name, family in (("candidate", "momentum"), ("baseline", "mean_reversion"), ("buy_and_hold",) * 2):
        returns = validation_returns(day, family)
        row = found[f"sharpe_{name}"]
        assert row["value"] == pytest.approx(returns.mean() / returns.std(ddof=1) * BARS_PER_YEAR**0.5)
        assert row["low"] < row["value"] < row["high"] and row["n"] == 1199
    row = found["sharpe_difference"]
    gap = found["sharpe_candidate"]["value"] - found["sharpe_baseline"]["value"]
    assert row["value"] == pytest.approx(gap, rel=1e-3)
    assert row["low"] < row["value"] < row["high"]


def test_doubled_costs_lower_the_sharpe_ratio() -> None:
    found = measure(make_day())
    dear = measure(make_day(costs=Costs(0.0002, 0.0)))
    assert found["sharpe_double_costs"]["value"] < found["sharpe_candidate"]["value"]
    assert found["sharpe_double_costs"]["value"] == dear["sharpe_candidate"]["value"]


def test_deflation_counts_pruned_and_failed_trials_and_no_waiting_one() -> None:
    day = make_day()
    row = measure(day)["dsr"]
    moments = sharpe_moments(validation_returns(day, "momentum"))
    assert moments is not None and row["n"] == 4
    spread = np.var([2.0, -1.0, 0.0], ddof=1) / BARS_PER_YEAR
    assert row["value"] == pytest.approx(deflated_sharpe_ratio(moments, 4, spread))
    assert row["value"] < measure(day)["psr"]["value"]
    assert measure(day, trials=make_trials()[:1])["dsr"]["value"] is None


def with_blocks(returns: np.ndarray) -> list[Trial]:
    moments = [block_moments(column[:, None]) for column in returns.T]
    assert None not in moments
    return [
        Trial(
            state="complete",
            score=1.0,
            blocks=[[m.n_bars, *pair] for pair in zip(m.sums[:, 0], m.squares[:, 0], strict=True)],
        )
        for m in moments
        if m is not None
    ]


def test_overfitting_is_measured_over_the_trials_that_have_blocks() -> None:
    returns = 0.01 * np.random.default_rng(1).standard_normal((1000, 6))
    trials = with_blocks(returns)
    row = measure(make_day(), trials=[*trials, *make_trials()])["pbo"]
    expected = overfitting_probability(returns)
    assert expected is not None
    assert (row["value"], row["n"]) == (pytest.approx(expected.probability, abs=1e-12), 6)
    assert measure(make_day(), trials=trials[:3])["pbo"]["value"] is None


def test_the_track_record_in_years_is_that_in_bars() -> None:
    found = measure(make_day())
    bars, years = (found[f"min_track_record_{unit}"]["value"] for unit in ("bars", "years"))
    assert bars > 1 and years == pytest.approx(bars / BARS_PER_YEAR)


def test_a_candidate_that_stays_flat_leaves_its_figures_undefined() -> None:
    found = measure(make_day(), candidate="flat")
    undefined = {name for name, row in found.items() if row["value"] is None}
    assert undefined == set(NAMES) - {"sharpe_baseline", "sharpe_buy_and_hold"}


def test_a_flat_baseline_is_a_sharpe_ratio_of_zero_in_the_difference() -> None:
    day = make_day()
    row = measure(day, baseline="flat")["sharpe_difference"]
    expected = compare_to_flat(validation_returns(day, "momentum")).difference * BARS_PER_YEAR**0.5
    assert row["value"] == pytest.approx(expected)


def test_a_candidate_that_trades_as_its_baseline_has_no_interval() -> None:
    row = measure(make_day(), baseline="momentum")["sharpe_difference"]
    assert (row["value"], row["low"], row["high"]) == (0.0, None, None)


def test_few_bars_are_bootstrapped_the_same_way_each_time() -> None:
    day = make_day(split=replace(SPLIT, validation=slice(1500, 2200)))
    row = measure(day)["sharpe_difference"]
    assert "bootstrap" in row["note"] and row["low"] < row["value"] < row["high"]
    assert measure(day)["sharpe_difference"] == row
