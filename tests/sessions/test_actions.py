"""Clone, resume and replay by hand: buttons and API, for operators alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ
from rest_framework.test import APIClient

from sessions.models import SessionReplay, TrainingSession
from sessions.services import resume_session
from tests import pages
from trainingday.exceptions import StateConflict
from trainingday.runs import services

pytestmark = pytest.mark.django_db
FOUND = {"n_trials": 20, "found": {"window": 1, "champion": None, "model": None}}
BUTTONS = {"start-replay": "Replay", "clone": "Clone", "resume": "Resume"}


def make_session(**fields: Any) -> TrainingSession:
    market = pages.make_market()
    return pages.make_session(market, pages.make_dataset(market), **({"configuration": FOUND} | fields))


def client(role: str) -> Client:
    client = Client()
    client.force_login(pages.make_user(role))
    return client


@pytest.mark.parametrize("name", BUTTONS)
def test_a_viewer_may_not_press_a_button_and_sees_none(name: str) -> None:
    session = make_session()
    viewer = client("viewer")
    assert viewer.post(reverse(f"sessions:{name}", args=[session.pk])).status_code == 403
    assert viewer.get(reverse(f"sessions:{name}", args=[session.pk])).status_code == 405
    page = viewer.get(session.get_absolute_url()).content.decode()
    assert reverse(f"sessions:{name}", args=[session.pk]) not in page
    assert not SessionReplay.objects.exists()


@pytest.mark.parametrize(
    ("state", "shown"),
    [("succeeded", {"start-replay", "clone"}), ("failed", {"resume", "clone"}), ("running", set())],
)
def test_the_buttons_fit_the_state(state: str, shown: set[str]) -> None:
    session = make_session(state=state)
    page = client("operator").get(session.get_absolute_url()).content.decode()
    addresses = {name: reverse(f"sessions:{name}", args=[session.pk]) for name in BUTTONS}
    assert {name for name, address in addresses.items() if f'action="{address}"' in page} == shown


def test_the_replay_button_starts_one_and_a_second_is_refused() -> None:
    session, operator = make_session(), client("operator")
    url = reverse("sessions:start-replay", args=[session.pk])
    first = operator.post(url)
    replay = SessionReplay.objects.get()
    assert first["Location"] == replay.get_absolute_url()
    assert (replay.seed, replay.configuration, replay.requested_by.username) == (1, FOUND, "operator")
    again = operator.post(url, follow=True)
    assert f"already running for this market: {replay.public_id}" in again.content.decode()
    assert SessionReplay.objects.count() == 1


@pytest.mark.parametrize("result", ["", "same_bits", "different_bits"])
def test_a_replay_has_a_page_and_stands_on_its_sessions(result: str) -> None:
    session, viewer = make_session(), client("viewer")
    difference = {"where": "trial 3, score", "original": "0.3", "replayed": "0.30000000000000004"}
    replay = SessionReplay.objects.create(
        original=session, market=session.market, seed=1, state="succeeded" if result else "running", result=result,
        difference=difference if result == "different_bits" else None,
        checked=[{"part": "baseline", "n_values": 1234}], environment_differences=[["torch", "2.12", "2.13"]],
    )  # fmt: skip
    page = viewer.get(replay.get_absolute_url()).content.decode()
    assert "1,234" in page and "2.12" in page and "uses no exam" in page
    on_session = viewer.get(session.get_absolute_url()).content.decode()
    assert replay.get_absolute_url() in on_session
    for text in (page, on_session):
        assert ("0.30000000000000004" in text) == (result == "different_bits")


def api(role: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(pages.make_user(role))
    return client


def test_the_api_starts_a_replay_once_for_a_key() -> None:
    session, operator = make_session(), api("operator")
    url = f"/api/v1/training-sessions/{session.pk}/replay/"
    assert api("viewer").post(url).status_code == 403
    responses = [operator.post(url, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [response.status_code for response in responses] == [202, 202]
    replay = SessionReplay.objects.get()
    assert responses[0]["Location"] == f"/api/v1/runs/{replay.public_id}/"
    assert responses[0].json()["session"] == session.pk
    assert operator.post(url).status_code == 409
    assert operator.get("/api/v1/replays/", {"original": session.pk}).json()["count"] == 1
    assert operator.get(f"/api/v1/runs/{replay.public_id}/").status_code == 200


def test_the_api_refuses_what_cannot_be_replayed() -> None:
    session = make_session(state="failed")
    response = api("operator").post(f"/api/v1/training-sessions/{session.pk}/replay/")
    assert response.status_code == 409
    assert "only a finished session can be replayed" in response.json()["detail"]


def test_a_stopped_session_is_queued_again_and_keeps_its_trials() -> None:
    session = make_session(state="failed", attempts=3, reason="died 3 times", is_cancel_requested=True)
    pages.add_trials(session, 4)
    response = api("operator").post(f"/api/v1/training-sessions/{session.pk}/resume/")
    assert response.status_code == 202
    session.refresh_from_db()
    assert (session.state, session.attempts, session.is_cancel_requested) == ("queued", 0, False)
    assert session.trials.count() == 4
    with pytest.raises(StateConflict, match="nothing to resume"):
        resume_session(session)


def test_a_resume_that_cannot_be_nudged_is_left_to_the_reaper(
    monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    session = make_session(state="failed")

    def away(*arguments: object, **options: object) -> None:
        raise OperationalError("the queue is away")

    with monkeypatch.context() as patch:
        patch.setattr(services, "async_task", away)
        with django_capture_on_commit_callbacks(execute=True):
            assert resume_session(session).state == "queued"
    assert not OrmQ.objects.exists()
    TrainingSession.objects.update(nudged_at=timezone.now() - 2 * services.NUDGE_QUEUED_AFTER)
    assert services.reap() == 1
    assert OrmQ.objects.filter(key="long").count() == 1


def test_a_session_is_not_resumed_beside_another_of_its_market() -> None:
    stopped = make_session(state="cancelled")
    pages.make_session(stopped.market, stopped.dataset, state="running")
    with pytest.raises(StateConflict, match="another training session"):
        resume_session(stopped)
    stopped.refresh_from_db()
    assert stopped.state == "cancelled"
