import pytest
from auditlog.models import LogEntry
from django.core.exceptions import PermissionDenied

from strategies import queries
from strategies.exam import crown
from strategies.hooks import champion_changed
from strategies.models import Champion, Tournament
from strategies.positions import get_or_create_strategy
from strategies.services import promote, request_tournament, retire, roll_back
from tests.markets import gaussian_bars
from tests.strategies.helpers import earn_reign, make_user, null_market, store, tournament
from trainingday.exceptions import InvalidArgument, NotEnoughBars, NotFound, StateConflict
from trainingday.markets.models import Market
from trainingday.permissions import ADMIN, OPERATOR, VIEWER
from trainingday.runs.models import Trigger

pytestmark = pytest.mark.django_db
REASON = "its returns decayed"


@pytest.fixture(autouse=True)
def _no_queue(monkeypatch):
    monkeypatch.setattr("trainingday.runs.services.nudge", lambda run: None)


@pytest.fixture
def reigns():
    """Three reigns of one market: breakout with periods 3, 4 and 5; the last is current."""
    market, _, _ = null_market()
    for period in (3, 4, 5):
        crown(market, get_or_create_strategy(market, "breakout", {"period": period}), reason="a test")
    return list(Champion.objects.order_by("pk"))


def period_of(champion: Champion) -> float:
    return champion.strategy.parameters["period"]


@pytest.mark.parametrize(
    "options",
    [
        {"n_generations": 0},
        {"n_generations": 201},
        {"n_generations": True},
        {"n_generations": 2.5},
        {"population_size": 3},
        {"population_size": 2001},
        {"seed": -1},
        {"seed": 2**31},
    ],
)
def test_a_tournament_out_of_bounds_is_refused_before_anything_is_stored(options):
    market, _, _ = null_market()
    with pytest.raises(InvalidArgument):
        tournament(market, **options)
    assert not Tournament.objects.exists()


def test_too_few_bars_are_refused_before_anything_is_stored():
    market, _, _ = store("SHORT", gaussian_bars(900, 1))
    with pytest.raises(NotEnoughBars):
        tournament(market)
    assert not Tournament.objects.exists()


def test_a_market_without_bars_is_refused():
    market = Market.objects.create(symbol="EMPTY", venue="test", interval=3600)
    with pytest.raises(NotFound):
        tournament(market)


def test_one_tournament_of_a_market_is_active_at_a_time():
    market, _, _ = null_market()
    first = tournament(market)
    with pytest.raises(StateConflict, match=first.public_id):
        tournament(market)


def test_the_same_key_of_the_same_user_starts_once():
    market, _, _ = null_market()
    user = make_user(OPERATOR)
    first, second = (
        request_tournament(market, trigger=Trigger.API, user=user, idempotency_key="abc") for _ in range(2)
    )
    assert first.pk == second.pk


def test_a_roll_back_takes_the_reign_before_up_again(reigns):
    admin = make_user(ADMIN)
    new = roll_back(reigns[2], reason=REASON, user=admin)
    assert period_of(new) == 4
    assert new == queries.current_champion(new.market)
    assert (new.decided_by, new.restores) == (admin, reigns[1])
    assert REASON in new.reason and "admin" in new.reason


def test_rolling_back_twice_goes_two_reigns_back(reigns):
    admin = make_user(ADMIN)
    once = roll_back(reigns[2], reason=REASON, user=admin)
    twice = roll_back(once, reason=REASON, user=admin)
    assert period_of(twice) == 3
    assert roll_back(twice, reason=REASON, user=admin) is None
    assert queries.current_champion(twice.market) is None


def test_a_roll_back_may_name_the_reign(reigns):
    assert period_of(roll_back(reigns[2], reason=REASON, user=make_user(ADMIN), to=reigns[0])) == 3


def test_a_reign_of_another_market_cannot_be_taken_up(reigns):
    other, _, _ = null_market("OTHER")
    strategy = get_or_create_strategy(other, "breakout", {})
    crown(other, strategy, reason="a test")
    crown(other, get_or_create_strategy(other, "momentum", {}), reason="a test")
    foreign = Champion.objects.get(strategy=strategy)
    with pytest.raises(InvalidArgument, match="earlier reign"):
        roll_back(reigns[2], reason=REASON, user=make_user(ADMIN), to=foreign)


def test_a_reign_that_has_ended_cannot_be_rolled_back(reigns):
    with pytest.raises(StateConflict):
        roll_back(reigns[1], reason=REASON, user=make_user(ADMIN))


@pytest.mark.parametrize("role", [VIEWER, OPERATOR])
def test_only_an_admin_changes_the_champion(reigns, role):
    user = make_user(role)
    for change in (roll_back, retire):
        with pytest.raises(PermissionDenied):
            change(reigns[2], reason=REASON, user=user)
    with pytest.raises(PermissionDenied):
        promote(reigns[0].strategy, reason=REASON, user=user)
    assert queries.current_champion(reigns[2].market) == reigns[2]


@pytest.mark.parametrize("reason", ["", "  a ", "x" * 501])
def test_a_change_needs_a_reason(reigns, reason):
    with pytest.raises(InvalidArgument, match="reason"):
        roll_back(reigns[2], reason=reason, user=make_user(ADMIN))


def test_a_retired_champion_leaves_nobody_and_says_why(reigns):
    admin = make_user(ADMIN)
    changes = []

    def note(sender, old, new, **kwargs):
        changes.append((old, new))

    champion_changed.connect(note)
    retire(reigns[2], reason=REASON, user=admin)
    champion_changed.disconnect(note)
    ended = Champion.objects.get(pk=reigns[2].pk)
    assert ended.until is not None and REASON in ended.ended_reason and ended.ended_by == admin
    assert queries.current_champion(ended.market) is None
    assert changes == [(ended, None)]


def test_a_change_by_hand_is_audited(reigns):
    roll_back(reigns[2], reason=REASON, user=make_user(ADMIN))
    entries = LogEntry.objects.get_for_model(Champion)
    assert entries.filter(action=LogEntry.Action.UPDATE, object_pk=str(reigns[2].pk)).exists()
    assert any(REASON in str(entry.changes) for entry in entries.filter(action=LogEntry.Action.CREATE))


@pytest.mark.parametrize(
    ("family", "way"),
    [
        ("momentum", "winner of a tournament sits the exam"),
        ("ml_model", "best candidate of a training session sits the exam"),
        ("pattern", "frozen by hand has no way to an exam"),
        ("flat", "is a control"),
    ],
)
def test_what_no_evidence_made_champion_is_refused_with_the_way_to_earn_it(reigns, family, way):
    artifact = "a" * 64 if family in ("ml_model", "pattern") else ""
    strategy = get_or_create_strategy(reigns[0].market, family, {}, artifact)
    with pytest.raises(StateConflict, match=way):
        promote(strategy, reason=REASON, user=make_user(ADMIN))
    assert queries.current_champion(strategy.market) == reigns[2]


def test_a_reign_without_evidence_does_not_prove_a_strategy(reigns):
    with pytest.raises(StateConflict, match="has passed no exam"):
        promote(reigns[0].strategy, reason=REASON, user=make_user(ADMIN))


def test_what_a_passed_exam_made_champion_is_promoted_again_on_that_evidence(reigns):
    earned = earn_reign(get_or_create_strategy(reigns[0].market, "momentum", {}))
    admin = make_user(ADMIN)
    with pytest.raises(StateConflict, match="already the champion"):
        promote(earned.strategy, reason=REASON, user=admin)
    retire(earned, reason=REASON, user=admin)
    champion = promote(earned.strategy, reason=REASON, user=admin)
    assert (champion.restores, champion.decided_by, champion.look) == (earned, admin, None)
    assert REASON in champion.reason and f"evidence of {earned.since:%Y-%m-%d}" in champion.reason
    retire(champion, reason=REASON, user=admin)
    assert promote(earned.strategy, reason=REASON, user=admin).restores == earned
