import json
from dataclasses import replace

import numpy as np
import pytest

from tests.markets import HOUR_US, gaussian_bars
from tests.trainingday.markets.importers import cases
from trainingday.bars import Bars
from trainingday.exceptions import ImportRefused, InvalidArgument, NotEnoughBars, NotFound, StateConflict
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.offline import load_offline_markets
from trainingday.markets.queries import (
    query_bars,
    query_latest_dataset,
    query_market,
    query_markets,
    query_split,
)
from trainingday.markets.services import (
    bars_for_next_window,
    current_test_window,
    get_or_create_market,
    load_bars,
    load_file,
)
from trainingday.markets.splits import plan_split

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def datasets(settings, tmp_path):
    settings.TRAININGDAY_DATASETS = tmp_path / "datasets"
    return tmp_path / "datasets"


@pytest.fixture
def market() -> Market:
    return get_or_create_market("BTC/USD", "test", 3600, calendar="crypto")[0]


def test_a_market_derives_slug_and_bars_per_year(market):
    assert (market.slug, market.bars_per_year, market.alpha) == ("BTCUSD-1h", 8760, 0.005)
    other, _ = get_or_create_market("BTC/USD", "other", 3600, calendar="crypto")
    assert other.slug == "BTCUSD-OTHER-1h"
    again, is_new = get_or_create_market("BTC/USD", "test", 3600, calendar="forex")
    assert (again.pk, is_new) == (market.pk, False)


def test_markets_are_found_by_slug(market):
    assert query_market("btcusd-1H") == market
    with pytest.raises(NotFound, match="no market is loaded"):
        query_market("ETHUSD-1h")
    load_bars(market, gaussian_bars(300, 1), "test")
    with pytest.raises(NotFound, match="known markets: BTCUSD-1h"):
        query_market("ETHUSD-1h")


@pytest.mark.parametrize("symbol", ["", " ", "x" * 41, "a\nb"])
def test_odd_symbols_are_refused(symbol):
    with pytest.raises(InvalidArgument, match="symbol should be"):
        get_or_create_market(symbol, "test", 3600, calendar="crypto")


def test_equal_bars_are_one_dataset(market):
    bars = gaussian_bars(100, seed=1)
    first, second = load_bars(market, bars, "a"), load_bars(market, bars, "b")
    assert (first.created, second.created) == (True, False)
    assert first.dataset == second.dataset
    assert load_bars(market, gaussian_bars(100, seed=2), "c").dataset.version == 2


def test_a_dataset_never_changes_and_is_never_deleted(market):
    dataset = load_bars(market, gaussian_bars(100, seed=1), "a").dataset
    dataset.source = "other"
    for forbidden in (dataset.save, dataset.delete, Dataset.objects.all().delete, market.delete):
        with pytest.raises(Exception, match=r"dataset never changes|kept for good|protected"):
            forbidden()
    with pytest.raises(StateConflict):
        Dataset.objects.update(source="other")
    assert Dataset.objects.get().source == "a"


def test_gaps_are_marked_in_the_stored_bars(market):
    bars = gaussian_bars(100, seed=1)
    keep = np.r_[0:40, 50:100]
    holed = Bars(*(getattr(bars, name)[keep] for name in bars.__dataclass_fields__))
    result = load_bars(market, holed, "a")
    assert np.flatnonzero(query_bars(result.dataset).gap_before).tolist() == [40]
    assert result.dataset.quality["gaps"]["missing_bars"] == 10


def test_offline_markets_load_once():
    first = load_offline_markets()
    assert [result.market.slug for result in first] == ["SP500-1d", "NASDAQ-1d"]
    assert [result.dataset.n_rows for result in first] == [5031, 5031]
    assert str(first[0].dataset.first_at) == "1999-01-04 00:00:00+00:00"
    assert first[0].market.bars_per_year == 252
    assert not any(result.created for result in load_offline_markets())
    assert query_bars(query_latest_dataset(query_market("SP500-1d"))).close[-1] == pytest.approx(2506.850098)


def test_a_failed_write_of_the_row_leaves_no_market(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("database is gone")

    monkeypatch.setattr(Dataset.objects, "create", fail)
    with pytest.raises(RuntimeError):
        load_file(cases.valid().data, "a.csv", symbol="X")
    assert not Market.objects.exists()


def test_another_interval_than_asked_is_refused():
    with pytest.raises(ImportRefused) as refusal:
        load_file(cases.valid().data, "a.csv", symbol="X", interval="1d")
    assert refusal.value.code == "interval_mismatch"


def test_an_append_joins_the_newest_dataset():
    rows = cases.rows()
    load_file(cases.text(rows[:4]), "a.csv", symbol="X")
    result = load_file(cases.text(rows[2:]), "b.csv", symbol="X", append=True)
    assert (result.dataset.version, result.dataset.n_rows) == (2, 6)
    assert query_bars(result.dataset).close.tolist() == [101, 102, 103, 104, 105, 106]


def test_an_append_of_different_bars_needs_a_rule():
    rows = cases.rows()
    load_file(cases.text(rows), "a.csv", symbol="X")
    rows[5][4] = "105.5"
    with pytest.raises(ImportRefused, match="differ from stored bars"):
        load_file(cases.text(rows), "b.csv", symbol="X", append=True)
    last = load_file(cases.text(rows), "b.csv", symbol="X", append=True, options=ImportOptions(keep="last"))
    assert query_bars(last.dataset).close[-1] == 105.5


def load(market: Market, n_bars: int) -> Dataset:
    """Store the first bars of one long series: later versions extend earlier ones."""
    return load_bars(market, gaussian_bars(20_000, seed=7)[:n_bars], f"{n_bars} bars").dataset


def test_the_first_window_is_the_last_fifth(market):
    dataset = load(market, 10_356)
    window = current_test_window(market, dataset)
    stamps = query_bars(dataset).timestamps
    assert (window.first_us, window.last_us) == (stamps[-2000], stamps[-1])
    assert current_test_window(market, dataset) == window
    assert query_split(dataset).sizes() == {"train": 6000, "validation": 2000, "test": 2000, "forward": 0}


def test_newer_bars_are_forward_until_they_fill_half_a_window(market):
    first = current_test_window(market, load(market, 10_356))
    grown = load(market, 11_000)
    assert current_test_window(market, grown) == first
    assert query_split(grown).sizes()["forward"] == 11_000 - 10_356
    assert TestWindow.objects.count() == 1


def test_enough_newer_bars_open_a_wholly_fresh_window(market):
    first = current_test_window(market, load(market, 10_356))
    n_bars = 10_356
    while n_bars - 10_356 < bars_for_next_window(n_bars):
        n_bars += 1
    assert current_test_window(market, load(market, n_bars - 1)) == first
    grown = load(market, n_bars)
    second = current_test_window(market, grown)
    assert second.first_us == first.last_us + HOUR_US
    split = query_split(grown)
    # the old test bars are train and validation now, but for the purge gap
    assert split.validation.stop + split.gap == 10_356
    assert split.sizes()["test"] == n_bars - 10_356


def test_too_short_a_dataset_opens_no_window(market):
    with pytest.raises(NotEnoughBars):
        current_test_window(market, load(market, 900))
    assert not TestWindow.objects.exists()


def test_a_dataset_that_ends_before_the_window_is_refused(market):
    current_test_window(market, load(market, 10_356))
    with pytest.raises(NotEnoughBars, match="test window"):
        current_test_window(market, load(market, 5000))


def test_the_market_list_takes_one_query(market, django_assert_num_queries):
    load(market, 2000)
    with django_assert_num_queries(1):
        rows = list(query_markets())
    assert (rows[0].dataset_rows, rows[0].dataset_gaps, rows[0].dataset_version) == (2000, 0, 1)


def test_stored_bars_equal_the_loaded_ones(market):
    bars = gaussian_bars(500, seed=3)
    stored = query_bars(load_bars(market, replace(bars), "a").dataset)
    for name in bars.__dataclass_fields__:
        assert np.array_equal(getattr(stored, name), getattr(bars, name))
    assert plan_split(2000, gaussian_bars(2000, 1).timestamps).gap == 178


def test_rows_set_aside_are_stored_without_characters_that_databases_refuse():
    rows = [[cases.epoch(hour), 100 + hour % 3, 110, 90, 100, 5] for hour in range(100)]
    rows[50][4] = "a\x00b\x1bc"
    data = json.dumps(rows).encode()
    result = load_file(data, "a.json", symbol="X", options=ImportOptions(quarantine=True))
    stored = Dataset.objects.get(pk=result.dataset.pk).quality["quarantined"]
    assert stored["count"] == 1
    assert stored["rows"][0]["row"] == 51
    assert stored["rows"][0]["found"] == "a b c"
