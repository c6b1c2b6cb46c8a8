"""Statistics of a backtest against empyrical-reloaded, and one golden run of them all."""

import json
from pathlib import Path

import empyrical
import numpy as np
import pytest

from tests.markets import autoregressive_bars
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.indicators import momentum_nb
from trainingday.backtest.result import BacktestResult

GOLDEN = Path(__file__).with_name("golden_metrics.json")


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    bars = autoregressive_bars(5_000, seed=42, phi=0.25)
    positions = np.sign(np.nan_to_num(momentum_nb(bars.close, 2)))
    return run_backtest(bars, positions, Costs(0.0002, 0.0001), bars_per_year=8760)


def test_return_statistics_equal_those_of_empyrical(result: BacktestResult) -> None:
    returns, metrics, year = result.returns, result.metrics, {"annualization": 8760}
    assert metrics.sharpe_ratio == pytest.approx(empyrical.sharpe_ratio(returns, **year), rel=1e-9)
    assert metrics.sortino_ratio == pytest.approx(empyrical.sortino_ratio(returns, **year), rel=1e-9)
    assert metrics.calmar_ratio == pytest.approx(empyrical.calmar_ratio(returns, **year), rel=1e-9)
    assert metrics.annual_return == pytest.approx(empyrical.annual_return(returns, **year), rel=1e-9)
    assert metrics.volatility == pytest.approx(empyrical.annual_volatility(returns, **year), rel=1e-9)
    assert metrics.total_return == pytest.approx(empyrical.cum_returns_final(returns), rel=1e-9)
    assert metrics.max_drawdown == pytest.approx(empyrical.max_drawdown(returns), rel=1e-9)


def test_the_golden_run_of_every_statistic(result: BacktestResult) -> None:
    golden = json.loads(GOLDEN.read_text())
    assert result.metrics.as_dict() == pytest.approx(golden, rel=1e-8)
    assert None not in golden.values()


def test_trade_statistics_are_those_of_the_trades(result: BacktestResult) -> None:
    profits = result.trades.net_profit[~result.trades.is_open].tolist()
    won, lost = [p for p in profits if p > 0], [p for p in profits if p < 0]
    assert result.metrics.n_trades == len(profits)
    assert result.metrics.win_rate == pytest.approx(len(won) / len(profits))
    assert result.metrics.profit_factor == pytest.approx(sum(won) / -sum(lost))
    assert result.metrics.expectancy == pytest.approx(sum(profits) / len(profits))
