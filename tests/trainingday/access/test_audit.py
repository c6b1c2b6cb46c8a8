"""The audit trail: who did what, from where and why; written once; readable by page, API and admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from strategies.models import Champion, Strategy
from tests import pages
from tests.strategies.helpers import earn_reign
from trainingday.access import audit, tokens
from trainingday.exceptions import StateConflict
from trainingday.markets.models import Market
from trainingday.runs.models import TrainingSchedule

MakeUser = Callable[[str], User]
ADDRESS = "192.0.2.44"


def signed_in(user: User) -> Client:
    client = Client(REMOTE_ADDR=ADDRESS)
    client.force_login(user)
    return client


def newest(verb: str) -> LogEntry:
    entry: LogEntry = LogEntry.objects.filter(additional_data__verb=verb).order_by("-pk")[0]
    return entry


def test_starting_and_cancelling_by_token_names_the_user_and_the_address(
    market: Market, make_user: MakeUser
) -> None:
    user = make_user("operator")
    api = APIClient(REMOTE_ADDR=ADDRESS)
    api.credentials(HTTP_AUTHORIZATION=f"Token {tokens.make(user, scope='operate')}")
    run = api.post("/api/v1/training-sessions/", {"market": market.slug, "preset": "quick"}).json()["run"]
    assert api.post(f"/api/v1/runs/{run}/cancel/").status_code == 202
    for verb in ("start", "cancel"):
        entry = newest(verb)
        assert (entry.actor, entry.remote_addr, entry.object_repr) == (user, ADDRESS, run)
        assert entry.changes["market"] == ["", market.slug]
    assert api.post(f"/api/v1/runs/{run}/cancel/").status_code == 409
    assert LogEntry.objects.filter(additional_data__verb="cancel").count() == 1


def test_an_import_names_its_source(market: Market) -> None:
    entry = newest("import")
    assert entry.actor is None and entry.changes["source"] == ["", "a seeded test market"]


def test_a_promotion_and_a_roll_back_carry_their_reason(market: Market, make_user: MakeUser) -> None:
    admin = make_user("admin")
    api = APIClient(REMOTE_ADDR=ADDRESS)
    api.force_authenticate(admin)
    rows = [Strategy.objects.create(market=market, family="momentum", fingerprint=str(i)) for i in range(3)]
    for row in rows:
        earn_reign(row)
    answer = api.post(f"/api/v1/strategies/{rows[1].pk}/promote/", {"reason": "looks sound"})
    assert answer.status_code == 201
    reigning = Champion.objects.get(until__isnull=True)
    assert (
        api.post(f"/api/v1/champions/{reigning.pk}/roll-back/", {"reason": "no, it is not"}).status_code
        == 200
    )
    for verb, reason in (("promote", "looks sound"), ("roll back", "no, it is not")):
        entry = newest(verb)
        assert audit.reason_of(entry) == reason
        assert (entry.actor, entry.remote_addr) == (admin, ADDRESS)


def test_a_changed_setting_a_schedule_and_a_role_are_seen(make_user: MakeUser) -> None:
    admin, market = make_user("admin"), pages.make_market()
    client = signed_in(admin)
    fields = {
        "calendar": market.calendar, "fee": "0.002", "slippage": market.slippage, "alpha": market.alpha,
        "bars_per_year": market.bars_per_year,
    }  # fmt: skip
    assert client.post(f"/admin/markets/market/{market.pk}/change/", fields).status_code == 302
    entry = LogEntry.objects.get_for_object(market).order_by("-pk")[0]
    assert entry.changes_dict["fee"] == ["0.001", "0.002"]
    assert (entry.actor, entry.remote_addr) == (admin, ADDRESS)
    TrainingSchedule.objects.create(name="nightly", market=market, cron="30 2 * * *")
    assert LogEntry.objects.get_for_model(TrainingSchedule).count() == 1
    someone = make_user("viewer")
    someone.groups.add(Group.objects.get(name="admin"))
    entry = LogEntry.objects.get_for_object(someone).order_by("-pk")[0]
    assert entry.changes_dict["groups"]["objects"] == ["admin"]


def test_a_row_is_neither_changed_nor_deleted(market: Market, make_user: MakeUser) -> None:
    entry = newest("import")
    entry.object_repr = "something else"
    for act in (entry.save, entry.delete, LogEntry.objects.all().delete):
        with pytest.raises(StateConflict), transaction.atomic():
            act()
    client = signed_in(make_user("admin"))
    address = f"/admin/auditlog/logentry/{entry.pk}/"
    assert client.get(f"{address}change/").status_code == 200
    assert client.post(f"{address}change/", {"object_repr": "x"}).status_code == 403
    assert client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    api = APIClient()
    api.force_authenticate(make_user("admin"))
    for method in (api.put, api.patch, api.delete, api.post):
        assert method(f"/api/v1/audit/{entry.pk}/").status_code == 405


def test_a_user_with_a_history_can_leave_and_the_history_stays(market: Market, make_user: MakeUser) -> None:
    user = make_user("operator")
    audit.record("start", market, actor=user)
    user.delete()
    assert newest("start").actor is None


def test_page_and_api_tell_the_same_and_only_admins_see_addresses(
    market: Market, make_user: MakeUser
) -> None:
    admin, viewer = make_user("admin"), make_user("viewer")
    with audit.doing("set", "cheaper venue"):
        signed_in(admin).post("/tokens/", {"days": 5, "scope": "read"})
    for user, sees in ((admin, True), (viewer, False)):
        page = signed_in(user).get(reverse("audit"), {"who": admin.username, "kind": "apitoken"})
        text = page.content.decode()
        assert "cheaper venue" in text and (ADDRESS in text) is sees
        api = APIClient()
        api.force_authenticate(user)
        query = {"actor__username": admin.username, "content_type__model": "apitoken"}
        rows = api.get("/api/v1/audit/", query).json()["results"]
        assert [(row["who"], row["did"], row["reason"]) for row in rows] == [
            (admin.username, "set", "cheaper venue")
        ]
        assert rows[0]["address"] == (ADDRESS if sees else None)


def test_the_page_costs_the_same_for_few_and_many_rows(
    make_user: MakeUser, django_assert_max_num_queries: Any
) -> None:
    market, client = pages.make_market(), signed_in(make_user("viewer"))
    for n in (2, 40):
        for _ in range(n):
            audit.record("start", market)
        with django_assert_max_num_queries(8):
            assert client.get(reverse("audit")).status_code == 200


def test_no_query_set_changes_or_deletes_an_audit_row(market: Market) -> None:
    for change in (
        lambda: LogEntry.objects.update(object_repr="something else"),
        lambda: LogEntry.objects.filter(pk__gt=0).delete(),
        lambda: LogEntry.objects.all()[0].delete(),
        lambda: LogEntry.objects.get_for_object(market).update(additional_data={}),
        lambda: LogEntry.objects.bulk_update([LogEntry.objects.all()[0]], ["object_repr"]),
    ):
        before = LogEntry.objects.count()
        with pytest.raises(StateConflict), transaction.atomic():
            change()
        assert LogEntry.objects.count() == before > 0


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM {}", "UPDATE {} SET object_repr = 'x'", "UPDATE {} SET changes = NULL, actor_id = NULL",
     "UPDATE {} SET actor_id = (SELECT MIN(id) FROM auth_user)"],
)  # fmt: skip
def test_the_database_itself_keeps_an_audit_row_as_it_is(
    market: Market, make_user: MakeUser, statement: str
) -> None:
    make_user("viewer")
    rows = list(LogEntry.objects.order_by("pk").values())
    with (
        pytest.raises(IntegrityError, match="an audit row"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(LogEntry._meta.db_table))
    assert list(LogEntry.objects.order_by("pk").values()) == rows


def test_a_user_who_did_something_may_leave_and_the_row_stays(make_user: MakeUser, market: Market) -> None:
    user = make_user("operator")
    entry = audit.record("start", market, actor=user, reason="weekly check")
    user.delete()
    kept = LogEntry.objects.get(pk=entry.pk)
    assert kept.actor is None and audit.reason_of(kept) == "weekly check"
