"""Claims, leases and fences: one worker at a time, and every run ends."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from patterns.models import PatternScan
from patterns.services import request_scan
from trainingday.exceptions import FenceLost, NotFound, RunCancelled, StateConflict
from trainingday.markets.models import Market
from trainingday.runs import services
from trainingday.runs.context import RunContext
from trainingday.runs.models import RunEvent, RunState, Trigger
from trainingday.runs.queries import find_run


@pytest.fixture
def scan(market: Market) -> PatternScan:
    return request_scan(market, trigger=Trigger.COMMAND)


def expire(scan: PatternScan) -> None:
    PatternScan.objects.filter(pk=scan.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_queued_run_is_claimed_once(scan: PatternScan) -> None:
    assert services.claim("scan", scan.pk) == 1
    assert services.claim("scan", scan.pk) is None


def test_requesting_tells_the_long_cluster(
    market: Market, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        request_scan(market, trigger=Trigger.API)
    assert list(OrmQ.objects.values_list("key", flat=True)) == ["long"]


def test_an_expired_lease_is_claimed_with_a_higher_fence(scan: PatternScan) -> None:
    services.claim("scan", scan.pk)
    expire(scan)
    assert services.claim("scan", scan.pk) == 2


def test_a_paused_worker_that_comes_back_writes_nothing(scan: PatternScan) -> None:
    fence = services.claim("scan", scan.pk)
    paused = RunContext("scan", scan.pk, fence or 0)
    expire(scan)
    services.claim("scan", scan.pk)
    with pytest.raises(FenceLost):
        paused.emit("note", {"text": "late"})
    with pytest.raises(FenceLost):
        paused.check_cancel(now=True)
    assert not services.renew("scan", scan.pk, 1)
    assert not services.fail("scan", scan.pk, 1, "late")
    assert RunEvent.objects.count() == 0


def test_what_a_transaction_wrote_is_undone_when_the_fence_is_lost(scan: PatternScan) -> None:
    context = RunContext("scan", scan.pk, services.claim("scan", scan.pk) or 0)
    expire(scan)
    services.claim("scan", scan.pk)
    with pytest.raises(FenceLost), transaction.atomic(), context.transaction(n_found=7):
        pass
    scan.refresh_from_db()
    assert scan.n_found is None


def test_a_run_whose_worker_dies_three_times_fails_with_the_reason(scan: PatternScan) -> None:
    for fence in (1, 2, 3):
        assert services.claim("scan", scan.pk) == fence
        services.release("scan", scan.pk, fence, "the child ended early (killed by SIGKILL)")
    scan.refresh_from_db()
    assert (scan.state, scan.attempts) == (RunState.FAILED, 3)
    assert "died 3 times" in scan.reason
    assert services.claim("scan", scan.pk) is None


def test_the_reaper_fails_an_exhausted_run_and_nudges_the_others(scan: PatternScan) -> None:
    for _ in range(3):
        services.claim("scan", scan.pk)
        expire(scan)
    assert services.reap() == 1
    scan.refresh_from_db()
    assert scan.state == RunState.FAILED


def test_the_reaper_nudges_a_run_whose_worker_vanished(scan: PatternScan) -> None:
    services.claim("scan", scan.pk)
    expire(scan)
    OrmQ.objects.all().delete()
    PatternScan.objects.update(nudged_at=None)
    assert services.reap() == 1
    assert OrmQ.objects.filter(key="long").count() == 1
    assert services.reap() == 0  # nudged a moment ago


def test_a_second_run_of_the_kind_is_refused_while_one_is_active(scan: PatternScan, market: Market) -> None:
    with pytest.raises(StateConflict, match="already running for this market"):
        request_scan(market, trigger=Trigger.USER)
    services.cancel(scan)
    assert request_scan(market, trigger=Trigger.USER).pk != scan.pk


def test_the_same_idempotency_key_starts_once(market: Market, make_user: object) -> None:
    user: User = make_user("operator")  # type: ignore[operator]
    first = request_scan(market, trigger=Trigger.API, user=user, idempotency_key="k1")
    services.cancel(first)
    assert request_scan(market, trigger=Trigger.API, user=user, idempotency_key="k1").pk == first.pk


def test_cancelling_a_queued_run_ends_it_at_once(scan: PatternScan) -> None:
    services.cancel(scan)
    scan.refresh_from_db()
    assert scan.state == RunState.CANCELLED
    with pytest.raises(StateConflict, match="already finished"):
        services.cancel(scan)


def test_cancelling_a_running_run_is_seen_at_its_next_check(scan: PatternScan) -> None:
    context = RunContext("scan", scan.pk, services.claim("scan", scan.pk) or 0)
    services.cancel(scan)
    with pytest.raises(RunCancelled):
        context.check_cancel(now=True)


def test_a_cancelled_run_whose_child_died_is_not_tried_again(scan: PatternScan) -> None:
    services.claim("scan", scan.pk)
    services.cancel(scan)
    services.release("scan", scan.pk, 1, "killed")
    scan.refresh_from_db()
    assert scan.state == RunState.CANCELLED


def test_events_are_numbered_on_across_attempts(scan: PatternScan) -> None:
    first = RunContext("scan", scan.pk, services.claim("scan", scan.pk) or 0)
    first.emit("note", {"text": "a"})
    expire(scan)
    second = RunContext("scan", scan.pk, services.claim("scan", scan.pk) or 0)
    second.emit("note", {"text": "b"})
    second.finish(RunState.SUCCEEDED, "done")
    assert list(RunEvent.objects.values_list("seq", "kind")) == [(1, "note"), (2, "note"), (3, "finished")]
    scan.refresh_from_db()
    assert (scan.state, scan.progress, scan.reason) == (RunState.SUCCEEDED, 1.0, "done")


@pytest.mark.parametrize(
    "name", ["scan-", "scan-x", "scan-99999999999999999999", "scan-٣", "nothing-1", "", "scan-0"]
)
def test_a_run_that_is_not_there_is_not_found(name: str, db: None) -> None:
    with pytest.raises(NotFound):
        find_run(name)


def test_of_many_workers_exactly_one_claims(child_database: None, market: Market) -> None:
    scan = request_scan(market, trigger=Trigger.COMMAND)
    fences: list[int | None] = []

    def work() -> None:
        fences.append(services.claim("scan", scan.pk))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fence or 0 for fence in fences) == [0] * 7 + [1]
