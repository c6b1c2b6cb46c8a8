"""Ledger identities on generated markets, and the ledger against a slow one written another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markets import bars_from_log_returns
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.kernels import fill_bars_nb
from trainingday.bars import Bars
from trainingday.typing import FloatArray

TOLERANCE = 1e-9


def draw_case(seed: int, *, is_fractional: bool, sigma: float) -> tuple[Bars, FloatArray, Costs]:
    rng = np.random.default_rng(seed)
    n_bars = int(rng.integers(2, 60))
    bars = bars_from_log_returns(sigma * rng.standard_normal(n_bars), rng, sigma=sigma)
    gaps = bars.open * np.exp(0.2 * sigma * rng.standard_normal(n_bars))
    bars = Bars.create(
        bars.timestamps, gaps, np.maximum(bars.high, gaps), np.minimum(bars.low, gaps), bars.close
    )
    levels = rng.uniform(-1, 1, n_bars) if is_fractional else rng.integers(-1, 2, n_bars).astype(float)
    positions = np.repeat(levels, rng.integers(1, 6, n_bars))[:n_bars]
    return bars, positions, Costs(float(rng.uniform(0, 0.02)), float(rng.uniform(0, 0.02)))


def traded_value(equity: float, value: float, target: float, fee: float) -> float:
    """Solve V' = f * (E - fee * |V' - V|) by iteration, which needs no closed form."""
    wanted = target * equity
    for _ in range(12):
        wanted = target * (equity - fee * abs(wanted - value))
    return wanted


def slow_equity(bars: Bars, positions: FloatArray, costs: Costs) -> FloatArray:
    """Return equity by a ledger in plain Python; a trade happens if it is consistent at its own price."""
    cash, units, equity = 1.0, 0.0, np.zeros(len(bars))
    equity[0] = 1.0
    for bar in range(1, len(bars)):
        before = positions[bar - 2] if bar > 1 else 0.0
        if positions[bar - 1] != before:
            for side in (1, -1):
                price = bars.open[bar] * (1 + side * costs.slippage)
                value = units * price
                wanted = traded_value(cash + value, value, positions[bar - 1], costs.fee)
                if side * (wanted - value) > 0:
                    cash -= wanted - value + costs.fee * abs(wanted - value)
                    units = wanted / price
                    break
            if cash + units * price <= 0:
                break
        equity[bar] = max(cash + units * bars.close[bar], 0.0)
        if equity[bar] == 0:
            break
    return equity


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    is_fractional=st.booleans(),
    sigma=st.sampled_from([0.001, 0.01, 0.05, 0.4]),
)
def test_profits_fees_and_costs_add_up(seed: int, is_fractional: bool, sigma: float) -> None:
    bars, positions, costs = draw_case(seed, is_fractional=is_fractional, sigma=sigma)
    result = run_backtest(bars, positions, costs, bars_per_year=8760)
    trades = result.trades

    # What a ruined account owes is the lender's loss, so its trades lose the starting equity and no more.
    np.testing.assert_allclose(1 + trades.net_profit.sum(), result.equity[-1], rtol=TOLERANCE, atol=TOLERANCE)
    np.testing.assert_allclose(result.equity, slow_equity(bars, positions, costs), rtol=TOLERANCE)
    if result.ruined_at is None:
        moved = trades.direction * trades.size * (trades.exit_price - trades.entry_price)
        np.testing.assert_allclose(moved - trades.fees, trades.net_profit, rtol=TOLERANCE, atol=TOLERANCE)
    assert np.prod(1 + result.returns) == pytest.approx(result.equity[-1], rel=TOLERANCE, abs=1e-15)
    assert result.costs_paid >= trades.fees.sum() - TOLERANCE
    assert np.isfinite(result.equity).all()
    # Only ruin, seen at the close, can end a trade on the bar of its entry.
    is_settled = ~trades.is_open & (trades.exit_bar != result.ruined_at)
    assert (trades.exit_bar > trades.entry_bar)[is_settled].all()
    assert (trades.entry_bar[1:] >= trades.exit_bar[:-1]).all()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_cash_and_units_make_the_equity_with_funding(seed: int) -> None:
    bars, positions, costs = draw_case(seed, is_fractional=True, sigma=0.01)
    rates = np.random.default_rng(seed).uniform(-0.001, 0.001, len(bars))
    result = run_backtest(bars, positions, costs, bars_per_year=8760, funding=rates)
    np.testing.assert_allclose(1 + result.trades.net_profit.sum(), result.equity[-1], rtol=TOLERANCE)


def test_the_same_input_gives_the_same_bits() -> None:
    bars, positions, costs = draw_case(5, is_fractional=True, sigma=0.01)
    first = run_backtest(bars, positions, costs, bars_per_year=8760)
    second = run_backtest(bars, positions, costs, bars_per_year=8760)
    assert first.equity.tobytes() == second.equity.tobytes()
    assert first.metrics == second.metrics


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_fills_follow_every_change_but_the_last_bars(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_bars = int(rng.integers(1, 400))
    positions = np.repeat(rng.integers(-1, 2, n_bars), rng.integers(1, 30, n_bars))[:n_bars].astype(float)
    before = np.concatenate(([0.0], positions[:-1]))
    np.testing.assert_array_equal(fill_bars_nb(positions), np.flatnonzero((positions != before)[:-1]) + 1)
