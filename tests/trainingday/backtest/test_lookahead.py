"""One suite over every indicator and overlay: no value knows the future; six seeded leaks are caught."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from tests.lookahead import find_lookahead
from tests.markets import autoregressive_bars
from trainingday.backtest import indicators
from trainingday.backtest.engine import Costs
from trainingday.backtest.overlays import DrawdownStop, StopLoss, VolatilityTarget
from trainingday.bars import Bars
from trainingday.typing import FloatArray

N_CUTS = 120
Compute = Callable[[Bars], FloatArray]

INDICATORS: dict[str, Compute] = {
    "momentum": lambda bars: indicators.momentum_nb(bars.close, 20),
    "rolling_mean": lambda bars: indicators.rolling_mean_nb(bars.close, 50),
    "rolling_deviation": lambda bars: indicators.rolling_deviation_nb(bars.close, 50),
    "z_score": lambda bars: indicators.z_score_nb(bars.close, 50),
    "exponential_mean": lambda bars: indicators.exponential_mean_nb(bars.close, 26),
    "wilder_mean": lambda bars: indicators.wilder_mean_nb(bars.close, 14),
    "true_range": lambda bars: indicators.true_range_nb(bars.high, bars.low, bars.close),
    "average_true_range": lambda bars: indicators.average_true_range_nb(bars.high, bars.low, bars.close, 14),
    "channel_distance": lambda bars: indicators.channel_distance_nb(bars.high, bars.low, bars.close, 14),
    "relative_strength": lambda bars: indicators.relative_strength_nb(bars.close, 14),
    "macd_histogram": lambda bars: indicators.macd_histogram_nb(bars.close, 12, 26, 9),
    "highest_before": lambda bars: indicators.highest_before_nb(bars.high, 20),
    "lowest_before": lambda bars: indicators.lowest_before_nb(bars.low, 20),
    "bars_since_as_high": lambda bars: indicators.bars_since_as_high_nb(bars.high, bars.close),
    "bars_since_as_low": lambda bars: indicators.bars_since_as_low_nb(bars.low, bars.close),
    "calm_distance": lambda bars: indicators.calm_distance_nb(bars.close, bars.log_returns, 20, 10, 60, 1.2),
    "log_returns": lambda bars: indicators.log_returns_nb(bars.close),
    "volatility": lambda bars: indicators.volatility_nb(bars.close, 24),
}


def _targets(bars: Bars) -> FloatArray:
    return np.sign(np.nan_to_num(indicators.momentum_nb(bars.close, 12)))


OVERLAYS: dict[str, Compute] = {
    "stop_loss": lambda bars: StopLoss(0.01).apply(bars, _targets(bars)),
    "drawdown_stop": lambda bars: DrawdownStop(0.03, 20, Costs()).apply(bars, _targets(bars)),
    "volatility_target": lambda bars: (
        VolatilityTarget(0.3, 50, 8760.0).apply(bars, _targets(bars))
        if len(bars) > 50
        else np.zeros(len(bars))
    ),
}


def _z(bars: Bars) -> pd.Series:
    return pd.Series(bars.close)


LEAKS: dict[str, Compute] = {
    "shift by minus one": lambda bars: _z(bars).shift(-1).to_numpy(),
    "centred window": lambda bars: _z(bars).rolling(21, center=True).mean().to_numpy(),
    "full-sample z-score": lambda bars: ((_z(bars) - _z(bars).mean()) / _z(bars).std()).to_numpy(),
    "full-sample min-max": lambda bars: (
        (_z(bars) - _z(bars).min()) / (_z(bars).max() - _z(bars).min())
    ).to_numpy(),
    "interpolate": lambda bars: _z(bars).where(np.arange(len(bars)) % 3 == 0).interpolate().to_numpy(),
    "backfill": lambda bars: _z(bars).where(np.arange(len(bars)) % 3 == 0).bfill().to_numpy(),
}


@pytest.fixture(scope="module")
def bars() -> Bars:
    return autoregressive_bars(1_500, seed=11)


@pytest.mark.parametrize("name", INDICATORS)
def test_an_indicator_never_reads_the_future(name: str, bars: Bars) -> None:
    assert np.nanstd(INDICATORS[name](bars)) > 0
    assert find_lookahead(INDICATORS[name], bars, N_CUTS, np.random.default_rng(1)) == []


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_never_reads_the_future(name: str, bars: Bars) -> None:
    assert not np.array_equal(OVERLAYS[name](bars), _targets(bars))
    assert find_lookahead(OVERLAYS[name], bars, N_CUTS, np.random.default_rng(2)) == []


@pytest.mark.parametrize("name", LEAKS)
def test_it_catches_a_seeded_leak(name: str, bars: Bars) -> None:
    assert find_lookahead(LEAKS[name], bars, N_CUTS, np.random.default_rng(3))


def test_every_indicator_is_in_the_suite() -> None:
    public = {name.removesuffix("_nb") for name in vars(indicators) if name.endswith("_nb")}
    assert {name for name in public if not name.startswith("_")} == set(INDICATORS)
