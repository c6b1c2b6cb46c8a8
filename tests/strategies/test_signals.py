import time
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from patterns.discovery.pattern import Pattern, RegimeCuts
from patterns.models import PatternScan
from strategies import latest, signals
from strategies.exam import crown
from strategies.forward import follow_market, needs_following
from strategies.models import LatestPosition, Look, Strategy
from strategies.positions import ensemble_strategy, get_or_create_strategy, pattern_strategy, positions_of
from strategies.queries import current_champion
from strategies.services import roll_back
from strategies.signals import market_signal, stale_after
from tests.markets import gaussian_bars
from tests.pages import make_pattern
from tests.strategies.helpers import make_user, null_market, room, save_model, store
from trainingday.exceptions import ArtifactRejected
from trainingday.markets.models import Market, moment
from trainingday.markets.services import load_bars
from trainingday.permissions import ADMIN, VIEWER
from trainingday.policy import ensemble
from trainingday.policy.observation import compute_features

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_process_that_knows_no_answer_yet():
    signals._cache.clear()


@pytest.fixture
def followed():
    market, _, bars = null_market()
    crown(market, get_or_create_strategy(market, "breakout", {}), reason="a test")
    return market, bars


def test_the_signal_is_the_champions_last_position(followed):
    market, bars = followed
    signal = market_signal(market)
    positions = positions_of(get_or_create_strategy(market, "breakout", {}), bars)
    assert signal.position == positions[-1]
    assert signal.bar == moment(int(bars.timestamps[-1]))
    assert signal.decided_at - signal.bar == timedelta(hours=1)


def test_since_is_the_close_on_which_the_position_was_decided(followed):
    market, bars = followed
    positions = positions_of(get_or_create_strategy(market, "breakout", {}), bars)
    first = len(bars) - 1
    while first > 0 and positions[first - 1] == positions[-1]:
        first -= 1
    assert market_signal(market).since == moment(int(bars.timestamps[first])) + timedelta(hours=1)


def test_a_position_held_from_the_first_bar_is_since_the_first_bar():
    market, _, bars = null_market()
    model = get_or_create_strategy(market, "ml_model", {}, save_model(bias=(0.0, 0.0, 1.0)))
    crown(market, model, reason="a test")
    signal = market_signal(market)
    assert signal.position == 1.0
    assert signal.since == moment(int(bars.timestamps[0])) + timedelta(hours=1)


def test_without_a_champion_there_is_nothing_to_follow():
    signal = market_signal(null_market()[0])
    assert (signal.state, signal.position, signal.champion) == ("no_champion", None, None)


def test_an_old_signal_is_stale(followed):
    market, bars = followed
    close = moment(int(bars.timestamps[-1])) + timedelta(hours=1)
    assert not market_signal(market, close + timedelta(hours=2)).is_stale
    assert market_signal(market, close + timedelta(hours=2, seconds=1)).is_stale
    assert market_signal(market, close + timedelta(minutes=5)).age_seconds == 300


def test_markets_that_close_may_rest_over_a_weekend():
    stock = Market(symbol="S", venue="v", interval=86400, calendar="us_equities")
    coin = Market(symbol="C", venue="v", interval=86400, calendar="crypto")
    assert stale_after(stock) - stale_after(coin) == timedelta(days=4)


def test_new_bars_and_a_new_champion_change_the_signal(followed):
    market, bars = followed
    before = market_signal(market)
    longer = gaussian_bars(len(bars) + 10, 1)
    load_bars(market, longer, "newer")
    after = market_signal(market)
    assert after.bar - before.bar == timedelta(hours=10)
    long = get_or_create_strategy(market, "ml_model", {}, save_model(bias=(0.0, 0.0, 1.0)))
    crown(market, long, reason="a test")
    assert market_signal(market).champion["family"] == "ml_model"
    assert market_signal(market).position == 1.0


def test_a_warm_signal_takes_two_queries_and_reads_no_bars(followed, django_assert_num_queries, monkeypatch):
    market, _ = followed
    market_signal(market)
    monkeypatch.setattr(latest, "query_bars", lambda dataset: pytest.fail("the bars were read again"))
    with django_assert_num_queries(2):
        market_signal(market)


def every_kind_of_champion(market: Market) -> dict[str, Strategy]:
    """Return a rule, a model, a pattern set, and an ensemble of a rule and a model."""
    scan = PatternScan.objects.create(market=market, dataset=market.datasets.get(), seed=1, state="succeeded")
    cuts = RegimeCuts((0.004, 0.006), (0.9, 1.1))
    definition = Pattern.from_id("w50-00122-any-any-h5-long", cuts).as_dict()
    make_pattern(market, scan, 0, definition=definition)
    rule = get_or_create_strategy(market, "breakout", {})
    model = get_or_create_strategy(market, "ml_model", {}, save_model(feature=0))
    return {
        "rule": rule,
        "model": model,
        "patterns": pattern_strategy(market),
        "ensemble": ensemble_strategy(market, [rule, model]),
    }


@pytest.mark.parametrize("kind", ["rule", "model", "patterns", "ensemble"])
def test_what_the_worker_stores_is_what_the_signal_would_compute(kind, monkeypatch):
    market, _, bars = null_market()
    champion = every_kind_of_champion(market)[kind]
    crown(market, champion, reason="a test")
    computed = market_signal(market)
    follow_market(market)
    signals._cache.clear()
    monkeypatch.setattr(latest, "query_bars", lambda dataset: pytest.fail("the bars were read"))
    stored = market_signal(market, computed.decided_at + timedelta(seconds=computed.age_seconds))
    assert stored == computed
    assert stored.position == positions_of(champion, bars)[-1]


def test_the_first_signal_after_new_bars_takes_three_queries_and_computes_nothing(
    followed, django_assert_num_queries, monkeypatch
):
    market, bars = followed
    follow_market(market)
    load_bars(market, gaussian_bars(len(bars) + 10, 1), "newer")
    follow_market(market)
    monkeypatch.setattr(latest, "positions_of", lambda *_: pytest.fail("positions were computed"))
    with django_assert_num_queries(3):
        signal = market_signal(market)
    assert signal.bar == moment(int(bars.timestamps[-1])) + timedelta(hours=10)


@pytest.mark.parametrize("kind", ["rule", "model", "patterns", "ensemble"])
@pytest.mark.parametrize(
    "change", ["later bars", "a last bar set right", "an old bar set right", "fewer bars"]
)
def test_before_the_worker_has_come_the_signal_is_that_of_a_walk_over_all_bars(kind, change, monkeypatch):
    newer = gaussian_bars(3010, 1)
    market, _, bars = store("NULL", newer[:3000])
    champion = every_kind_of_champion(market)[kind]
    crown(market, champion, reason="a test")
    follow_market(market)
    first_new = {"later bars": len(bars), "a last bar set right": len(bars) - 1, "an old bar set right": 1500}
    if change == "fewer bars":
        newer = newer[: len(bars) - 700]
    elif change != "later bars":
        newer = set_right(newer, first_new[change])
    load_bars(market, newer, "newer")
    walked = record_walks(monkeypatch)
    signal = market_signal(market)
    computed_from = list(walked)
    positions = positions_of(champion, newer)
    changed = np.flatnonzero(positions != positions[-1])
    assert signal.position == positions[-1]
    assert signal.since == moment(int(newer.timestamps[changed[-1] + 1])) + timedelta(hours=1)
    if kind in ("model", "ensemble"):
        assert computed_from == [first_new.get(change, len(newer))]


def set_right(bars, place):
    """Return the bars with another close at one place."""
    columns = {name: getattr(bars, name).copy() for name in ("high", "low", "close")}
    for name in columns:
        columns[name][place] *= 1.01
    return replace(bars, **columns, open=np.clip(bars.open, columns["low"], columns["high"]))


def record_walks(monkeypatch):
    """Return a list that grows by the first bar of every walk of a model."""
    firsts = []

    def recorded(bars, observation, first):
        firsts.append(first)
        return compute_features(bars, observation, first)

    monkeypatch.setattr(ensemble, "compute_features", recorded)
    return firsts


def test_without_what_the_worker_stored_all_bars_are_walked(monkeypatch):
    newer = gaussian_bars(3010, 1)
    market, dataset, _ = store("NULL", newer[:3000])
    champion = get_or_create_strategy(market, "ml_model", {}, save_model(feature=0))
    crown(market, champion, reason="a test")
    follow_market(market)
    dataset.path.unlink()
    load_bars(market, newer, "newer")
    walked = record_walks(monkeypatch)
    assert market_signal(market).position == positions_of(champion, newer)[-1]
    assert walked == [0, 0]


def test_a_correction_of_old_bars_is_stored_too_and_one_row_is_kept(followed):
    market, bars = followed
    follow_market(market)
    assert not needs_following(market)
    corrected = replace(bars, volume=bars.volume * 2.0)
    load_bars(market, corrected, "a correction")
    assert needs_following(market)
    follow_market(market)
    assert not needs_following(market)
    newest = market.datasets.order_by("-version").first()
    assert LatestPosition.objects.get().dataset == newest


def test_a_champion_that_fails_on_the_bars_is_not_asked_again_until_new_ones(followed, monkeypatch):
    market, _ = followed

    def fail(*_):
        raise ArtifactRejected("artefact is not as it was signed")

    monkeypatch.setattr("strategies.forward.positions_of", fail)
    follow_market(market)
    assert not needs_following(market)
    assert not LatestPosition.objects.exists()


def test_a_warm_signal_of_a_model_is_answered_within_50_ms(client):
    market, _, _ = store("BIG", gaussian_bars(20_000, 1))
    crown(market, get_or_create_strategy(market, "ml_model", {}, save_model(feature=0)), reason="a test")
    client.force_login(make_user(VIEWER))
    address = f"/api/v1/signals/?market={market.slug}"
    assert client.get(address).status_code == 200
    times = []
    for _ in range(20):
        began = time.process_time()  # the answer's own work: neighbours on the machine do not count
        client.get(address)
        times.append(time.process_time() - began)
    assert np.median(times) < 0.05


def test_a_reign_taken_up_again_keeps_the_evidence_of_its_exam():
    market, dataset, bars = null_market()
    window, _ = room(market, dataset, bars)
    strategy = get_or_create_strategy(market, "breakout", {})
    public = dict.fromkeys(("p_value", "level", "n_bars", "n_trades", "comparisons")) | {"verdict": "passed"}
    look = Look.objects.create(
        market=market, test_window=window, dataset=dataset, strategy=strategy, run_kind="tournament", run_pk=1,
        is_charged=True, level=0.005, verdict="passed", decision={"sealed": {}, "public": public},
    )  # fmt: skip
    crown(market, strategy, reason="passed", look=look)
    crown(market, get_or_create_strategy(market, "momentum", {}), reason="a test")
    roll_back(current_champion(market), reason="a test", user=make_user(ADMIN))
    assert market_signal(market).champion["exam"]["verdict"] == "passed"
