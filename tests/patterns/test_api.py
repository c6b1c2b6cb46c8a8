"""The API of scans, patterns and sightings: roles, bad input, idempotency, constant queries, retirement."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from patterns.models import Pattern, PatternScan, PatternSighting
from tests.pages import make_pattern
from tests.patterns.test_tracking import RISING, stored_pattern
from trainingday.markets.models import Market
from trainingday.runs.models import Trigger

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_no_queue")]
SCANS, PATTERNS, SIGHTINGS = "/api/v1/pattern-scans/", "/api/v1/patterns/", "/api/v1/sightings/"
MakeUser = Callable[[str], User]


@pytest.fixture
def client_of(make_user: MakeUser) -> Callable[[str], APIClient]:
    def make(role: str) -> APIClient:
        client = APIClient()
        client.force_authenticate(make_user(role))
        return client

    return make


@pytest.fixture
def operator(client_of: Callable[[str], APIClient]) -> APIClient:
    return client_of("operator")


@pytest.fixture
def scan(market: Market) -> PatternScan:
    return PatternScan.objects.create(market=market, dataset=market.datasets.get(), seed=1, state="succeeded")


@pytest.mark.parametrize("path", [SCANS, PATTERNS, SIGHTINGS])
def test_nothing_is_shown_to_strangers(path: str) -> None:
    assert APIClient().get(path).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 202), ("admin", 202)])
def test_scanning_needs_the_operator_role(
    role: str, status: int, market: Market, client_of: Callable[[str], APIClient]
) -> None:
    answer = client_of(role).post(SCANS, {"market": market.slug}, format="json")
    assert answer.status_code == status
    assert PatternScan.objects.exists() == (status == 202)


def test_a_scan_answers_with_the_address_of_its_run(operator: APIClient, market: Market) -> None:
    body = {"market": market.slug, "seed": 9, "windows": [50, 20], "success_threshold": 0.02}
    answer = operator.post(SCANS, body, format="json")
    scan = PatternScan.objects.get()
    assert answer.status_code == 202, answer.json()
    assert answer["Location"] == f"/api/v1/runs/{scan.public_id}/"
    assert (scan.seed, scan.trigger, scan.configuration["windows"]) == (9, Trigger.API, [50, 20])
    assert answer.json()["dataset_hash"] == scan.dataset.sha256
    assert operator.get(answer["Location"]).json()["state"] == "queued"
    assert operator.get(f"{SCANS}{scan.pk}/").json()["run"] == scan.public_id


def test_the_same_idempotency_key_starts_once(operator: APIClient, market: Market) -> None:
    body = {"market": market.slug}
    answers = [operator.post(SCANS, body, format="json", HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert operator.post(SCANS, body, format="json").status_code == 409


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"market": "NOWHERE-1h"}, 404),
        ({"market": "a\x00b"}, 400),
        ({"seed": -1}, 400),
        ({"seed": True}, 400),
        ({"seed": 1.5}, 400),
        ({"seed": "١"}, 400),
        ({"seed": 2**70}, 400),
        ({"windows": []}, 400),
        ({"windows": [52]}, 400),
        ({"windows": [50, 50]}, 400),
        ({"windows": [10**9]}, 400),
        ({"windows": "50"}, 400),
        ({"success_threshold": "0.1"}, 400),
        ({"success_threshold": 2}, 400),
        ({"success_threshold": True}, 400),
        ({"colour": "red"}, 400),
    ],
)
def test_bad_fields_start_nothing(
    fields: dict[str, Any], status: int, operator: APIClient, market: Market
) -> None:
    answer = operator.post(SCANS, {"market": market.slug} | fields, format="json")
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert not PatternScan.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "colour=red", "ordering=template", "state=lost", "direction=2", "horizon=x", "min_success=NaN",
        "min_success=2", "horizon=99999999999999999999", "found_by=99999999999999999999999", "market__slug=%00",
    ],
)  # fmt: skip
def test_bad_filters_of_patterns_are_refused(query: str, operator: APIClient) -> None:
    assert operator.get(f"{PATTERNS}?{query}").status_code == 400


@pytest.mark.parametrize("path", [SCANS, PATTERNS, SIGHTINGS])
@pytest.mark.parametrize("pk", ["99999999999999999999999", "999999999999999999", "%00", "x", "0"])
def test_what_is_not_there_is_404(path: str, pk: str, operator: APIClient) -> None:
    assert operator.get(f"{path}{pk}/").status_code == 404


def test_patterns_are_filtered_and_ordered(operator: APIClient, scan: PatternScan) -> None:
    rates = [0.4, 0.7, 0.6]
    for number, rate in enumerate(rates):
        make_pattern(
            scan.market, scan, number, success_rate=rate, direction=1 if number else -1, horizon=number + 1
        )
    rows = operator.get(
        f"{PATTERNS}?min_success=0.5&direction=1&market__slug={scan.market.slug}&ordering=-success_rate"
    ).json()
    assert [row["success_rate"] for row in rows["results"]] == [0.7, 0.6]
    assert operator.get(f"{PATTERNS}?horizon=1&state=confirmed").json()["count"] == 1


def test_one_pattern_shows_its_evidence(operator: APIClient, scan: PatternScan) -> None:
    pattern = make_pattern(
        scan.market, scan, 1, template={"mean": [0.0]}, tracking={"since_found": {"n_known": 3}}
    )
    shown = operator.get(f"{PATTERNS}{pattern.pk}/").json()
    assert shown["discovery"]["success_low"] == 0.495 and shown["template"] == {"mean": [0.0]}
    assert shown["tracking"]["since_found"]["n_known"] == 3 and shown["market"] == scan.market.slug


def test_sightings_are_those_of_the_pattern_asked_for(operator: APIClient, scan: PatternScan) -> None:
    one, other = (make_pattern(scan.market, scan, number) for number in range(2))
    for bar in range(3):
        PatternSighting.objects.create(pattern=one, bar_us=bar, forward_return=0.01, is_success=True)
    PatternSighting.objects.create(pattern=other, bar_us=9)
    rows = operator.get(f"{SIGHTINGS}?pattern={one.pk}&ordering=bar_us").json()
    assert [row["bar_us"] for row in rows["results"]] == [0, 1, 2]
    assert operator.get(f"{SIGHTINGS}?is_success__isnull=true").json()["results"][0]["is_success"] is None
    assert operator.get(f"{SIGHTINGS}?pattern=99999999999999999999999").status_code == 400


def test_lists_cost_the_same_for_two_and_for_forty_rows(
    operator: APIClient, scan: PatternScan, django_assert_num_queries: Any
) -> None:
    def fill(first: int, last: int) -> None:
        for number in range(first, last):
            pattern = make_pattern(scan.market, scan, number)
            PatternSighting.objects.create(pattern=pattern, bar_us=number)
            PatternScan.objects.create(market=scan.market, dataset=scan.dataset, seed=1, state="succeeded")

    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert operator.get(path).status_code == 200
        return len(captured)

    fill(0, 2)
    operator.get(PATTERNS)
    few = [cost(path) for path in (SCANS, PATTERNS, SIGHTINGS)]
    fill(2, 40)
    assert [cost(path) for path in (SCANS, PATTERNS, SIGHTINGS)] == few
    assert max(few) <= 4


def test_retiring_needs_an_operator_and_a_reason_and_is_audited(
    scan: PatternScan, client_of: Callable[[str], APIClient]
) -> None:
    pattern = make_pattern(scan.market, scan, 1)
    path, body = f"{PATTERNS}{pattern.pk}/retire/", {"reason": "its venue has closed"}
    assert client_of("viewer").post(path, body, format="json").status_code == 403
    operator = client_of("operator")
    for bad in (
        {},
        {"reason": "x"},
        {"reason": "y" * 501},
        {"reason": "fine", "more": 1},
        {"reason": "a\x00bcd"},
    ):
        assert operator.post(path, bad, format="json").status_code == 400
    assert Pattern.objects.get().state == "confirmed"
    answer = operator.post(path, body, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "retired")
    assert answer.json()["state_reason"].endswith(": its venue has closed")
    entry = LogEntry.objects.get_for_object(pattern).order_by("pk").last()
    assert entry is not None and entry.changes["state"] == ["confirmed", "retired"]
    assert operator.post(path, body, format="json").status_code == 409


def test_a_backtest_shows_train_and_validation_alone(operator: APIClient, market: Market) -> None:
    pattern = stored_pattern(market, RISING)
    answer = operator.get(f"{PATTERNS}{pattern.pk}/backtest/")
    assert answer.status_code == 200
    assert list(answer.json()["segments"]) == ["train", "validation"]
    assert "n_trades" in answer.json()["segments"]["train"]["metrics"]
    assert operator.get(f"{PATTERNS}{pattern.pk}/backtest/?segment=test").status_code == 400


def test_the_schema_names_every_address(operator: APIClient) -> None:
    paths = json.loads(operator.get("/api/v1/schema/?format=json").content)["paths"]
    assert {SCANS, PATTERNS, SIGHTINGS, PATTERNS + "{id}/retire/", PATTERNS + "{id}/backtest/"} <= set(paths)
