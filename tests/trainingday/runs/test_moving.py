"""Moving to another database: all rows, counted and numbered on, or none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connections
from django_q.models import Schedule

from patterns.models import PatternScan
from patterns.services import request_scan
from strategies.models import StrategyPerformance, Tournament
from tests import pages
from tests.conftest import make_market
from tests.markets import gaussian_bars
from trainingday.exceptions import InvalidArgument, StateConflict
from trainingday.markets.models import Dataset, Market
from trainingday.runs import rows, services
from trainingday.runs.models import RunEvent, TrainingSchedule, Trigger
from trainingday.runs.moving import TARGET, move_to

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_on_sqlite,
    pytest.mark.usefixtures("other_databases"),
]
SERVER = os.environ.get("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/test")
NAME = f"moved_{os.getpid()}"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the address of an empty SQLite database."""
    return f"sqlite:///{tmp_path / 'moved.sqlite3'}"


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """Return the address of an empty PostgreSQL database."""
    try:
        server = psycopg.connect(SERVER, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        pytest.skip(f"no PostgreSQL at {SERVER}: {error}")
    with server:
        server.execute(f'CREATE DATABASE "{NAME}"')
    yield f"{SERVER.rpartition('/')[0]}/{NAME}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f'DROP DATABASE "{NAME}" WITH (FORCE)')


@pytest.fixture
def market() -> Market:
    """Return a market with a dataset, a tournament with descent, a schedule, users and audited rows."""
    admin = pages.make_user("admin")
    market = make_market(gaussian_bars(1500, seed=3))
    dataset = Dataset.objects.get()
    tournament = pages.make_tournament(market, dataset, state="succeeded")
    parents = pages.add_entrants(tournament, 3)
    for child in pages.add_entrants(tournament, 3, generation=1):
        child.parents.set(parents)
    TrainingSchedule.objects.create(name="nightly", market=market, job="scan", cron="30 2 * * *")
    scan = request_scan(market, trigger=Trigger.USER, user=admin)
    RunEvent.objects.create(run_kind="scan", run_pk=scan.pk, seq=1, kind="note", payload={"text": "Grüße 数"})
    return market


def counts(database: str) -> dict[str, int]:
    return {
        model._meta.label: model._base_manager.using(database).count()
        for model in (
            Market,
            Dataset,
            Tournament,
            StrategyPerformance,
            User,
            Group,
            LogEntry,
            RunEvent,
            Schedule,
        )
    }


@pytest.mark.parametrize("target", ["url", pytest.param("postgresql_url", marks=pytest.mark.postgres)])
def test_every_row_is_there_and_new_rows_are_numbered_on(
    target: str, market: Market, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue(target)
    before = counts("default")
    moved = move_to(url)
    assert {label: moved[label] for label in before} == before == counts("default")
    with rows.opened(TARGET, url):
        assert counts(TARGET) == before
        there = Market.objects.using(TARGET).get()
        assert (there.pk, there.symbol, there.created_at) == (market.pk, market.symbol, market.created_at)
        for mine in StrategyPerformance.objects.filter(generation=1):
            copied = StrategyPerformance.objects.using(TARGET).get(pk=mine.pk)
            assert sorted(copied.parents.values_list("pk")) == sorted(mine.parents.values_list("pk"))
        user = User.objects.using(TARGET).get()
        assert user.check_password(pages.PASSWORD) and user.groups.get().name == "admin"
        assert RunEvent.objects.using(TARGET).get().payload == {"text": "Grüße 数"}
        new = Market.objects.using(TARGET).create(symbol="NEW", venue="test", interval=60)
        assert new.pk > there.pk
        connections[TARGET].check_constraints()


def test_a_target_with_rows_is_refused_and_keeps_them(market: Market, url: str) -> None:
    move_to(url)
    Market.objects.update(symbol="CHANGED")
    with pytest.raises(StateConflict, match=r"should be empty, its .* has \d+ rows"):
        move_to(url)
    with rows.opened(TARGET, url):
        assert Market.objects.using(TARGET).get().symbol == "NOISE"


def test_what_fails_midway_leaves_nothing_behind(
    market: Market, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = rows._copy
    with monkeypatch.context() as patch:
        patch.setattr(rows, "_copy", lambda model, *ends: copy(model, *ends) - (model is Dataset))
        with pytest.raises(StateConflict, match="nothing was copied"):
            move_to(url)
    with rows.opened(TARGET, url):
        assert not Market.objects.using(TARGET).exists() and not User.objects.using(TARGET).exists()
    move_to(url)  # and it is still empty enough


def test_while_a_run_is_running_nothing_moves(market: Market, url: str) -> None:
    services.claim("scan", PatternScan.objects.get().pk)
    with pytest.raises(StateConflict, match=r"scan-\d+ is running: stop the workers first"):
        move_to(url)


@pytest.mark.parametrize("bad", ["", "nonsense", "postgres://nobody@127.0.0.1:1/none"])
def test_a_database_that_cannot_be_reached_is_refused(bad: str, market: Market) -> None:
    with pytest.raises(InvalidArgument, match="database should be the address"):
        move_to(bad)
    assert TARGET not in connections.databases


def test_the_command_says_what_it_moved_or_why_not(market: Market, url: str) -> None:
    out, err = StringIO(), StringIO()
    call_command("move_to", database=url, stdout=out, stderr=err)
    assert "are there and counted. Set DATABASE_URL to it." in out.getvalue()
    with pytest.raises(SystemExit, match="2"):
        call_command("move_to", database=url, stdout=out, stderr=err)
    assert "should be empty" in err.getvalue()
