"""Every row of api_cases.csv is a test: of a request here, or of a test elsewhere that is named here.

The list was written for a product with fields of other names; each case below sends the same fault through
the field of this product that takes such a value. A case without an entry fails.
"""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from sessions.models import ModelVersion
from sessions.rl.hyperparameters import Hyperparameters
from strategies.library.base import Parameter
from strategies.models import Champion, Strategy
from tests import pages
from trainingday.access import tokens
from trainingday.access.models import ApiToken
from trainingday.exceptions import InvalidArgument
from trainingday.markets.models import Market
from trainingday.runs.models import RunState
from trainingday.runs.services import cancel

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases" / "api_cases.csv"
TESTS = Path(__file__).resolve().parents[1]
SESSIONS, SCANS = "/api/v1/training-sessions/", "/api/v1/pattern-scans/"
BACKTESTS, DATASETS = "/api/v1/backtests/", "/api/v1/datasets/"


@dataclass
class Site:
    """An operator's client, a market with bars, and what both can be asked."""

    api: APIClient
    market: Market

    def post(self, path: str, **fields: Any) -> Any:
        return self.api.post(path, {"market": self.market.slug, **fields}, format="json")

    def session(self, **fields: Any) -> Any:
        return self.post(SESSIONS, **{"preset": "quick", **fields})

    def raw(self, body: str | bytes, path: str = SESSIONS, content_type: str = "application/json") -> Any:
        data = body.encode() if isinstance(body, str) else body
        return self.api.generic("POST", path, data, content_type=content_type)

    def backtest(self, **fields: Any) -> Any:
        return self.post(BACKTESTS, **{"strategy": "momentum", **fields})

    def upload(self, **fields: Any) -> Any:
        file = SimpleUploadedFile("bars.csv", b"time,open,high,low,close\n")
        return self.api.post(DATASETS, {"file": file, "symbol": "X", **fields}, format="multipart")

    def get(self, query: str, path: str = SESSIONS) -> Any:
        return self.api.get(f"{path}{query}")

    def finished(self) -> Any:
        run = self.session().json()["run"]
        self.api.post(f"/api/v1/runs/{run}/cancel/")
        return self.api.post(f"/api/v1/runs/{run}/cancel/")

    def repeated(self) -> Any:
        for _ in range(2):
            answer = self.api.post(
                SESSIONS, {"market": self.market.slug}, format="json", headers={"Idempotency-Key": "k"}
            )
        return answer

    def champion_deletion(self) -> Any:
        """A model says why it stays; strategies and champions have nothing that deletes them; all are still there."""
        strategy = Strategy.objects.create(
            market=self.market, family="ml_model", artifact="a", fingerprint="f"
        )
        champion = Champion.objects.create(market=self.market, strategy=strategy, reason="passed")
        session = pages.make_session(self.market, self.market.datasets.get())
        model = ModelVersion.objects.create(
            market=self.market, session=session, number=1, strategy=strategy, selection_strategy=strategy,
            stage="champion", algorithm="ppo", hyperparameters={}, seed=1, dataset=session.dataset,
            train_first_us=0, train_last_us=1, artifact="a", weights_hash="b",
        )  # fmt: skip
        self.api.force_authenticate(pages.make_user("admin"))
        rows = [("models", model), ("strategies", strategy), ("champions", champion)]
        answers = [self.api.delete(f"/api/v1/{name}/{row.pk}/") for name, row in rows]
        assert [answer.status_code for answer in answers] == [409, 405, 405]
        assert answers[0].json()["detail"] == "champion cannot be deleted"
        for _, row in rows:
            row.refresh_from_db()
        return answers[0]

    def anothers(self) -> Any:
        """Sessions are shared on purpose; what is private is a token, by its page."""
        tokens.make(pages.make_user("admin"))
        client = self.api
        client.force_login(pages.make_user("viewer"))
        return client.post(f"/tokens/{ApiToken.objects.get().token_key}/revoke/")


@dataclass(frozen=True)
class Refused:
    """Carries the status that an InvalidArgument is answered with, for what no request can say."""

    status_code: int = 400
    content: bytes = b""


def refused(make: Callable[[], Any]) -> Refused:
    with pytest.raises(InvalidArgument) as error:
        make()
    return Refused(content=str(error.value).encode())


def nested(depth: int) -> str:
    return '{"market": "X", "parameters": ' + '{"a":' * depth + "1" + "}" * depth + "}"


def both(*answers: Any) -> Any:
    """Return one of several answers of which all have the same status."""
    assert len({answer.status_code for answer in answers}) == 1, [a.status_code for a in answers]
    return answers[0]


CASES: dict[str, Callable[[Site], Any]] = {
    'POST session lr="nan"/"inf"': lambda s: both(
        s.post(SCANS, success_threshold="nan"), s.post(SCANS, success_threshold="inf"), s.backtest(fee="nan")
    ),
    "POST lr=NaN literal": lambda s: s.raw('{"success_threshold": NaN}', SCANS),
    "POST lr=1e400 literal": lambda s: s.raw('{"market": "NOISE-1h", "success_threshold": 1e400}', SCANS),
    "POST lr=true": lambda s: both(s.post(SCANS, success_threshold=True), s.backtest(fee=True)),
    "POST n_trials=2**63": lambda s: s.session(n_trials=2**63),
    'POST n_trials="١٢" (Arabic digits)': lambda s: s.session(n_trials="١٢"),
    "POST n_trials=0 / -1 / 100001": lambda s: both(*(s.session(n_trials=n) for n in (0, -1, 100_001))),
    "POST capital=NaN": lambda s: s.upload(price_scale="NaN"),
    "POST capital=1e-30": lambda s: s.upload(price_scale="1e-30"),
    "POST capital=0 / negative": lambda s: both(s.upload(price_scale="0"), s.upload(price_scale="-1")),
    "POST market=2**70": lambda s: s.session(market=2**70),
    "POST market=true": lambda s: both(*(s.post(path, market=True) for path in (SESSIONS, SCANS, BACKTESTS))),
    "POST name with NUL": lambda s: s.session(market="a\x00b"),
    "POST name with lone surrogate": lambda s: s.raw('{"market": "\\ud800"}'),
    "POST params with lone surrogate (JSONField)": lambda s: s.raw(
        '{"market": "X", "strategy": "momentum", "parameters": {"\\udfff": 1}}', BACKTESTS
    ),
    "POST params nested 100000 deep": lambda s: both(
        s.raw(nested(100_000), BACKTESTS), s.raw(nested(30), BACKTESTS)
    ),
    "POST params 1e400": lambda s: s.raw(
        '{"market": "NOISE-1h", "strategy": "momentum", "parameters": {"lookback": 1e400}}',
        BACKTESTS,
    ),
    "POST integer literal of 5000 digits": lambda s: s.raw('{"seed": ' + "9" * 5000 + "}"),
    "multipart PATCH params=null": lambda s: s.upload(columns="null"),
    "POST body not UTF-8": lambda s: s.raw(b'{"market": "\xff"}'),
    "POST body list": lambda s: s.raw("[1]"),
    "POST body 10 MB": lambda s: s.raw('{"a": "' + "x" * 10_000_000 + '"}'),
    "POST wrong content type text/plain": lambda s: s.raw("market=x", content_type="text/plain"),
    "POST starts_at year 9999 -14:00": lambda s: s.session(starts_at="9999-12-31T23:59:59-14:00"),
    "POST read-only state=done": lambda s: s.session(state="done"),
    "POST unknown field": lambda s: s.session(colour="red"),
    "POST same Idempotency-Key twice": Site.repeated,
    "POST second session for a busy market": lambda s: (s.session(), s.session())[1],
    "PATCH/cancel a finished session": Site.finished,
    "DELETE the champion artefact": Site.champion_deletion,
    "GET sessions/99999999999999999999999/": lambda s: s.get("99999999999999999999999/"),
    "GET sessions/%00/": lambda s: s.get("%00/"),
    "GET another user's private session": Site.anothers,
    "?starts_at=9999-12-31T23:59:59-14:00": lambda s: s.get("?starts_at=9999-12-31T23:59:59-14:00"),
    "?starts_at=0001-01-01T00:00:00+14:00": lambda s: s.get("?starts_at=0001-01-01T00:00:00%2B14:00"),
    "?lr=nan / inf": lambda s: both(*(s.get(f"?version={v}", DATASETS) for v in ("nan", "inf"))),
    "?capital=1e999999999": lambda s: s.get("?version=1e999999999", DATASETS),
    "?n_trials=99999999999999999999": lambda s: s.get("?version=99999999999999999999", DATASETS),
    "?state=%00 / ?search=%00": lambda s: both(s.get("?state=%00"), s.get("?search=%00")),
    "?ordering=password (unknown)": lambda s: s.get("?ordering=password"),
    "?page=0/-1/999999999999999999999": lambda s: both(
        *(s.get(f"?page={n}") for n in ("0", "-1", "999999999999999999999"))
    ),
    "?page_size=1000000": lambda s: s.get("?page_size=1000000"),
    "?format=xyz": lambda s: s.get("?format=xyz"),
    "unknown query parameter": lambda s: s.get("?colour=red"),
    "window=0 / negative / > bars": lambda s: both(
        *(s.backtest(parameters={"lookback": n}) for n in (0, -5, 10**9))
    ),
    "fast >= slow": lambda s: s.backtest(
        strategy="moving_average_cross", parameters={"fast": 50, "slow": 20}
    ),
    "fee = 1.5 / negative": lambda s: both(s.backtest(fee=1.5), s.backtest(fee=-0.1)),
    "unknown strategy key or dotted path": lambda s: both(
        s.backtest(strategy="nothing"), s.backtest(strategy="os.system")
    ),
    "low > high in a search space / log with low<=0": lambda s: both(
        refused(lambda: Parameter("lookback", 50, 20, 30, True, False, "")),
        refused(lambda: Parameter("rate", 0, 20, 10, False, True, "")),
    ),
    "net_arch [10**6]": lambda s: refused(lambda: Hyperparameters(net_arch=(10**6,))),
}
CONSUMERS = "trainingday/runs/test_consumers.py"
CRON = "trainingday/runs/test_cron.py"
SCHEDULES = "trainingday/runs/test_schedules.py"
REGISTRY = "sessions/test_registry.py"
FETCH, DOORS = "trainingday/downloads/test_fetch.py", "trainingday/downloads/test_front_doors.py"
ELSEWHERE = {
    "no Origin / Origin null / foreign origin": (CONSUMERS, "test_another_origin_is_refused"),
    "same host other port or javascript://host": (CONSUMERS, "test_another_origin_is_refused"),
    "anonymous user": (CONSUMERS, "test_anonymous_sockets_are_closed_with_4401"),
    "group of a session one may not see": (CONSUMERS, "test_an_unknown_run_is_closed_with_4404"),
    "text frame not JSON": (CONSUMERS, "test_bad_messages_close_the_socket"),
    "binary frame": (CONSUMERS, "test_bad_messages_close_the_socket"),
    "frame > 64 kB": (CONSUMERS, "test_bad_messages_close_the_socket"),
    "unknown type / missing type": (CONSUMERS, "test_an_unknown_type_is_answered_and_the_socket_stays"),
    "subscribe 1000 groups": (CONSUMERS, "test_a_socket_watches_twenty_runs_and_refuses_the_next"),
    "> 20 messages/s": (CONSUMERS, "test_more_than_twenty_messages_a_second_close_the_socket"),
    "client that never reads": (CONSUMERS, "test_a_client_that_never_reads_is_closed"),
    "logout / deactivated user while open": (CONSUMERS, "test_a_signed_out_user_is_closed_within_seconds"),
    "resume from unknown/negative/huge seq": (CONSUMERS, "test_an_unknown_position_replays_everything"),
    "0 0 31 2 * (never fires)": (CRON, "test_it_refuses_what_never_fires_or_is_no_cron"),
    "* * * * * * (6 fields = every second)": (CRON, "test_it_refuses_what_never_fires_or_is_no_cron"),
    "7 fields with year 2099": (CRON, "test_it_refuses_what_never_fires_or_is_no_cron"),
    "R R * * * (random)": (CRON, "test_it_refuses_what_never_fires_or_is_no_cron"),
    "40 kB expression": (CRON, "test_it_refuses_what_never_fires_or_is_no_cron"),
    "60 * * * * / */0 / @reboot / empty / letters": (CRON, "test_it_refuses_what_never_fires_or_is_no_cron"),
    "30 2 * * * Europe/Kyiv on DST days": (CRON, "test_a_daily_time_fires_exactly_once_on_each_day_of_a_change"),
    "schedule whose previous run is still active": (SCHEDULES, "test_an_overlap_is_skipped_and_recorded"),
    "manifest signature or hash mismatch": (REGISTRY, "test_a_bad_upload_is_refused_and_stores_nothing"),
    "safetensors with wrong shapes / NaN": (
        REGISTRY, "test_weights_that_are_not_what_the_signed_manifest_says_are_refused",
    ),
    "model .zip upload": (REGISTRY, "test_the_upload_page_takes_an_export_and_refuses_a_zip"),
    "exchange id not in allow-list": (DOORS, "test_a_bad_request_is_400_and_starts_nothing"),
    "options with urls/hostname/proxyUrl/verbose": (DOORS, "test_a_bad_request_is_400_and_starts_nothing"),
    "exchange returns NaN/None candle or HTTP 429/5xx/timeouts": (
        FETCH, "test_a_fault_that_stays_ends_the_run_with_its_reason_and_stores_nothing",
    ),
}  # fmt: skip


@pytest.fixture
def site(market: Market) -> Site:
    api = APIClient()
    api.force_authenticate(pages.make_user("operator"))
    return Site(api, market)


@pytest.fixture(scope="session")
def rows(shared_dir: Path) -> dict[str, dict[str, str]]:
    with (shared_dir / "cases" / "api_cases.csv").open(encoding="utf-8") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_every_row_of_the_list_is_a_test(rows: dict[str, dict[str, str]]) -> None:
    assert len(rows) >= 70
    assert sorted(set(rows) - set(CASES) - set(ELSEWHERE)) == []
    assert sorted((set(CASES) | set(ELSEWHERE)) - set(rows)) == []


@pytest.mark.parametrize("case", list(CASES))
def test_a_case_is_answered_as_the_list_says(case: str, rows: dict[str, dict[str, str]], site: Site) -> None:
    status = int(rows[case]["expected"])
    answer = CASES[case](site)
    assert answer.status_code == status, answer.content[:300]
    if (
        status >= 400
        and answer.content
        and not isinstance(answer, Refused)
        and case != "GET another user's private session"
    ):
        assert json.loads(answer.content)["status"] == status
    list_page = site.api.get(SESSIONS) if not isinstance(answer, Refused) else None
    assert list_page is None or list_page.status_code in (200, 401), "a stored value broke the list"


@pytest.mark.parametrize("case", list(ELSEWHERE))
def test_a_case_of_another_part_has_its_test_there(case: str) -> None:
    path, name = ELSEWHERE[case]
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in found, f"{case}: {path} has no {name}"


def test_a_cancelled_run_counts_as_finished(site: Site) -> None:
    session = pages.make_session(site.market, site.market.datasets.get(), state=RunState.QUEUED)
    cancel(session)
    assert site.api.post(f"/api/v1/runs/session-{session.pk}/cancel/").status_code == 409
