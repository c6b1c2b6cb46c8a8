"""What a roll-back returns to where reigns were taken up again by hand, by roll-backs and by promotions."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from strategies import queries
from strategies.models import Champion
from strategies.positions import get_or_create_strategy
from strategies.services import promote, roll_back
from tests import pages
from tests.strategies.helpers import earn_reign, null_market

pytestmark = pytest.mark.django_db
REASON = "a test"


@pytest.fixture
def admin():
    return pages.make_user("admin")


@pytest.fixture
def reigns() -> list[Champion]:
    """Return three earned reigns of one market, each of a strategy of its own."""
    market, _, _ = null_market()
    return [
        earn_reign(get_or_create_strategy(market, family, {})) for family in ("momentum", "rsi", "breakout")
    ]


def test_a_reign_promoted_again_by_hand_goes_back_to_the_one_that_it_replaced(reigns, admin):
    first, _, third = reigns
    again = promote(first.strategy, reason=REASON, user=admin)
    back = roll_back(again, reason=REASON, user=admin)
    assert (back.strategy, back.restores, back.resumes) == (third.strategy, third, third)
    assert queries.predecessor(back) == reigns[1]


def test_a_promotion_by_hand_is_itself_gone_back_to_and_from_there_to_what_it_replaced(reigns, admin):
    first, second, third = reigns
    again = promote(first.strategy, reason=REASON, user=admin)
    earn_reign(get_or_create_strategy(first.market, "macd", {}))
    current = queries.current_champion(first.market)
    back = roll_back(current, reason=REASON, user=admin)
    assert (back.strategy, back.restores, back.resumes) == (first.strategy, first, again)
    path = [roll_back(back, reason=REASON, user=admin)]
    while path[-1] is not None:
        path.append(roll_back(path[-1], reason=REASON, user=admin))
    assert [reign and reign.strategy for reign in path] == [
        third.strategy,
        second.strategy,
        first.strategy,
        None,
    ]


def test_the_migration_tells_old_roll_backs_from_old_promotions(reigns, admin):
    rolled = roll_back(reigns[2], reason=REASON, user=admin)
    promoted = promote(reigns[0].strategy, reason=REASON, user=admin)
    Champion.objects.update(resumes=None)
    migration = import_module("strategies.migrations.0007_champion_resumes")
    migration.tell_roll_backs_apart(apps, SimpleNamespace(connection=connection))
    for reign, place in ((rolled, reigns[1]), (promoted, None), (reigns[0], None)):
        reign.refresh_from_db()
        assert reign.resumes == place
