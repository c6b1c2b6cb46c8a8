"""Statistics of a backtest against empyrical-reloaded, and one golden run of them all."""

import json
from pathlib import Path

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets import autoregressive_bars, bars_from_closes
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.indicators import momentum_nb
from trainingday.backtest.metric_kernels import drawdown_nb
from trainingday.backtest.result import BacktestResult, compute_by_definition, compute_metrics
from trainingday.stats.drawdowns import deepest_drawdown

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


def _assert_same_metrics(result: BacktestResult) -> None:
    quick = compute_metrics(result).as_dict()
    for name, expected in compute_by_definition(result).as_dict().items():
        if expected is None or quick[name] is None:
            assert quick[name] is expected, name
        else:
            assert quick[name] == pytest.approx(expected, rel=1e-10, abs=1e-12), name


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.sampled_from([1, 2, 3, 30, 31, 32, 64, 65, 500, 1_000]),
    sigma=st.sampled_from([0.0, 0.001, 0.05, 0.5]),
    kind=st.sampled_from(["flat", "long", "whole", "fractions"]),
    costs=st.sampled_from([Costs(), Costs(0.0, 0.0), Costs(0.1, 0.1)]),
)
def test_metrics_in_few_passes_equal_their_definitions(
    seed: int, n_bars: int, sigma: float, kind: str, costs: Costs
) -> None:
    rng = np.random.default_rng(seed)
    bars = bars_from_closes(100 * np.exp(np.cumsum(sigma * rng.standard_normal(n_bars))))
    positions = {
        "flat": np.zeros(n_bars),
        "long": np.ones(n_bars),
        "whole": np.repeat(rng.integers(-1, 2, n_bars // 5 + 1), 5)[:n_bars].astype(float),
        "fractions": np.repeat(rng.uniform(-1, 1, n_bars // 5 + 1), 5)[:n_bars],
    }[kind]
    _assert_same_metrics(run_backtest(bars, positions, costs, bars_per_year=8760))


def test_metrics_of_a_ruined_account_equal_their_definitions() -> None:
    closes = np.concatenate((np.linspace(100, 90, 40), np.full(20, 400.0), np.linspace(400, 100, 40)))
    ruined = run_backtest(bars_from_closes(closes), np.full(100, -1.0), Costs(), bars_per_year=8760)
    assert ruined.ruined_at is not None
    _assert_same_metrics(ruined)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.sampled_from([1, 2, 63, 64, 65, 700]),
    drift=st.sampled_from([-3, 0, 0, 1, 5]),
    step=st.sampled_from([1.0, 2.0, 300.0]),
)
def test_a_drawdown_found_by_blocks_is_that_of_every_bar(
    seed: int, n_bars: int, drift: int, step: float
) -> None:
    # Whole numbers, so that bars often stand as high as the peak and equally deep.
    rng = np.random.default_rng(seed)
    levels = np.maximum(1_000.0 + step * np.cumsum(rng.integers(-2 + drift, 3 + drift, n_bars)), 0.0)
    equity = np.concatenate(([1_000.0], levels))
    expected = deepest_drawdown(equity)
    assert expected is not None
    assert drawdown_nb(equity) == (expected.depth, expected.n_bars)


def test_a_drawdown_that_recovers_and_one_as_deep_later_count_as_the_first() -> None:
    closes = np.tile(np.concatenate((np.linspace(100, 50, 70), np.linspace(50, 100, 90)[1:])), 2)
    held = run_backtest(bars_from_closes(closes), np.ones(len(closes)), Costs(0.0, 0.0), bars_per_year=8760)
    _assert_same_metrics(held)
    assert held.metrics.max_drawdown == pytest.approx(-0.5, abs=0.02)
