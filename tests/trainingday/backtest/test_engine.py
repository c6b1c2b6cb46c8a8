"""The ledger against seven bars worked by hand, and what it refuses."""

import numpy as np
import pytest

from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray

HOUR = 3_600_000_000
OPEN = [10.0, 10.0, 11.0, 12.0, 12.0, 10.0, 9.0]
CLOSE = [10.0, 11.0, 12.0, 12.0, 11.0, 9.0, 10.0]


def make_bars(open_: list[float], close: list[float]) -> Bars:
    opens, closes = np.array(open_), np.array(close)
    stamps = HOUR * np.arange(len(open_), dtype=np.int64)
    return Bars.create(stamps, opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)


def run(positions: list[float], costs: Costs, funding: FloatArray | None = None) -> BacktestResult:
    bars = make_bars(OPEN, CLOSE)
    return run_backtest(bars, np.array(positions), costs, bars_per_year=365, funding=funding)


def test_a_long_and_a_short_by_hand() -> None:
    result = run([1, 1, 0, -1, -1, 0, 0], Costs(fee=0.01, slippage=0.0))

    bought = 1 / 1.01  # value bought at bar 1 so that value + 1 % fee = 1
    after_long = bought / 10 * 12 * 0.99  # sold at bar 3's open, 12
    sold = after_long / 1.01  # value sold short at bar 4's open, 12: equity after the fee
    short_units, cash = sold / 12, 2 * sold
    expected = [
        1.0,
        bought / 10 * 11,
        bought / 10 * 12,
        after_long,
        cash - short_units * 11,
        cash - short_units * 9,
        cash - short_units * 9 * 1.01,  # bought back at bar 6's open, 9
    ]
    np.testing.assert_allclose(result.equity, expected, rtol=1e-15)
    np.testing.assert_allclose(result.returns, np.diff(expected) / expected[:-1], rtol=1e-12)

    trades = result.trades
    assert trades.entry_bar.tolist() == [1, 4]
    assert trades.exit_bar.tolist() == [3, 6]
    assert trades.bars_held.tolist() == [2, 2]
    assert trades.direction.tolist() == [1, -1]
    assert trades.entry_price.tolist() == [10, 12]
    assert trades.exit_price.tolist() == pytest.approx([12, 9])
    assert trades.size.tolist() == pytest.approx([bought / 10, short_units])
    fees = [0.01 * (bought + bought / 10 * 12), 0.01 * (sold + short_units * 9)]
    assert trades.fees.tolist() == pytest.approx(fees)
    profits = [after_long - 1, expected[-1] - after_long]
    assert trades.net_profit.tolist() == pytest.approx(profits)
    assert not trades.is_open.any()
    assert result.costs_paid == pytest.approx(sum(fees))
    assert result.n_position_changes == 4


def test_a_flip_pays_both_sides_at_one_worse_price() -> None:
    result = run([1, 1, -1, -1, -1, -1, -1], Costs(fee=0.01, slippage=0.1))

    bought = 1 / 1.01
    units = bought / (10 * 1.1)
    price = 12 * 0.9  # both the sale and the short at bar 3's open
    after_sale = units * price * 0.99
    sold = after_sale / 1.01
    short_units = sold / price
    assert result.equity[2] == pytest.approx(units * 12)
    assert result.equity[3] == pytest.approx(2 * sold - short_units * 12)
    assert result.equity[6] == pytest.approx(2 * sold - short_units * 10)
    assert result.trades.is_open.tolist() == [False, True]
    assert result.trades.net_profit[0] == pytest.approx(after_sale - 1)
    assert result.trades.net_profit[1] == pytest.approx(result.equity[6] - after_sale)
    slipped = units * 10 * 0.1 + (units + short_units) * 12 * 0.1
    fees = 0.01 * (bought + units * price + sold)
    assert result.costs_paid == pytest.approx(fees + slipped)


def test_a_fraction_is_bought_of_what_is_left_after_the_fee_and_then_drifts() -> None:
    result = run([0.5, 0.5, 0.25, 0.25, 0.0, 0.0, 0.0], Costs(fee=0.01, slippage=0.0))

    value = 0.5 / (1 + 0.5 * 0.01)  # value = 0.5 * (1 - 0.01 * value)
    units, cash = value / 10, 1 - value - 0.01 * value
    assert value == pytest.approx(0.5 * (cash + value))
    assert result.equity[1] == pytest.approx(cash + units * 11)
    assert result.equity[2] == pytest.approx(cash + units * 12)  # not rebalanced

    held = units * 12
    equity = cash + held
    kept = 0.25 * (equity - 0.01 * held) / (1 - 0.25 * 0.01)  # sold down to a quarter at 12
    cash += (held - kept) * 0.99
    assert kept == pytest.approx(0.25 * (cash + kept))
    assert result.equity[4] == pytest.approx(cash + kept / 12 * 11)

    cash += kept / 12 * 10 * 0.99  # the rest at bar 5's open, 10
    assert result.equity[6] == pytest.approx(cash)
    trades = result.trades
    assert len(trades) == 1
    assert trades.exit_price[0] == pytest.approx(((held - kept) / 12 * 12 + kept / 12 * 10) / (held / 12))
    assert trades.net_profit[0] == pytest.approx(cash - 1)


def test_funding_is_charged_on_the_value_at_each_close() -> None:
    rates = np.array([0.5, 0.01, 0.0, 0.0, 0.0, 0.0, 0.0])
    longs = run([1, 1, 1, 1, 1, 1, 1], Costs(0.0, 0.0), funding=rates)
    shorts = run([-1, -1, -1, -1, -1, -1, -1], Costs(0.0, 0.0), funding=rates)

    assert longs.equity[1] == pytest.approx(1.1 - 0.01 * 1.1)  # bar 0's rate meets no position
    assert shorts.equity[1] == pytest.approx(0.9 + 0.01 * 1.1)
    assert longs.trades.net_profit[0] == pytest.approx(longs.equity[-1] - 1)


def test_the_last_target_is_never_filled() -> None:
    assert run([0, 0, 0, 0, 0, 0, 1], Costs()).equity.tolist() == [1.0] * 7


def test_ruin_ends_the_account_at_zero() -> None:
    bars = make_bars([10.0, 10.0, 11.0, 30.0, 5.0], [10.0, 11.0, 25.0, 30.0, 5.0])
    result = run_backtest(bars, -np.ones(5), Costs(0.0, 0.0), bars_per_year=365)

    assert result.equity.tolist() == pytest.approx([1.0, 0.9, 0.0, 0.0, 0.0])
    assert result.returns.tolist() == pytest.approx([-0.1, -1.0, 0.0, 0.0])
    assert result.ruined_at == 2
    assert result.trades.net_profit.tolist() == pytest.approx([-1.0])
    assert result.metrics.max_drawdown == -1.0
    assert result.metrics.total_return == -1.0


def test_one_bar_holds_no_return_and_no_statistic() -> None:
    result = run_backtest(make_bars([10.0], [10.0]), np.ones(1), Costs(), bars_per_year=365)
    assert result.returns.shape == (0,)
    assert result.metrics.sharpe_ratio is None
    assert result.metrics.total_return is None
    assert result.metrics.turnover is None
    assert result.metrics.n_trades == 0


def test_constant_returns_have_no_sharpe_ratio() -> None:
    closes = (10.0 * 1.001 ** np.arange(200)).tolist()
    bars = make_bars([10.0, *closes[:-1]], closes)
    result = run_backtest(bars, np.ones(200), Costs(0.0, 0.0), bars_per_year=365)
    assert result.metrics.sharpe_ratio is None


def test_metrics_are_ready_for_json() -> None:
    values = run([0] * 7, Costs()).metrics.as_dict()
    assert values["win_rate"] is None
    assert all(value is None or np.isfinite(value) for value in values.values())


@pytest.mark.parametrize(
    ("fee", "slippage", "message"),
    [
        (1.5, 0.0, "fee should be 0..0.1, is 1.5"),
        (-0.01, 0.0, "fee should be 0..0.1, is -0.01"),
        (float("nan"), 0.0, "fee should be 0..0.1, is nan"),
        (0.0, 0.2, "slippage should be 0..0.1, is 0.2"),
    ],
)
def test_it_refuses_costs_out_of_bounds(fee: float, slippage: float, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        Costs(fee, slippage)


def _broken(**columns: FloatArray) -> Bars:
    bars = make_bars(OPEN, CLOSE)
    names = ("timestamps", "open", "high", "low", "close", "volume", "gap_before")
    return Bars(*(columns.get(name, getattr(bars, name)) for name in names))


@pytest.mark.parametrize(
    ("bars", "positions", "bars_per_year", "message"),
    [
        (
            _broken(close=np.full(7, np.nan)),
            np.zeros(7),
            365,
            "close should be finite and > 0, is nan at bar 0",
        ),
        (_broken(open=np.zeros(7)), np.zeros(7), 365, "open should be finite and > 0, is 0.0 at bar 0"),
        (
            _broken(timestamps=np.array([0, 1, 2, 2, 3, 4, 5])),
            np.zeros(7),
            365,
            "timestamps should strictly increase, is 2 after 2 at bar 3",
        ),
        (make_bars(OPEN, CLOSE)[:0], np.zeros(0), 365, "at least 1 bar"),
        (make_bars(OPEN, CLOSE), np.zeros(6), 365, r"positions should have shape \(7,\), has \(6,\)"),
        (make_bars(OPEN, CLOSE), np.full(7, 1.01), 365, "positions should be -1..1, is 1.01 at bar 0"),
        (make_bars(OPEN, CLOSE), np.full(7, np.nan), 365, "positions should be -1..1, is nan at bar 0"),
        (make_bars(OPEN, CLOSE), np.zeros(7), 0, "bars_per_year should be finite and > 0, is 0"),
    ],
)
def test_it_refuses_bad_input(bars: Bars, positions: FloatArray, bars_per_year: float, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        run_backtest(bars, positions, Costs(), bars_per_year=bars_per_year)


def test_zero_volume_bars_can_be_traded() -> None:
    bars = make_bars(OPEN, CLOSE)
    assert not bars.has_volume
    assert run_backtest(bars, np.ones(7), Costs(), bars_per_year=365).metrics.total_return is not None
