"""The settings of a candidate: the defaults stay unless the best trial beats them beyond chance."""

from __future__ import annotations

import numpy as np
import pytest

from sessions.settings_choice import DEFAULTS, FOUND, LEVEL, choose_settings, default_settings
from tests.markets import gaussian_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, JSONDict

BARS_PER_YEAR = 8766.0
N_BARS = 3000


def backtest(positions: FloatArray, seed: int = 1, fee: float = 0.0) -> BacktestResult:
    bars = gaussian_bars(N_BARS, seed=seed)
    return run_backtest(bars, positions, Costs(fee, 0.0), bars_per_year=BARS_PER_YEAR)


def random_positions(rng: np.random.Generator) -> FloatArray:
    return np.repeat(rng.integers(-1, 2, N_BARS // 30), 30).astype(np.float64)


def knowing(seed: int, share: float) -> FloatArray:
    """Return positions that know the next move of a share of the bars."""
    close = gaussian_bars(N_BARS, seed=seed).close
    signs = np.sign(np.diff(close, append=close[-1]))
    known = np.random.default_rng(seed).random(N_BARS) < share
    return np.where(known, signs, 0.0)


def choose(found: BacktestResult | None, defaults: BacktestResult | None, n_trials: int = 20) -> JSONDict:
    return choose_settings(
        found, defaults, found_scores=[0.5, None], n_trials=n_trials, bars_per_year=BARS_PER_YEAR
    )


def test_settings_that_are_no_better_replace_the_defaults_in_about_one_of_20_markets() -> None:
    replaced = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found, defaults = (backtest(random_positions(rng), seed) for _ in range(2))
        replaced += choose(found, defaults)["chosen"] == FOUND
    assert 2 <= replaced <= 19  # each bound is left with a chance of 1 % where the true share is 5 %


def test_what_is_better_beyond_chance_replaces_them() -> None:
    record = choose(backtest(knowing(3, 0.5), 3), backtest(knowing(3, 0.1), 3))
    assert record["chosen"] == FOUND and record["difference"] > 0
    assert record["p_value"] <= record["level"] == LEVEL
    # The paired difference divides by the population deviation, the ratios by the sample one.
    gap = record["found_sharpe"] - record["default_sharpe"]
    assert record["difference"] == pytest.approx(gap, rel=1e-3)
    assert "The best of 20 trials is better" in record["reason"] and record["found_scores"] == [0.5, None]


def test_defaults_that_stay_flat_are_compared_too() -> None:
    record = choose(backtest(knowing(4, 0.5), 4), backtest(np.zeros(N_BARS), 4))
    assert record["chosen"] == FOUND and record["default_sharpe"] is None


def test_settings_that_never_trade_replace_nothing() -> None:
    record = choose(backtest(np.zeros(N_BARS)), backtest(knowing(1, 0.1)))
    assert (record["chosen"], record["difference"], record["p_value"]) == (DEFAULTS, None, None)


def test_the_same_settings_on_both_sides_keep_the_defaults() -> None:
    same = backtest(knowing(5, 0.2), 5)
    record = choose(same, same)
    assert (record["chosen"], record["difference"], record["p_value"]) == (DEFAULTS, 0.0, 1.0)


def test_a_side_whose_every_seed_diverged_leaves_the_other() -> None:
    able = backtest(knowing(1, 0.1))
    assert choose(None, able)["chosen"] == DEFAULTS
    assert "best trial's settings diverged" in choose(None, able)["reason"]
    assert choose(able, None)["chosen"] == FOUND
    assert "default settings diverged" in choose(able, None)["reason"]


def test_a_search_without_trials_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="n_trials should be > 0, is 0"):
        choose(None, backtest(knowing(1, 0.1)), n_trials=0)


def test_the_default_settings_are_the_exact_gradients() -> None:
    assert default_settings()["algorithm"] == "policy_gradient"
