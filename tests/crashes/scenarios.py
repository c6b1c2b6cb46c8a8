"""What the product does that must survive a crash anywhere: real services on small budgets."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from django_q.models import OrmQ

from patterns.models import Pattern, PatternScan, PatternSet, PatternSighting
from patterns.services import freeze_confirmed_set, request_scan, retire_pattern
from sessions import final_training, search_stage
from sessions.models import SessionReplay, TrainingSession, Trial, WrittenReport
from sessions.rl.hyperparameters import Hyperparameters, default_hyperparameters
from sessions.rl.presets import PRESETS, Preset
from sessions.rl.suggestions import SearchSpace
from sessions.services import request_replay, request_session, settle_parts
from sessions.written_reports import request_report
from strategies.models import Champion, Look, Strategy, StrategyPerformance, Tournament, ValidationRecord
from strategies.positions import get_or_create_strategy
from strategies.services import promote, request_tournament, retire, roll_back
from strategies.store import artifact_store
from tests import pages
from tests.markets import autoregressive_bars
from tests.strategies.helpers import earn_reign
from tests.trainingday.markets.importers.cases import rows as csv_rows
from tests.trainingday.markets.importers.cases import text as csv_text
from trainingday.downloads.models import Download
from trainingday.downloads.services import request_download
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.services import load_bars, load_file
from trainingday.markets.storage import verify
from trainingday.runs import schedules, services, sweeper
from trainingday.runs.child import work
from trainingday.runs.context import RunContext
from trainingday.runs.models import (
    TERMINAL,
    Run,
    RunEvent,
    RunState,
    ScheduleFiring,
    TrainingSchedule,
    Trigger,
)

N_BARS = 2500
CLOCKS = frozenset({"seconds", "steps_per_second", "cpu_seconds"})
TINY = Preset("crash", 2, 2, 0.02, 2, 0.04, 2, 60.0, "For crash tests")


def tiny_budgets(patch: pytest.MonkeyPatch) -> None:
    """Let sessions try two small exact trainings; no progress is told that depends on the clock."""

    def small(algorithm: str) -> Hyperparameters:
        return Hyperparameters.from_dict({**default_hyperparameters(algorithm).as_dict(), "n_steps": 60_000})

    patch.setitem(PRESETS, TINY.name, TINY)
    patch.setattr(settings, "TRAININGDAY_EXECUTOR", "inline")
    patch.setattr(
        search_stage, "SearchSpace", functools.partial(SearchSpace, algorithms=("policy_gradient",))
    )
    patch.setattr(final_training, "BASELINE_ALGORITHM", "policy_gradient")
    patch.setattr(final_training, "default_hyperparameters", small)
    patch.setattr("trainingday.runs.context.SECONDS_BETWEEN_TICKS", float("inf"))


def without_clocks(value: Any) -> Any:
    """Return a JSON value without what a clock measured."""
    if isinstance(value, dict):
        return {key: without_clocks(item) for key, item in value.items() if key not in CLOCKS}
    return [without_clocks(item) for item in value] if isinstance(value, list) else value


class Scenario(ABC):
    """One thing that people or workers do. A market of its own keeps repetitions apart."""

    count: ClassVar[int] = 0

    def __init__(self) -> None:
        Scenario.count += 1
        self.market = Market.objects.create(
            symbol=f"CRASH{Scenario.count}", venue="test", interval=3600, fee=0.0001, slippage=0.0
        )
        self.prepare()

    def prepare(self) -> None:
        """Store what is there before."""
        load_bars(self.market, autoregressive_bars(N_BARS, 1, phi=0.5), "seeded")

    @abstractmethod
    def act(self) -> object:
        """Do it; this is where the crash strikes."""

    @abstractmethod
    def recover(self) -> None:
        """Do what the running system, or a person who saw an error, does next."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return all of the outcome but row numbers and clocks, to be equal to an undisturbed one's."""

    def check(self) -> None:
        """Assert what holds at every moment: one champion, and every row's file as its hash says."""
        assert Champion.objects.filter(market=self.market, until__isnull=True).count() <= 1
        names = Strategy.objects.filter(market=self.market).exclude(artifact="")
        for artifact in set(names.values_list("artifact", flat=True)):
            artifact_store().verify(artifact)
        for dataset in Dataset.objects.filter(market=self.market):
            verify(dataset.path, dataset.sha256)

    def check_no_orphan(self) -> None:
        """Assert that after the sweeper nothing lies on disk but what rows name."""
        sweeper.sweep(timedelta(0))
        named = set(Strategy.objects.exclude(artifact="").values_list("artifact", flat=True))
        assert {path.name for path in _entries(settings.TRAININGDAY_ARTIFACTS, "*")} <= named
        files = {Path(file).name for file in Dataset.objects.values_list("file", flat=True)}
        assert {path.name for path in _entries(settings.TRAININGDAY_DATASETS, "*/*")} <= files
        self.check()


def _entries(folder: Path, pattern: str) -> list[Path]:
    return list(Path(folder).glob(pattern))


class RunScenario(Scenario):
    """A run: asked for, queued, claimed, carried out."""

    model: ClassVar[type[Run]]
    max_attempts: ClassVar[int] = 2

    @abstractmethod
    def request(self) -> Run: ...

    @property
    def run(self) -> Any:
        return self.model._default_manager.filter(market=self.market, is_part=False).first()

    def act(self) -> object:
        return self.carry_out(self.request())

    @staticmethod
    def carry_out(run: Run) -> int:
        fence = services.claim(run.kind, run.pk)
        assert fence is not None
        return work(RunContext(run.kind, run.pk, fence))

    def recover(self) -> None:
        """The asker asks again if nothing was stored; the reaper finds the run and a worker takes it."""
        if self.run is None:
            self.request()
        for _ in range(services.MAX_ATTEMPTS):
            run = self.run
            if run.state in TERMINAL:
                break
            long_ago = timezone.now() - timedelta(hours=1)
            rows = self.model._default_manager.filter(pk=run.pk)
            rows.filter(state=RunState.RUNNING).update(lease_until=long_ago)
            rows.update(nudged_at=long_ago)
            OrmQ.objects.all().delete()
            assert services.reap() >= 1
            assert OrmQ.objects.filter(key="long").count() >= 1 or self.run.state in TERMINAL
            if self.run.state not in TERMINAL:
                self.carry_out(run)
        self.check_events()

    def check_events(self) -> None:
        run = self.run
        events = list(RunEvent.objects.filter(run_kind=run.kind, run_pk=run.pk).order_by("seq"))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert [event.kind for event in events].count("finished") == 1 or run.state == RunState.CANCELLED
        assert run.attempts <= self.max_attempts

    def run_facts(self, *names: str) -> dict[str, Any]:
        run = self.run
        return {name: getattr(run, name) for name in ("state", "reason", "seed", "progress", *names)}

    def shared_facts(self) -> dict[str, Any]:
        """Return what every kind of run may leave behind in the market."""
        market = self.market
        entrants = StrategyPerformance.objects.filter(tournament__market=market)
        return {
            "champions": list(
                Champion.objects.filter(market=market)
                .order_by("pk")
                .values_list("strategy__fingerprint", "reason")
            ),
            "looks": list(
                Look.objects.filter(market=market).values_list("verdict", "is_charged", "p_value", "level")
            ),
            "records": list(ValidationRecord.objects.filter(market=market).values_list("score", flat=True)),
            "windows": list(TestWindow.objects.filter(market=market).values_list("first_us", "last_us")),
            "tournaments": list(
                Tournament.objects.filter(market=market).values_list("state", "verdict", "winner_sharpe")
            ),
            "entrants": sorted(
                entrants.values_list("uid", "strategy__fingerprint", "generation", "fitness", "rank"),
                key=str,
            ),
            "parents": sorted(entrants.filter(parents__isnull=False).values_list("uid", "parents__uid")),
            "scans": list(
                PatternScan.objects.filter(market=market).values_list("state", "summary", "n_tested")
            ),
            "patterns": sorted(
                Pattern.objects.filter(market=market).values_list("key", "state", "n_occurrences", "q_value")
            ),
            "sightings": PatternSighting.objects.filter(pattern__market=market).count(),
        }


class SessionScenario(RunScenario):
    """A training session that passes its exam: it mines, breeds, searches, trains and promotes."""

    model = TrainingSession

    def request(self) -> Run:
        return request_session(self.market, TINY.name, trigger=Trigger.COMMAND, seed=1)

    def recover(self) -> None:
        super().recover()
        settle_parts()

    def facts(self) -> dict[str, Any]:
        session = self.run
        report = {
            key: value
            for key, value in session.report.items()
            if key not in ("cost", "tournament", "criteria")
        }
        criteria = {
            row["name"]: (row["value"], row["met"])
            for row in session.report.get("criteria", [])
            if "time" not in row["name"] and "second" not in row["name"]
        }
        return {
            **self.run_facts(
                "generation", "baseline_sharpe", "new_sharpe", "verdict", "hyperparams_tested", "model_path",
                "patterns_discovered", "improvement_percent",
            ),
            **self.shared_facts(),
            "trials": list(
                Trial.objects.filter(session=session).order_by("index").values_list(
                    "index", "hyperparameters", "seed", "state", "score", "weights_hash", "blocks"
                )
            ),
            "models": [
                (*row, without_clocks(members))
                for *row, members in session.model_versions.order_by("number").values_list(
                    "number", "stage", "weights_hash", "artifact", "validation_sharpe", "members"
                )
            ],
            "report": without_clocks(report),
            "criteria": criteria,
        }  # fmt: skip


class TournamentScenario(RunScenario):
    """A tournament of its own: two generations and an exam."""

    model = Tournament

    def request(self) -> Run:
        return request_tournament(
            self.market, trigger=Trigger.COMMAND, seed=7, n_generations=2, population_size=8
        )

    def facts(self) -> dict[str, Any]:
        return {
            **self.run_facts("verdict", "winner_sharpe", "n_entrants", "history"),
            **self.shared_facts(),
            "winner": self.run.winner and self.run.winner.fingerprint,
        }


class ScanScenario(RunScenario):
    """A pattern scan of its own."""

    model = PatternScan

    def request(self) -> Run:
        return request_scan(self.market, trigger=Trigger.COMMAND, seed=1)

    def facts(self) -> dict[str, Any]:
        return {**self.run_facts("n_tested", "n_found", "n_confirmed", "recognition"), **self.shared_facts()}


class ReplayScenario(RunScenario):
    """A replay of a finished session."""

    model = SessionReplay

    def prepare(self) -> None:
        super().prepare()
        self.session = request_session(self.market, TINY.name, trigger=Trigger.COMMAND, seed=1)
        self.carry_out(self.session)
        self.session.refresh_from_db()

    def request(self) -> Run:
        return request_replay(self.session, trigger=Trigger.COMMAND)

    def facts(self) -> dict[str, Any]:
        return self.run_facts("result", "checked", "difference")


class ReportScenario(RunScenario):
    """A report of the months of one market, in which a session has ended."""

    model = WrittenReport

    def prepare(self) -> None:
        super().prepare()
        ended = datetime(2026, 2, 3, tzinfo=UTC)
        dataset = self.market.datasets.get()
        pages.make_session(self.market, dataset, cpu_seconds=60.0, generation=1, finished_at=ended)

    def request(self) -> Run:
        return request_report(self.market, "ever", trigger=Trigger.COMMAND)

    def facts(self) -> dict[str, Any]:
        months = [{**row, "market": ""} for row in self.run.months]
        assert self.run.state != RunState.SUCCEEDED or months
        return {**self.run_facts("preset", "first_month", "until_month"), "months": months}


class DownloadScenario(RunScenario):
    """A download from an exchange: three pages, then one dataset."""

    model = Download
    symbol = "BTC/USDT"

    def prepare(self) -> None:
        # The stand-in knows one symbol: the last repetition's market goes by another name from now on.
        Market.objects.filter(symbol=self.symbol).update(symbol=f"OLD{Scenario.count}")

    @property
    def run(self) -> Any:
        return Download.objects.filter(market__symbol=self.symbol).first()

    def request(self) -> Run:
        since = datetime(2024, 1, 1, tzinfo=UTC)
        return request_download("binance", self.symbol, "1h", since, trigger=Trigger.COMMAND)

    def check(self) -> None:
        self.market = Market.objects.filter(symbol=self.symbol).first() or self.market
        super().check()

    def facts(self) -> dict[str, Any]:
        rows = Dataset.objects.filter(market=self.market)
        return {
            **self.run_facts("n_candles", "cursor_us"),
            "datasets": list(rows.values_list("version", "sha256", "n_rows")),
            "pages": self.run.pages.count(),
        }


class CancelledScenario(ScanScenario):
    """A scan that is cancelled while it runs."""

    def act(self) -> object:
        run = self.request()
        fence = services.claim(run.kind, run.pk)
        assert fence is not None
        services.cancel(services.get_run(run.kind, run.pk))
        return work(RunContext(run.kind, run.pk, fence))

    def recover(self) -> None:
        if self.run is None:
            self.request()
        if self.run.state not in TERMINAL and not self.run.is_cancel_requested:
            services.cancel(self.run)
        super().recover()

    def facts(self) -> dict[str, Any]:
        """Only the outcome: whether a worker or the reaper wrote it shows in the reason."""
        return {"state": self.run.state, "scans": self.shared_facts()["patterns"]}


class ImportScenario(Scenario):
    """A file becomes a dataset of a new market, and a second file is appended to it."""

    def prepare(self) -> None:
        self.symbol = self.market.symbol
        self.rows = csv_rows()

    def act(self) -> object:
        load_file(csv_text(self.rows[:-2]), "first.csv", symbol=self.symbol)
        load_file(csv_text(self.rows[2:]), "second.csv", symbol=self.symbol, append=True)
        self.market = Market.objects.get(symbol=self.symbol, venue="file")
        return None

    def recover(self) -> None:
        """Whoever saw an error imports again: what is stored is recognised, not stored twice."""
        self.act()

    def check(self) -> None:
        self.market = Market.objects.filter(symbol=self.symbol, venue="file").first() or self.market
        super().check()

    def facts(self) -> dict[str, Any]:
        rows = Dataset.objects.filter(market=self.market).order_by("version")
        return {
            "datasets": list(rows.values_list("version", "sha256", "file", "n_rows", "first_us", "last_us"))
        }


class ChampionScenario(Scenario):
    """A person promotes again by hand, rolls back, and retires the champion."""

    def prepare(self) -> None:
        super().prepare()
        self.admin = User.objects.filter(username="crash-admin").first() or _admin()
        self.first, self.second = (
            get_or_create_strategy(self.market, "momentum", {"lookback": float(bars)}, "")
            for bars in (20, 50)
        )
        earn_reign(self.first)
        roll_back(earn_reign(self.second), reason="to begin with", user=self.admin)

    def act(self) -> object:
        return self.recover()

    def recover(self) -> None:
        """Look at who reigns and do what is left of the three steps."""
        steps = Champion.objects.filter(market=self.market).count()
        if steps == 3:
            promote(self.second, reason="looks good", user=self.admin)
        if Champion.objects.filter(market=self.market).count() == 4:
            roll_back(self._reigning(), reason="it was not", user=self.admin)
        if Champion.objects.filter(market=self.market, until__isnull=True).exists():
            retire(self._reigning(), reason="market closed", user=self.admin)

    def _reigning(self) -> Champion:
        return Champion.objects.get(market=self.market, until__isnull=True)

    def facts(self) -> dict[str, Any]:
        reigns = Champion.objects.filter(market=self.market).order_by("pk")
        return {
            "reigns": [
                (reign.strategy.fingerprint, reign.reason, reign.ended_reason, reign.until is None)
                for reign in reigns
            ]
        }


class PatternScenario(Scenario):
    """A person freezes the confirmed patterns into a set, and retires one of them."""

    def prepare(self) -> None:
        super().prepare()
        self.admin = User.objects.filter(username="crash-admin").first() or _admin()
        scan = PatternScan.objects.create(
            market=self.market, dataset=Dataset.objects.get(market=self.market), seed=1, state="succeeded"
        )
        self.pattern, _ = (
            pages.make_pattern(
                self.market,
                scan,
                number,
                state="confirmed",
                definition={"id": f"{self.market.symbol}-{number}"},
            )
            for number in (1, 2)
        )

    def act(self) -> object:
        freeze_confirmed_set(self.market)
        return retire_pattern(self.pattern, reason="it stopped", user=self.admin)

    def recover(self) -> None:
        if Pattern.objects.filter(market=self.market, state="retired").exists():
            return
        self.act()

    def facts(self) -> dict[str, Any]:
        return {
            "sets": PatternSet.objects.filter(market=self.market).count(),
            "patterns": sorted(
                Pattern.objects.filter(market=self.market).values_list("key", "state", "state_reason")
            ),
        }


class ScheduleScenario(Scenario):
    """A schedule is due twice: it starts a scan, and then waits for it."""

    def prepare(self) -> None:
        super().prepare()
        self.schedule = TrainingSchedule.objects.create(
            name=self.market.symbol, market=self.market, job="scan", preset="", cron="30 2 * * *",
            overlap="queue",
        )  # fmt: skip
        self.first = timezone.now() - timedelta(minutes=2)
        self.second = self.first + timedelta(minutes=1)
        self._make_due(self.first)

    def _make_due(self, at: Any) -> None:
        TrainingSchedule.objects.filter(pk=self.schedule.pk).update(next_run_at=at)

    def act(self) -> object:
        schedules.fire_due()
        if not ScheduleFiring.objects.filter(schedule=self.schedule, due_at=self.second).exists():
            self._make_due(self.second)
        schedules.fire_due()
        PatternScan.objects.filter(market=self.market).update(state=RunState.SUCCEEDED)
        return schedules.fire_due()

    def recover(self) -> None:
        """The next minutes come."""
        if not ScheduleFiring.objects.filter(schedule=self.schedule, due_at=self.first).exists():
            self._make_due(self.first)
        self.act()

    def facts(self) -> dict[str, Any]:
        firings = ScheduleFiring.objects.filter(schedule=self.schedule).order_by("due_at")
        self.schedule.refresh_from_db()
        assert self.schedule.next_run_at is not None
        return {
            "firings": [(firing.outcome, firing.run != "") for firing in firings],
            "runs": len({firing.run for firing in firings}),
            "scans": PatternScan.objects.filter(market=self.market).count(),
            "is_planned": self.schedule.next_run_at > timezone.now(),
        }


def _admin() -> User:
    user = pages.make_user("admin")
    User.objects.filter(pk=user.pk).update(username="crash-admin")
    user.refresh_from_db()
    return user


SCENARIOS: dict[str, type[Scenario]] = {
    "session": SessionScenario,
    "tournament": TournamentScenario,
    "scan": ScanScenario,
    "cancelled scan": CancelledScenario,
    "replay": ReplayScenario,
    "report": ReportScenario,
    "download": DownloadScenario,
    "import": ImportScenario,
    "champion": ChampionScenario,
    "patterns": PatternScenario,
    "schedule": ScheduleScenario,
}
