"""Population scores equal one backtest each, whatever the family, the costs and the segments."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from strategies.library.base import Family, ThresholdFamily
from strategies.library.registry import families, get_family
from tests.markets import autoregressive_bars, bars_from_closes, bars_from_log_returns, gaussian_bars
from trainingday.backtest import population
from trainingday.backtest.drawdown_search import search_holds_nb
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.fills import TILE_BARS
from trainingday.backtest.market_tables import block_extremes_nb, level_offsets_nb
from trainingday.backtest.population import Scores, ThresholdScorable, score_population
from trainingday.backtest.result import compute_metrics
from trainingday.backtest.short_sums import short_sums
from trainingday.backtest.thresholds import symmetric
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray

YEAR = 8760.0
SEGMENTS = [slice(None), slice(1_100, 2_000), slice(64, 129), slice(1_199, 1_200), slice(1_150, 1_179)]


def draw_parameters(family: Family, n_candidates: int, rng: np.random.Generator) -> FloatArray:
    """Return random parameters in bounds, shape (n_candidates, n_parameters)."""
    table = np.empty((n_candidates, len(family.parameters)))
    for column, parameter in enumerate(family.parameters):
        low, high = (np.log(x) if parameter.is_log else x for x in (parameter.low, parameter.high))
        drawn = rng.uniform(low, high, n_candidates)
        drawn = np.exp(drawn) if parameter.is_log else drawn
        table[:, column] = np.clip(
            np.round(drawn) if parameter.is_integer else drawn, parameter.low, parameter.high
        )
    return table


def assert_equal_to_backtests(
    scores: Scores, bars: Bars, family: Family, table: FloatArray, costs: Costs, segments: list[slice]
) -> None:
    for candidate, row in enumerate(table):
        values = {p.name: value for p, value in zip(family.parameters, row, strict=True)}
        positions = family.positions(bars, values)
        for fold, window in enumerate(segments):
            result = run_backtest(bars[window], positions[window], costs, bars_per_year=YEAR)
            metrics = compute_metrics(result, with_interval=False).as_dict()
            for field in fields(Scores):
                expected = np.nan if metrics[field.name] is None else metrics[field.name]
                np.testing.assert_allclose(
                    getattr(scores, field.name)[candidate, fold],
                    expected,
                    rtol=1e-10,
                    atol=1e-10,
                    err_msg=f"{family.name} {values} {window} {field.name}",
                )


@pytest.mark.parametrize("name", families())
@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    costs=st.sampled_from([Costs(), Costs(0.0, 0.0), Costs(0.0, 0.01), Costs(0.1, 0.1)]),
    sigma=st.sampled_from([0.0005, 0.005, 0.05]),
)
def test_scores_equal_backtests(name: str, seed: int, costs: Costs, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    family = get_family(name)
    bars = bars_from_log_returns(sigma * rng.standard_normal(1_200), rng, sigma=sigma)
    table = draw_parameters(family, 3, rng)
    scores = score_population(bars, family, table, costs, SEGMENTS, bars_per_year=YEAR)
    assert_equal_to_backtests(scores, bars, family, table, costs, SEGMENTS)


def test_scores_equal_backtests_through_ruin_and_still_markets() -> None:
    family = get_family("momentum")
    steps = np.concatenate((np.full(40, -0.05), [4.0], np.full(40, 0.1), np.zeros(200), np.full(20, 0.001)))
    bars = bars_from_closes(100 * np.exp(np.cumsum(steps)))
    table = np.array([[5, 0.01], [2, 0.0005], [20, 0.2]])
    scores = score_population(bars, family, table, Costs(), [slice(None)], bars_per_year=YEAR)
    assert (scores.total_return == -1).any()
    assert_equal_to_backtests(scores, bars, family, table, Costs(), [slice(None)])


def test_scores_equal_backtests_over_tiles_words_and_an_account_almost_lost() -> None:
    # Fees take all but 1e-17 of the equity; segments end on, before and after the borders of tiles.
    bars, family = gaussian_bars(2 * TILE_BARS + 100, seed=5), get_family("momentum")
    table = np.array([[2, 0.004], [300, 0.15], [20, 0.02]])
    tile = TILE_BARS
    windows = [
        slice(None),
        slice(0, tile),
        slice(0, tile + 1),
        slice(64, 2 * tile + 1),
        slice(tile - 1, None),
    ]
    scores = score_population(bars, family, table, Costs(0.01, 0.005), windows, bars_per_year=YEAR)
    assert scores.total_return[0, 0] < -1 + 1e-15
    assert_equal_to_backtests(scores, bars, family, table, Costs(0.01, 0.005), windows)


IN_STRETCHES = [
    name
    for name, family in families().items()
    if isinstance(family, ThresholdScorable) and family.first_bar_read([5.0] * 4, 0) is not None
]


@pytest.mark.parametrize("name", IN_STRETCHES)
def test_scores_of_a_history_in_stretches_are_those_of_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars, family = gaussian_bars(2 * TILE_BARS + 100, seed=6), get_family(name)
    table = draw_parameters(family, 20, np.random.default_rng(3))
    whole = score_population(bars, family, table, Costs(), [slice(None)], bars_per_year=YEAR)
    monkeypatch.setattr(population, "STRETCH_BARS", TILE_BARS)
    in_stretches = score_population(bars, family, table, Costs(), [slice(None)], bars_per_year=YEAR)
    assert whole.n_trades.sum() > 1_000
    for field in fields(Scores):
        assert getattr(in_stretches, field.name).tobytes() == getattr(whole, field.name).tobytes()
    assert_equal_to_backtests(in_stretches, bars, family, table[:2], Costs(), [slice(None)])


@pytest.mark.parametrize("name", IN_STRETCHES)
@pytest.mark.parametrize("window", [2, 3, 50, 256, 257, 500])
def test_an_indicator_comes_out_the_same_from_where_it_needs_to_be_read(name: str, window: int) -> None:
    family, bars = get_family(name), gaussian_bars(3_000, seed=7)
    assert isinstance(family, ThresholdScorable)
    settings = [float(window), 500.0][: len(family.indicator_parameters)]
    whole = family.indicator(bars, settings)
    for bar in (0, 64, 700, 1_024, 2_500):
        begin = family.first_bar_read(settings, bar)
        assert begin is not None and (begin > 0 or bar <= 700)
        part = family.indicator(bars[begin:], settings)[bar - begin :]
        assert part.tobytes() == whole[bar:].tobytes()


class Interrupted(ThresholdFamily):
    """An indicator that is missing now and then, over which positions are held."""

    name = "interrupted"
    indicator_parameters = ()

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        values = np.sin(np.arange(len(bars)) / 9.0)
        values[:70] = values[130:140] = values[TILE_BARS + 5 : TILE_BARS + 30] = np.nan
        return values

    def thresholds(self, table: FloatArray) -> FloatArray:
        return symmetric(enter=np.full(table.shape[0], 0.5), leave=0.5)


def test_positions_are_held_where_an_indicator_is_missing() -> None:
    bars, table = gaussian_bars(2 * TILE_BARS + 10, seed=8), np.empty((2, 0))
    windows = [slice(None), slice(TILE_BARS - 3, TILE_BARS + 90)]
    scores = score_population(bars, Interrupted(), table, Costs(), windows, bars_per_year=YEAR)
    assert_equal_to_backtests(scores, bars, Interrupted(), table, Costs(), windows)


class Short(Interrupted):
    """An indicator of the wrong length."""

    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        return np.zeros(len(bars) - 1)


def test_an_indicator_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"indicator should have shape \(100,\), has \(99,\)"):
        score_population(gaussian_bars(100, 0), Short(), np.empty((1, 0)), Costs(), bars_per_year=YEAR)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_drawdowns_searched_by_blocks_are_those_of_every_bar(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_bars = int(rng.integers(1, 1_500))
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(n_bars)))
    n_cuts = int(rng.integers(0, min(n_bars, 12)))
    cuts = np.sort(rng.choice(np.arange(1, n_bars), n_cuts, replace=False)) if n_bars > 1 else np.empty(0)
    borders = np.concatenate(([0], cuts, [n_bars])).astype(np.int64)
    cash, units = rng.uniform(0, 2, len(borders) - 1), rng.uniform(-0.003, 0.01, len(borders) - 1)
    hold = np.repeat(np.arange(len(cash)), np.diff(borders))
    equity = np.concatenate(([1.0], cash[hold] + units[hold] * close))
    peaks = np.maximum.accumulate(equity)
    offsets = level_offsets_nb(n_bars)
    extremes = block_extremes_nb(close, offsets)
    peak, lowest = search_holds_nb(close, extremes, offsets, borders, cash, units, len(cash), 1.0, 1.0)
    assert peak == pytest.approx(peaks[-1], rel=1e-12)
    if (equity > 0).all():
        assert lowest == pytest.approx((equity / peaks).min(), rel=1e-12)
    else:
        assert lowest <= 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_sums_of_shorts_are_those_of_every_bar(seed: int) -> None:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(0.01 * rng.standard_normal(200)))
    first, stop = sorted(int(bar) for bar in rng.integers(1, 193, 2))
    returns = -np.diff(close[first - 1 : stop]) / (260.0 - close[first - 1 : stop - 1])
    total, squares = _short_sums(close, first, stop, 260.0)
    assert total == pytest.approx(returns.sum(), abs=1e-14)
    assert squares == pytest.approx((returns**2).sum(), abs=1e-16)


@njit
def _short_sums(close: FloatArray, first: int, stop: int, limit: float) -> tuple[float, float]:
    return short_sums(close, first, stop, limit)


class Wobbling(Family):
    """A family of fractions, which the bits cannot hold."""

    name = "wobbling"

    def compute_positions(self, bars: Bars, values: object) -> FloatArray:
        return np.repeat(np.sin(np.arange(len(bars) // 10 + 1)), 10)[: len(bars)]


def test_fractions_are_left_to_the_ledger() -> None:
    bars = gaussian_bars(1_200, seed=1)
    scores = score_population(bars, Wobbling(), np.empty((2, 0)), Costs(), SEGMENTS, bars_per_year=YEAR)
    assert_equal_to_backtests(scores, bars, Wobbling(), np.empty((2, 0)), Costs(), SEGMENTS)


def test_one_segment_gives_one_score_each_and_order_does_not_matter() -> None:
    bars, family = autoregressive_bars(3_000, seed=3), get_family("mean_reversion")
    table = draw_parameters(family, 50, np.random.default_rng(0))
    whole = score_population(bars, family, table, Costs(), bars_per_year=YEAR)
    turned = score_population(bars, family, table[::-1], Costs(), slice(0, 3_000), bars_per_year=YEAR)
    assert whole.sharpe_ratio.shape == (50,)
    for field in fields(Scores):
        left, right = getattr(whole, field.name), getattr(turned, field.name)[::-1]
        assert left.tobytes() == np.ascontiguousarray(right).tobytes()


def test_no_candidates_give_empty_scores() -> None:
    scores = score_population(
        gaussian_bars(100, 0), get_family("momentum"), np.empty((0, 2)), Costs(), bars_per_year=YEAR
    )
    assert len(scores) == 0


def test_memory_does_not_grow_with_candidates_times_bars() -> None:
    bars, family = gaussian_bars(20_000, seed=2), get_family("momentum")
    table = np.column_stack((np.full(4_000, 20.0), np.linspace(0.02, 0.2, 4_000)))

    def peak(n_candidates: int) -> int:
        tracemalloc.start()
        score_population(bars, family, table[:n_candidates], Costs(), bars_per_year=YEAR)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1)
    extra = peak(4_000) - peak(10)
    assert extra < 4_000 * 1_000  # bytes: far less than the 160,000 of one candidate's positions


@pytest.mark.parametrize(
    ("table", "segment", "message"),
    [
        ([[1, 0.02]], slice(None), "lookback should be 2..500, is 1"),
        ([[20, np.nan]], slice(None), "threshold should be 0.0005..0.2, is nan"),
        ([[20.5, 0.02]], slice(None), "lookback should be a whole number, is 20.5"),
        ([[150, 0.02]], slice(None), "lookback should be < 100 bars, is 150"),
        ([[20]], slice(None), r"parameters should have shape \(n_candidates, 2\), has \(1, 1\)"),
        ([[20, 0.02]], slice(50, 50), "segment should hold at least 1 of 100 bars"),
        ([[20, 0.02]], slice(0, 50, 2), "segment should hold at least 1 of 100 bars with step 1"),
        ([[20, 0.02]], [], "segment should hold at least 1 slice, holds 0"),
    ],
)
def test_it_refuses_bad_input(table: list[list[float]], segment: slice | list[slice], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        score_population(
            gaussian_bars(100, 0),
            get_family("momentum"),
            np.array(table, dtype=np.float64),
            Costs(),
            segment,
            bars_per_year=YEAR,
        )
