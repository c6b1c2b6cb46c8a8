"""Pattern pages that need strategies: the backtest of one pattern, and a frozen set as the market's signal."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from patterns import queries
from patterns.discovery.pattern import Pattern, RegimeCuts
from patterns.models import PatternScan
from strategies.models import Champion, Strategy
from strategies.positions import pattern_strategy
from tests import pages
from tests.strategies.helpers import earn_reign, null_market
from trainingday.markets.models import Market

pytestmark = pytest.mark.django_db
RISING = Pattern.from_id("w50-00122-any-any-h5-long", RegimeCuts(None, None))
FALLING = Pattern.from_id("w50-22100-any-any-h10-short", RegimeCuts(None, None))


@pytest.fixture
def market() -> Market:
    market, dataset, _ = null_market()
    scan = PatternScan.objects.create(market=market, dataset=dataset, seed=1, state="succeeded")
    pages.make_pattern(market, scan, 1, definition=RISING.as_dict())
    return market


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def test_the_page_and_the_api_backtest_a_pattern_alike(market: Market) -> None:
    pattern = market.patterns.get()
    response = signed_in("viewer").get(reverse("strategies:pattern-backtest", args=[pattern.pk]))
    shown = response.context["page"].report.segments
    measured = queries.backtest(pattern)["segments"]
    assert [part.name for part in shown] == ["train", "validation"]
    for part in shown:
        assert part.result.metrics.as_dict() == measured[part.name]["metrics"]
        assert part.result.metrics.n_trades > 5


@pytest.mark.parametrize(
    ("segment", "status"), [("test", 422), ("moon", 422), ("forward", 422), ("train", 200)]
)
def test_only_segments_that_may_be_seen_are_shown(market: Market, segment: str, status: int) -> None:
    url = reverse("strategies:pattern-backtest", args=[market.patterns.get().pk])
    response = signed_in("viewer").get(url, {"segment": segment})
    assert response.status_code == status
    assert (response.context["page"] is None) == (status == 422)
    assert bool(response.context["error"]) == (status == 422)


def test_an_operator_freezes_and_a_viewer_only_looks(market: Market) -> None:
    url = reverse("strategies:freeze-patterns", args=[market.slug])
    viewer = signed_in("viewer")
    assert viewer.post(url).status_code == 403
    assert not Strategy.objects.filter(family="pattern").exists()
    assert signed_in("operator").post(url).status_code == 302
    page = viewer.get(reverse("strategies:pattern-signal", args=[market.slug])).context["page"]
    [line] = page.sets
    assert (line.n_patterns, line.is_champion) == (1, False)
    assert line.position in (0.0, 1.0)


def test_without_a_confirmed_pattern_nothing_is_frozen(market: Market) -> None:
    market.patterns.update(state="retired")
    operator = signed_in("operator")
    response = operator.post(reverse("strategies:freeze-patterns", args=[market.slug]), follow=True)
    assert "no confirmed pattern" in response.content.decode()
    assert not Strategy.objects.filter(family="pattern").exists()


def test_a_set_frozen_by_hand_cannot_become_champion_and_its_page_says_why(market: Market) -> None:
    strategy, admin = pattern_strategy(market), signed_in("admin")
    url = reverse("strategies:promote", args=[strategy.pk])
    answer = admin.post(url, {"reason": "followed by hand for a week"}, follow=True).content.decode()
    assert "has passed no exam" in answer and "frozen by hand has no way to an exam" in answer
    assert not Champion.objects.exists()
    signal = admin.get(reverse("strategies:pattern-signal", args=[market.slug])).content.decode()
    assert "frozen by hand has no way to an exam" in signal
    assert f'href="/strategies/{strategy.pk}/"' in signal and "Promote" not in signal


def test_a_set_that_a_passed_exam_made_champion_is_marked(market: Market) -> None:
    earn_reign(pattern_strategy(market))
    url = reverse("strategies:pattern-signal", args=[market.slug])
    assert [line.is_champion for line in signed_in("viewer").get(url).context["page"].sets] == [True]


def test_the_signal_page_costs_the_same_for_one_set_and_for_many(market: Market) -> None:
    pattern_strategy(market)
    viewer, url = signed_in("viewer"), reverse("strategies:pattern-signal", args=[market.slug])

    def n_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert viewer.get(url).status_code == 200
        return len(captured)

    few = n_queries()
    for number in range(2, 5):
        definition = (RISING if number % 2 else FALLING).as_dict()
        pages.make_pattern(market, PatternScan.objects.get(), number, definition=definition)
        pattern_strategy(market)
    assert few == n_queries() <= 8
    assert len(viewer.get(url).context["page"].sets) == 4
