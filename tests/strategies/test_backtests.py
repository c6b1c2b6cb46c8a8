import dataclasses
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import backtests
from strategies.backtest_pages import backtest_page
from strategies.backtest_report import render_report
from strategies.backtest_tables import equity_csv, metric_rows, trades_csv, year_rows
from strategies.backtests import backtest_strategy, drawn_points, monthly_returns
from strategies.library.registry import get_family
from tests.markets import gaussian_bars
from tests.strategies.helpers import null_market, room, store
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars, NotFound
from trainingday.markets.models import Market
from trainingday.markets.queries import query_bars, query_latest_dataset, query_split
from trainingday.markets.splits import DEFAULT_GAP

EVERYTHING = "train+validation"
PARAMETERS = {"lookback": 20, "threshold": 0.01}


@pytest.fixture
def null(db) -> Market:
    return null_market()[0]


@pytest.fixture
def forward(db) -> Market:
    """Return a market with an opened test window and 400 bars that came after it."""
    bars = gaussian_bars(3400, seed=1)
    market, dataset, early = store("FORWARD", bars[:3000])
    room(market, dataset, early)
    store("FORWARD", bars)
    return market


def altered(bars: Bars, part: slice, value: float) -> Bars:
    """Return bars whose prices in a slice are multiplied by a value; NaN makes them unusable."""
    columns = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for column in columns.values():
        column[part] *= value
    return dataclasses.replace(bars, **columns)


def shown(market: Market, segment: str, family: str = "momentum", **parameters: float) -> str:
    """Return everything that any page, file, command or API answer is made of."""
    report = backtest_strategy(market, family, parameters, segment)
    page = backtest_page(report)
    charts = [page.equity.spec, page.drawdown.spec, page.price.spec]
    tables = [(part.metrics, part.hold_metrics, part.months) for part in report.segments]
    return repr((tables, charts, page.rows, page.segments[0].years)) + equity_csv(report) + trades_csv(report)


@pytest.mark.parametrize("value", [3.0, float("nan")])
@pytest.mark.parametrize("family", ["momentum", "macd", "filtered_trend", "breakout", "buy_and_hold"])
def test_nothing_depends_on_the_planned_test_window(null, monkeypatch, value, family):
    before = shown(null, "train+validation", family)
    dataset = query_latest_dataset(null)
    bars, split = query_bars(dataset), query_split(dataset)
    monkeypatch.setattr(backtests, "query_bars", lambda dataset: altered(bars, split.test, value))
    assert shown(null, "train+validation", family) == before


@pytest.mark.parametrize("value", [3.0, float("nan")])
@pytest.mark.parametrize("family", ["momentum", "macd", "donchian"])
def test_nothing_depends_on_an_opened_test_window_or_bars_after_it(forward, monkeypatch, value, family):
    before = shown(forward, EVERYTHING, family)
    dataset = query_latest_dataset(forward)
    bars, split = query_bars(dataset), query_split(dataset)
    assert split.forward.stop - split.forward.start == 400
    sealed = slice(split.test.start, split.forward.stop)
    monkeypatch.setattr(backtests, "query_bars", lambda dataset: altered(bars, sealed, value))
    assert shown(forward, EVERYTHING, family) == before


@pytest.mark.parametrize("segment", ["train", "validation"])
def test_altering_a_segment_that_is_shown_does_change_it(forward, monkeypatch, segment):
    before = shown(forward, segment)
    dataset = query_latest_dataset(forward)
    bars, part = query_bars(dataset), getattr(query_split(dataset), segment)
    half = slice((part.start + part.stop) // 2, part.stop)
    monkeypatch.setattr(backtests, "query_bars", lambda dataset: altered(bars, half, 1.5))
    assert shown(forward, segment) != before


def test_no_bar_of_the_test_window_is_in_the_offline_report(null):
    dataset = query_latest_dataset(null)
    bars, split = query_bars(dataset), query_split(dataset)
    html = render_report(backtest_strategy(null, "momentum", PARAMETERS))
    first = np.datetime_as_string(bars.timestamps[[split.test.start]].astype("datetime64[us]"), unit="D")[0]
    year_of_train = np.datetime_as_string(bars.timestamps[[0]].astype("datetime64[us]"), unit="D")[0]
    assert year_of_train in html
    assert str(first) not in html
    assert "Test</span> is missing on purpose" in html
    assert "<script src" not in html and "<link" not in html


def test_each_segment_is_one_run_of_the_engine(forward):
    report = backtest_strategy(forward, "momentum", PARAMETERS, EVERYTHING, fee=0.002, slippage=0.0)
    dataset = query_latest_dataset(forward)
    bars, split = query_bars(dataset), query_split(dataset)
    momentum = get_family("momentum")
    for part in report.segments:
        where = getattr(split, part.name)
        positions = momentum.positions(bars[: where.stop], PARAMETERS)[where]
        expected = run_backtest(
            bars[where], positions, Costs(0.002, 0.0), bars_per_year=forward.bars_per_year
        )
        np.testing.assert_array_equal(part.result.equity, expected.equity)
        assert expected.metrics.as_dict().items() <= part.metrics.items()
    assert [part.name for part in report.segments] == ["train", "validation"]


def test_costs_are_the_markets_own_unless_given(null):
    Market.objects.filter(pk=null.pk).update(fee=0.003, slippage=0.0002)
    null.refresh_from_db()
    assert backtest_strategy(null, "flat", {}).costs == Costs(0.003, 0.0002)
    assert backtest_strategy(null, "flat", {}, fee=0.0).costs == Costs(0.0, 0.0002)


def test_the_costs_of_the_strategy_are_those_of_buy_and_hold(null):
    part = backtest_strategy(null, "buy_and_hold", {}, "train").segments[0]
    assert part.metrics == part.hold_metrics


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"family": "nope"}, ["strategy", "momentum", "'nope'"]),
        ({"family": "os.system"}, ["strategy", "'os.system'"]),
        ({"family": "ml_model"}, ["strategy", "'ml_model'"]),
        ({"parameters": {"window": 3}}, ["lookback", "threshold", "'window'"]),
        ({"parameters": {"lookback": 0}}, ["lookback", "2..500", "0"]),
        ({"parameters": {"lookback": -5}}, ["lookback", "2..500", "-5"]),
        ({"parameters": {"lookback": 501}}, ["lookback", "2..500", "501"]),
        ({"parameters": {"lookback": 2.5}}, ["lookback", "whole", "2.5"]),
        ({"parameters": {"lookback": float("nan")}}, ["lookback", "2..500", "nan"]),
        ({"family": "macd", "parameters": {"fast": 30, "slow": 26}}, ["fast", "2..20", "30"]),
        ({"fee": 1.5}, ["fee", "0..0.1", "1.5"]),
        ({"fee": -0.001}, ["fee", "0..0.1", "-0.001"]),
        ({"slippage": float("inf")}, ["slippage", "0..0.1", "inf"]),
        ({"segment": "test"}, ["segment", "'test'", "sealed"]),
        ({"segment": "train+test"}, ["segment", "sealed"]),
        ({"segment": "everything"}, ["segment", "train", "validation", "'everything'"]),
        ({"segment": "forward"}, ["segment", "'forward'", "sealed"]),
        ({"segment": "train+forward"}, ["segment", "'forward'", "sealed"]),
        ({"max_bars": 2999}, ["bars", "2,999", "3,000"]),
    ],
)
def test_bad_input_names_argument_bound_and_value(null, given, words):
    arguments = {"family": "momentum", "parameters": {}, **given}
    with pytest.raises(InvalidArgument) as caught:
        backtest_strategy(null, **arguments)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_window_longer_than_the_bars_is_refused(db):
    market, _, _ = store("SHORT", gaussian_bars(1000 + 2 * DEFAULT_GAP, seed=1))
    with pytest.raises(NotEnoughBars, match="lookback should be < 500 bars, is 500"):
        backtest_strategy(market, "momentum", {"lookback": 500}, "train")
    backtest_strategy(market, "momentum", {"lookback": 499}, "train")


def test_a_market_without_enough_bars_says_what_it_lacks(db):
    market, _, _ = store("TINY", gaussian_bars(300, 1))
    with pytest.raises(NotEnoughBars, match="300 bars"):
        backtest_strategy(market, "momentum", {})
    with pytest.raises(NotFound, match="no dataset"):
        backtest_strategy(Market.objects.create(symbol="EMPTY", interval=3600), "momentum", {})


def test_a_market_without_volume_is_backtested(db):
    bars = gaussian_bars(2000, seed=3)
    market, _, _ = store("QUIET", dataclasses.replace(bars, volume=np.zeros(len(bars))))
    assert len(backtest_strategy(market, "momentum", PARAMETERS).segments) == 2


def stamp(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 10**6)


def test_months_are_compounded_from_close_to_close():
    stamps = np.array([stamp(2020, 1, 30), stamp(2020, 1, 31), stamp(2020, 2, 1), stamp(2020, 12, 31)])
    months = monthly_returns(stamps, np.array([1.0, 1.1, 0.99, 1.98]))
    assert [(month.year, month.month) for month in months] == [(2020, 1), (2020, 2), (2020, 12)]
    np.testing.assert_allclose([month.value for month in months], [0.1, 0.99 / 1.1 - 1, 1.0])


def test_ruin_is_a_month_of_minus_all_and_then_of_nothing():
    stamps = np.array([stamp(2020, month, 1) for month in (1, 2, 3)])
    assert [month.value for month in monthly_returns(stamps, np.array([1.0, 0.0, 0.0]))] == [0.0, -1.0, 0.0]


@given(st.integers(0, 2**32 - 1), st.integers(2, 400))
def test_monthly_returns_compound_to_the_total_return(seed, n_bars):
    rng = np.random.default_rng(seed)
    stamps = stamp(1999, 12, 30) + np.cumsum(rng.integers(1, 20 * 86_400, n_bars)) * 10**6
    equity = np.concatenate(([1.0], np.exp(np.cumsum(rng.normal(0, 0.05, n_bars - 1)))))
    months = monthly_returns(stamps, equity)
    assert np.prod([1 + month.value for month in months]) == pytest.approx(equity[-1], rel=1e-12)


def test_months_and_years_of_a_backtest_compound_to_its_total_return(null):
    for part in backtest_strategy(null, "momentum", PARAMETERS).segments:
        total = 1.0 + part.metrics["total_return"]
        assert np.prod([1 + month.value for month in part.months]) == pytest.approx(total, rel=1e-9)
        assert np.prod([1 + row.total for row in year_rows(part)]) == pytest.approx(total, rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9000), st.sampled_from([10, 100, 2000]))
def test_thinning_keeps_ends_and_extremes(seed, n, limit):
    values = np.cumsum(np.random.default_rng(seed).normal(size=n))
    places = drawn_points(values, limit)
    assert places.size <= max(limit, 0) and (np.diff(places) > 0).all()
    assert places[0] == 0 and places[-1] == n - 1
    assert values[places].min() == values.min() and values[places].max() == values.max()


def test_trades_add_up_to_the_total_return(null):
    import csv

    report = backtest_strategy(null, "momentum", PARAMETERS)
    rows = list(csv.DictReader(trades_csv(report).splitlines()))
    for part in report.segments:
        profit = sum(float(row["net_profit"]) for row in rows if row["segment"] == part.name)
        assert profit == pytest.approx(part.metrics["total_return"], abs=1e-9)


def test_the_equity_file_holds_every_bar_in_full_precision(null):
    import csv

    report = backtest_strategy(null, "momentum", PARAMETERS)
    rows = list(csv.DictReader(equity_csv(report).splitlines()))
    assert len(rows) == sum(len(part.bars) for part in report.segments)
    equity = np.array([float(row["equity"]) for row in rows if row["segment"] == "validation"])
    np.testing.assert_array_equal(equity, report.segments[1].result.equity)


def test_undefined_metrics_are_dashes_without_an_interval(null):
    rows = {row.metric.name: row.cells for row in metric_rows(backtest_strategy(null, "flat", {}))}
    assert rows["sharpe_ratio"][0] == ("–", "")
    assert rows["win_rate"][0] == ("–", "")
    assert rows["n_trades"][0] == ("0", "")


def test_every_metric_has_a_row(null):
    report = backtest_strategy(null, "momentum", PARAMETERS)
    rows = metric_rows(report)
    named = {name for row in rows for name in (row.metric.name, row.metric.low, row.metric.high) if name}
    assert named == set(report.segments[0].metrics)
