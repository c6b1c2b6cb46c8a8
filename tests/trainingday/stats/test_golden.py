"""One golden run of every statistic: a formula's series, the values as they were checked against oracles."""

import json
from pathlib import Path

import numpy as np
import pytest

from trainingday.stats import (
    criteria,
    drawdowns,
    forward,
    ratios,
    resampling,
    returns,
    selection,
    significance,
)
from trainingday.stats.bootstrap import bootstrap_sharpe_difference
from trainingday.stats.gate import Baseline, Exam, Verdict, decide

GOLDEN = Path(__file__).parent / "data" / "golden.json"
YEAR = 252.0
T = np.arange(1000.0)
# No random numbers: a NumPy release may change its streams, never these.
FIRST = 0.0010 + 0.010 * np.sin(1.3 * T) + 0.004 * np.cos(0.37 * T**2)
SECOND = 0.0002 + 0.008 * np.sin(1.1 * T + 0.5) + 0.004 * np.cos(0.29 * T**2)
TABLE = np.stack(
    [0.01 * np.sin((1.0 + 0.17 * k) * T) + 0.006 * np.cos(0.1 * (k + 1) * T**2) for k in range(8)], 1
)


def golden_run():
    equity = returns.equity_curve(FIRST)
    moments = significance.sharpe_moments(FIRST)
    decision = decide(
        FIRST,
        [Baseline("flat", np.zeros(1000)), Baseline("champion", SECOND)],
        n_trades=99,
        bars_per_year=YEAR,
        exam=Exam(),
    )
    overfitting = selection.overfitting_probability(TABLE, 8)
    overlay = criteria.sharpe_improvement(FIRST, SECOND, bars_per_year=YEAR, verdict=Verdict.PASSED)
    followed = forward.challenger_evidence(FIRST, SECOND, bars_per_year=YEAR)
    return {
        "total_return": returns.total_return(FIRST),
        "annual_return": returns.annual_return(FIRST, YEAR),
        "volatility": returns.volatility(FIRST, YEAR),
        "sharpe_ratio": ratios.sharpe_ratio(FIRST, YEAR),
        "sharpe_interval": list(ratios.sharpe_interval(FIRST, YEAR)),
        "sortino_ratio": ratios.sortino_ratio(FIRST, YEAR),
        "calmar_ratio": ratios.calmar_ratio(FIRST, YEAR),
        "max_drawdown": drawdowns.max_drawdown(equity),
        "max_drawdown_bars": drawdowns.max_drawdown_bars(equity),
        "longest_drawdown_bars": drawdowns.longest_drawdown_bars(equity),
        "win_rate": ratios.win_rate(FIRST),
        "profit_factor": ratios.profit_factor(FIRST),
        "expectancy": ratios.expectancy(FIRST),
        "moments": [moments.sharpe, moments.skewness, moments.kurtosis],
        "psr": significance.probabilistic_sharpe_ratio(moments, 0.1),
        "dsr": significance.deflated_sharpe_ratio(moments, 50, 0.003),
        "min_trl": significance.minimum_track_record_length(moments, 0.1),
        "p_value": decision.p_value,
        "detectable": decision.detectable_difference,
        "comparisons": [
            [c.difference, c.standard_error, c.ci_low, c.ci_high, c.z, c.p_value]
            for c in decision.comparisons
        ],
        "pbo": [overfitting.probability, overfitting.median_rank, overfitting.probability_of_loss],
        "forward": [followed.mean, followed.low, followed.high],
        "improvement": [overlay.value, overlay.low, overlay.high],
        "median_interval": list(resampling.median_interval(FIRST[:50])),
    }


def test_every_statistic_is_as_it_was():
    found, golden = golden_run(), json.loads(GOLDEN.read_text())
    assert found.keys() == golden.keys()
    for name, value in golden.items():
        flat_found, flat_golden = np.ravel(found[name]), np.ravel(value)
        is_none = [entry is None for entry in flat_golden]
        assert [entry is None for entry in flat_found] == is_none, name
        for one, other in zip(flat_found, flat_golden, strict=True):
            if other is not None:
                assert one == pytest.approx(other, rel=1e-8, abs=1e-12), name


def test_a_bootstrap_repeats_itself_on_one_numpy():
    runs = [
        bootstrap_sharpe_difference(FIRST, SECOND, bars_per_year=YEAR, rng=np.random.default_rng(1))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
