from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ

from sessions.models import TrainingSession
from tests import pages
from trainingday.runs.models import ScheduleFiring, TrainingSchedule, WorkerHeartbeat
from trainingday.runs.progress import read_progress
from trainingday.runs.schedule_page import schedule_rows

pytestmark = pytest.mark.django_db
MAX_QUERIES = 8


def signed_in(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


def running_session() -> TrainingSession:
    market = pages.make_market()
    return pages.make_session(market, pages.make_dataset(market), state="running")


@pytest.mark.parametrize("name", ["runs:workers", "runs:schedules"])
def test_anonymous_visitors_are_sent_to_log_in(client: Client, name: str) -> None:
    assert client.get(reverse(name)).status_code == 302


@pytest.mark.parametrize("name", ["runs:healthz", "runs:readyz"])
def test_health_needs_no_log_in(client: Client, name: str) -> None:
    assert client.get(reverse(name)).status_code == 200


def test_a_viewer_may_not_cancel_and_an_operator_may() -> None:
    session = running_session()
    url = reverse("runs:cancel", args=[session.public_id])
    assert signed_in("viewer").post(url).status_code == 403
    session.refresh_from_db()
    assert not session.is_cancel_requested
    response = signed_in("operator").post(url, {"next": session.get_absolute_url()})
    session.refresh_from_db()
    assert session.is_cancel_requested
    assert response.url == session.get_absolute_url()


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/", "javascript:alert(1)", ""])
def test_cancel_sends_nobody_to_another_site(back: str) -> None:
    url = reverse("runs:cancel", args=[running_session().public_id])
    assert signed_in("operator").post(url, {"next": back}).url == "/"


def test_cancelling_what_has_ended_says_so() -> None:
    session = running_session()
    TrainingSession.objects.update(state="succeeded")
    response = signed_in("operator").post(reverse("runs:cancel", args=[session.public_id]), follow=True)
    assert "has already finished" in response.content.decode()


def test_only_an_admin_runs_a_schedule_now() -> None:
    schedule = TrainingSchedule.objects.create(name="nightly", market=pages.make_market(), cron="30 2 * * *")
    url = reverse("runs:run-schedule", args=[schedule.pk])
    assert signed_in("operator").post(url).status_code == 403
    admin = signed_in("admin")
    assert "reason should be 3..500 characters" in admin.post(url, follow=True).content.decode()
    assert "has no dataset" in admin.post(url, {"reason": "a try"}, follow=True).content.decode()


def test_schedules_show_the_five_newest_firings_at_a_constant_cost() -> None:
    viewer = signed_in("viewer")
    market = pages.make_market()
    counts = []
    for names in (["a"], ["b", "c", "d"]):
        for name in names:
            schedule = TrainingSchedule.objects.create(name=name, market=market, cron="30 2 * * *")
            for day in range(9):
                due = timezone.now() - timedelta(days=day)
                ScheduleFiring.objects.create(schedule=schedule, due_at=due, outcome="started")
        with CaptureQueriesContext(connection) as captured:
            response = viewer.get(reverse("runs:schedules"))
        counts.append(len(captured))
    assert counts[0] == counts[1] <= MAX_QUERIES
    assert [len(row.history) for row in response.context["rows"]] == [5, 5, 5, 5]


def test_a_schedule_shows_next_times_in_its_zone_policies_and_how_the_last_run_ended() -> None:
    market = pages.make_market()
    schedule = TrainingSchedule.objects.create(
        name="nightly", market=market, cron="30 2 * * *", time_zone="Europe/Kyiv", overlap="queue"
    )
    session = pages.make_session(market, pages.make_dataset(market), state="succeeded")
    ended = timezone.now()
    TrainingSession.objects.update(started_at=ended - timedelta(seconds=95), finished_at=ended)
    ScheduleFiring.objects.create(
        schedule=schedule, due_at=ended - timedelta(minutes=3), outcome="started", run=session.public_id
    )
    ScheduleFiring.objects.create(
        schedule=schedule,
        due_at=ended - timedelta(days=1),
        outcome="skipped:missed",
        reason="found 400 minutes late",
    )
    text = signed_in("viewer").get(reverse("runs:schedules")).content.decode()
    row = schedule_rows(list(TrainingSchedule.objects.all()))[0]
    assert len(row.next_times) == 5 and all(time.endswith(", 02:30") for time in row.next_times)
    assert row.next_times[0] in text and "Next times, Europe/Kyiv" in text
    assert "wait, and start after it" in text and "run once, late" in text
    assert (
        ">succeeded</span>" in text and row.history[0].seconds == pytest.approx(95) and "1 min 35 s" in text
    )
    assert "skipped: no worker in time" in text and "found 400 minutes late" in text


def test_a_late_schedule_wears_a_badge_and_an_admin_pauses_it() -> None:
    schedule = TrainingSchedule.objects.create(name="nightly", market=pages.make_market(), cron="30 2 * * *")
    TrainingSchedule.objects.update(next_run_at=timezone.now() - timedelta(minutes=4))
    admin = signed_in("admin")
    assert ">late</span>" in admin.get(reverse("runs:schedules")).content.decode()
    url = reverse("runs:pause-schedule", args=[schedule.pk])
    assert signed_in("operator").post(url).status_code == 403
    refused = admin.post(url, follow=True).content.decode()
    assert "reason should be 3..500 characters" in refused and ">late</span>" in refused
    reason = {"reason": "exchange is closed"}
    assert ">paused</span>" in admin.post(url, reason, follow=True).content.decode()
    assert ">on</span>" in admin.post(url, reason, follow=True).content.decode()


def test_the_admin_refuses_a_bad_schedule_and_shows_the_next_five_times() -> None:
    market = pages.make_market()
    admin = Client()
    admin.force_login(User.objects.create_superuser("root", password=pages.PASSWORD))
    url = reverse("admin:runs_trainingschedule_add")
    fields = {
        "name": "n",
        "job": "scan",
        "market": market.pk,
        "preset": "",
        "overlap": "skip",
        "missed": "once",
    }
    bad = admin.post(url, {**fields, "cron": "* * * * * *", "time_zone": "UTC"}).content.decode()
    assert "cron should have five fields (the shortest interval is 1 minute)" in bad
    assert (
        "time_zone should be a name"
        in admin.post(url, {**fields, "cron": "0 3 * * *", "time_zone": "Mars/Olympus"}).content.decode()
    )
    assert not TrainingSchedule.objects.exists()
    good = {**fields, "cron": "0 3 * * *", "time_zone": "Europe/Kyiv", "is_enabled": "on"}
    assert admin.post(url, good).status_code == 302
    schedule = TrainingSchedule.objects.get()
    shown = admin.get(reverse("admin:runs_trainingschedule_change", args=[schedule.pk])).content.decode()
    assert shown.count(", 03:00</div>") == 5


def test_workers_show_silent_clusters_and_the_queue() -> None:
    WorkerHeartbeat.objects.create(host="one", cluster="long", seen_at=timezone.now() - timedelta(minutes=9))
    session = running_session()
    text = signed_in("viewer").get(reverse("runs:workers")).content.decode()
    assert ">silent</span>" in text
    assert session.public_id in text


def test_workers_show_leases_and_waiting_messages() -> None:
    session = running_session()
    viewer = signed_in("viewer")
    for lease, words in ((timedelta(seconds=45), "left</td>"), (timedelta(seconds=-5), ">expired</span>")):
        TrainingSession.objects.filter(pk=session.pk).update(lease_until=timezone.now() + lease)
        assert words in viewer.get(reverse("runs:workers")).content.decode()
    OrmQ.objects.create(key="long", payload="x", lock=timezone.now())
    response = viewer.get(reverse("runs:workers"))
    assert "1 message for long wait" in " ".join(response.content.decode().split())
    assert "messages" not in response.context or not list(response.context["messages"])


def test_progress_reads_the_newest_of_many_progress_events_in_one_query() -> None:
    session = running_session()
    pages.add_event(session, 1, "stage", stage="search", eta_seconds=600)
    for seq in range(2, 30):
        pages.add_event(session, seq, "progress", detail=f"{seq}", eta_seconds=60)
    with CaptureQueriesContext(connection) as captured:
        live = read_progress(session)
    assert len(captured) == 1
    assert [event.seq for event in live.events] == [1, 29]
    assert (live.last_seq, live.detail) == (29, "29")
    assert 50 < live.eta_seconds <= 60
