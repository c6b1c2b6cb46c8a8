"""Two years of a busy product, made quickly: for page speed, screenshots and browser tests.

The rows are made up and say so nowhere, so they belong in a scratch database only.
`manage.py shell -c "from tests.history import *; add_running(make_history()[0])"` fills one, bars included.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from django.contrib.auth.models import User
from django.utils import timezone

from patterns.models import Pattern, PatternScan, PatternSighting
from sessions.models import ModelVersion, TrainingSession, Trial
from strategies.models import Champion, Look, Strategy, StrategyPerformance, Tournament
from tests.markets import gaussian_bars
from trainingday.access import audit
from trainingday.markets.models import Dataset, Market
from trainingday.markets.services import current_test_window, load_bars
from trainingday.runs.models import RunEvent, ScheduleFiring, TrainingSchedule, WorkerHeartbeat

SYMBOLS = ("BTC/USD", "ETH/USD", "SOL/USD", "SP500", "NASDAQ", "EUR/USD")
VERDICTS = ("no_challenger", "no_challenger", "not_proven", "cannot_tell", "passed")
FAMILIES = ("momentum", "moving_average_cross", "rsi", "bollinger", "breakout", "macd")
CRITERION = {"low": -0.05, "high": 0.12, "n": 40, "unit": "", "note": "", "segment": "validation"}


def make_history(
    n_sessions: int = 300,
    n_trials: int = 20,
    n_bars: int = 3000,
    seed: int = 1,
    symbols: Sequence[str] = SYMBOLS,
) -> list[Market]:
    """Fill two years: sessions with trials, models, tournaments, patterns, looks, champions, schedules."""
    rng = np.random.default_rng(seed)
    markets = [_market(symbol, n_bars, number) for number, symbol in enumerate(symbols)]
    now = timezone.now()
    for place, market in enumerate(markets):
        dataset = market.datasets.get()
        when = [now - timedelta(days=730 * (1 - i / (n_sessions // 6))) for i in range(n_sessions // 6)]
        sessions = _sessions(market, dataset, when, n_trials, rng)
        _trials(sessions, n_trials, rng)
        strategies = _strategies(market, len(sessions), rng)
        _models(market, dataset, sessions, strategies, rng)
        _tournaments(market, dataset, sessions, strategies, rng, with_entrants=place == 0)
        _exams(market, dataset, sessions, strategies)
        _patterns(market, dataset, rng)
        _schedule(market, place, now)
    for cluster, silence in (("trainingday", 0), ("long", 9)):
        seen = {"seen_at": now - timedelta(minutes=silence)}
        WorkerHeartbeat.objects.update_or_create(host="desk", cluster=cluster, defaults=seen)
    user = User.objects.order_by("pk").first()
    for market in markets:
        audit.record("start", market, actor=user, reason="weekly check", details={"market": market.slug})
    return markets


def add_running(market: Market, n_done: int = 7) -> TrainingSession:
    """Return a session of a market that a worker is at, with trials and events."""
    session = TrainingSession.objects.create(
        market=market, dataset=market.datasets.get(), dataset_hash="c" * 64, preset="standard", seed=4,
        state="running", stage="search", progress=0.42, started_at=timezone.now() - timedelta(minutes=4),
        configuration={"n_trials": 20, "preset": "standard"}, trigger="schedule", attempts=1, worker="desk:812",
    )  # fmt: skip
    _trials([session], n_done, np.random.default_rng(3))
    kinds = [
        ("attempt", {"fence": 1}),
        ("stage", {"stage": "patterns"}),
        ("note", {"text": "108 tested, 0 found"}),
    ]
    kinds += [("stage", {"stage": "search", "progress": 0.3, "eta_seconds": 300})]
    RunEvent.objects.bulk_create(
        RunEvent(run_kind="session", run_pk=session.pk, seq=i + 1, kind=kind, payload=payload)
        for i, (kind, payload) in enumerate(kinds)
    )
    return session


def add_breeding(market: Market) -> Tournament:
    """Return a tournament of a market that a worker is at, three generations on."""
    tournament = Tournament.objects.create(
        market=market, dataset=market.datasets.get(), seed=5, state="running", stage="evolution", progress=0.3,
        started_at=timezone.now() - timedelta(minutes=1), n_generations=10, attempts=1, worker="desk:815",
        configuration={"population_size": 40},
        history=[{"generation": g, "best": 0.2 + g / 20, "median": 0.05 * g, "diversity": 1 - g / 12} for g in range(3)],
    )  # fmt: skip
    _entrants(tournament, np.random.default_rng(4), n_generations=3)
    RunEvent.objects.create(
        run_kind="tournament", run_pk=tournament.pk, seq=1, kind="attempt", payload={"fence": 1}
    )
    return tournament


def make_one_market(n_bars: int = 3000) -> Market:
    """Return a market as it is after its first import: bars, and nothing made from them."""
    return _market(SYMBOLS[0], n_bars, 0)


def _market(symbol: str, n_bars: int, number: int) -> Market:
    market = Market.objects.create(
        symbol=symbol, venue="seeded", interval=3600, calendar="crypto" if number < 3 else "us_equities"
    )
    load_bars(market, gaussian_bars(n_bars, number), "seeded history")
    current_test_window(market, market.datasets.get())
    return market


def _sessions(
    market: Market, dataset: Dataset, when: list[datetime], n_trials: int, rng: np.random.Generator
) -> list[TrainingSession]:
    scores = 0.4 + 0.25 * rng.standard_normal(len(when)) + np.linspace(0, 0.3, len(when))
    rows = []
    for i, moment in enumerate(when):
        failed = i % 17 == 16
        verdict = "" if failed else VERDICTS[i % len(VERDICTS)] if i % 4 else "no_challenger"
        rows.append(TrainingSession(
            market=market, dataset=dataset, dataset_hash=dataset.sha256, preset=("quick", "standard")[i % 2],
            seed=int(rng.integers(1e9)), state="failed" if failed else "succeeded", stage="record",
            progress=1.0, trigger=("schedule", "user", "api")[i % 3], generation=None if failed else i + 1,
            baseline_sharpe=None if failed else float(scores[max(i - 1, 0)]),
            new_sharpe=None if failed else float(scores[i]), hyperparams_tested=n_trials, attempts=1,
            verdict=verdict, duration=50 + 10 * (i % 7), cpu_seconds=70.0 + i % 30,
            reason="died 3 times; last: out of memory" if failed else _reason(verdict),
            configuration={"preset": "quick", "n_trials": n_trials, "fee": 0.001, "slippage": 0.0005},
            started_at=moment, finished_at=moment + timedelta(seconds=60),
        ))  # fmt: skip
    made = TrainingSession.objects.bulk_create(rows)
    for row, moment in zip(made, when, strict=True):
        row.created_at = moment
    TrainingSession.objects.bulk_update(made, ["created_at"])
    return made


def _reason(verdict: str) -> str:
    return {
        "passed": "Passed: better than every baseline beyond luck on 600 unseen bars.",
        "not_proven": "Not proven: 600 unseen bars do not show that it beats buy and hold.",
        "cannot_tell": "Cannot tell: it traded 13 times, an exam needs 30.",
        "no_challenger": "No challenger: its validation Sharpe is below the record.",
    }[verdict]


def _trials(sessions: list[TrainingSession], n_trials: int, rng: np.random.Generator) -> None:
    scores = rng.standard_normal((len(sessions), n_trials)) * 0.4 + 0.2
    Trial.objects.bulk_create(
        (
            Trial(
                session=session, index=i, batch=i // 4, seed=i, seconds=2.5, n_steps=20_000,
                hyperparameters={"algorithm": ("ppo", "dqn", "a2c")[i % 3], "gamma": 0.97, "learning_rate": 3e-4},
                state="pruned" if i % 5 == 4 else "complete", score=float(row[i]),
            )
            for session, row in zip(sessions, scores, strict=True)
            for i in range(n_trials)
        ),
        batch_size=2000,
    )  # fmt: skip


def _strategies(market: Market, count: int, rng: np.random.Generator) -> list[Strategy]:
    return Strategy.objects.bulk_create(
        Strategy(
            market=market, family="momentum", parameters={"lookback": float(10 + i), "threshold": 0.001},
            fingerprint=f"{market.pk}-{i}",
        )
        for i in range(count)
    )  # fmt: skip


def _models(
    market: Market, dataset: Dataset, sessions: list[TrainingSession], strategies: list[Strategy],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    curve = [{"step": 1000 * i, "validation_sharpe": float(rng.normal(0.3, 0.2))} for i in range(10)]
    stages = {"passed": "retired", "not_proven": "rejected"}
    choice = {
        "chosen": "defaults", "algorithm": "policy_gradient", "n_trials": 20, "level": 0.05, "n_bars": 600,
        "found_sharpe": 0.61, "found_scores": [0.5, 0.6, 0.7], "default_sharpe": 0.48, "difference": 0.13,
        "p_value": 0.21,
        "reason": "The best of 20 trials is not better than the default settings beyond chance, so these stay.",
    }  # fmt: skip
    ModelVersion.objects.bulk_create(
        ModelVersion(
            market=market, session=session, number=i + 1, strategy=strategy, selection_strategy=strategy,
            stage=stages.get(session.verdict, "candidate"), stage_reason=session.reason, algorithm="ppo",
            hyperparameters={"gamma": 0.97, "net_arch": [64, 64]}, seed=session.seed, dataset=dataset,
            train_first_us=dataset.first_us, train_last_us=dataset.last_us, artifact="a" * 64,
            weights_hash="b" * 64, members=[{"seed": 1, "validation_sharpe": 0.4, "curve": curve}],
            validation_sharpe=session.new_sharpe, settings_choice=choice,
            validation={
                "sharpe_low": (session.new_sharpe or 0) - 0.8, "sharpe_high": (session.new_sharpe or 0) + 0.8,
                "total_return": 0.12, "max_drawdown": -0.2, "win_rate": 0.52, "n_trades": 88, "n_bars": 600,
            },
        )
        for i, (session, strategy) in enumerate(zip(sessions, strategies, strict=True))
        if session.state == "succeeded"
    )  # fmt: skip


def _tournaments(
    market: Market, dataset: Dataset, sessions: list[TrainingSession], strategies: list[Strategy],
    rng: np.random.Generator, *, with_entrants: bool,
) -> None:  # fmt: skip
    history = [
        {"generation": g, "best": 0.2 + g / 20, "median": 0.05 * g, "diversity": 1 - g / 12}
        for g in range(10)
    ]
    made = Tournament.objects.bulk_create(
        Tournament(
            market=market, dataset=dataset, seed=i, state="succeeded", n_generations=10, n_entrants=240,
            winner=strategy, winner_sharpe=float(rng.normal(0.8, 0.3)), verdict=session.verdict, history=history,
            reason=session.reason, configuration={"population_size": 40}, finished_at=session.finished_at,
            started_at=session.started_at, stage="record", progress=1.0,
            summary={"random": {"best": 0.6, "n_draws": 100}, "n_evaluations": 440},
        )
        for i, (session, strategy) in enumerate(zip(sessions, strategies, strict=True))
    )  # fmt: skip
    for row, session in zip(made, sessions, strict=True):
        row.created_at = session.created_at
    Tournament.objects.bulk_update(made, ["created_at"])
    if with_entrants:
        _entrants(made[-1], rng)


def _entrants(
    tournament: Tournament, rng: np.random.Generator, size: int = 40, n_generations: int = 6
) -> None:
    before: list[StrategyPerformance] = []
    links = StrategyPerformance.parents.through
    for generation in range(n_generations):
        strategies = Strategy.objects.bulk_create(
            Strategy(
                market=tournament.market, family=FAMILIES[i % 6], parameters={"window": float(5 + i + generation)},
                fingerprint=f"{tournament.pk}-e{generation}-{i}",
            )
            for i in range(size)
        )  # fmt: skip
        now = StrategyPerformance.objects.bulk_create(
            StrategyPerformance(
                tournament=tournament, strategy=strategy, uid=f"g{generation}i{i}", strategy_name=strategy.family,
                generation=generation, operator="crossover" if generation else "random", rank=i + 1,
                fitness=1.0 + generation / 10 - i / 50, sharpe_ratio=float(rng.normal(0.4, 0.3)),
                total_return=0.1, max_drawdown=-0.15, win_rate=0.5, n_trades=60, sharpe_double_costs=0.2,
            )
            for i, strategy in enumerate(strategies)
        )  # fmt: skip
        if before:
            links.objects.bulk_create(
                links(from_strategyperformance=child, to_strategyperformance=before[int(rng.integers(10))])
                for child in now
            )
        before = now


def _exams(
    market: Market, dataset: Dataset, sessions: list[TrainingSession], strategies: list[Strategy]
) -> None:
    window = market.test_windows.get()
    reigning: Champion | None = None
    for session, strategy in zip(sessions, strategies, strict=True):
        if session.verdict not in ("passed", "not_proven"):
            continue
        look = Look.objects.create(
            market=market, test_window=window, dataset=dataset, strategy=strategy, run_kind="session",
            run_pk=session.pk, is_charged=True, level=0.005, verdict=session.verdict,
            decision={"public": _public(session), "sealed": {}},
        )  # fmt: skip
        Look.objects.filter(pk=look.pk).update(created_at=session.finished_at)
        if session.verdict == "passed":
            if reigning is not None:
                Champion.objects.filter(pk=reigning.pk).update(until=session.finished_at)
            reigning = Champion.objects.create(
                market=market, strategy=strategy, look=look, reason=session.reason
            )
            Champion.objects.filter(pk=reigning.pk).update(since=session.finished_at)


def _public(session: TrainingSession) -> dict[str, object]:
    has_passed = session.verdict == "passed"
    return {
        "verdict": session.verdict, "reason": session.reason, "rules": [], "level": 0.005, "n_bars": 600,
        "n_trades": 80, "comparisons": [], "p_value": 0.002 if has_passed else None, "sensitivity": "",
    }  # fmt: skip


def _patterns(market: Market, dataset: Dataset, rng: np.random.Generator, count: int = 40) -> None:
    scan = PatternScan.objects.create(
        market=market, dataset=dataset, seed=1, state="succeeded", n_tested=936, n_found=count, n_confirmed=8,
        n_new=3, finished_at=timezone.now(),
        recognition={"score": 0.04, "n_recognised": 4, "n_known": count, "accuracy": 0.53, "accuracy_low": 0.49,
                     "accuracy_high": 0.57, "base_rate": 0.51},
    )  # fmt: skip
    rows = []
    for i in range(count):
        rate = float(rng.uniform(0.45, 0.66))
        record = {"n_known": 143, "success_rate": rate, "success_low": rate - 0.08, "success_high": rate + 0.08,
                  "base_rate": 0.506, "q_value": 0.03}  # fmt: skip
        rows.append(Pattern(
            market=market, key=f"key-{i}", window=50, word="abcab"[:3] + "abc"[i % 3] * 2, horizon=5,
            volatility_regime="any", volume_regime="any", direction=1 if i % 2 else -1,
            definition={"id": "w50-00122-any-any-h5-long", "cuts": {"volatility": None, "volume": None}},
            state=("confirmed", "candidate", "retired")[i % 3], discovery=record, confirmation=record,
            success_rate=rate, q_value=0.03, n_occurrences=400, average_return=0.001, found_by=scan, last_scan=scan,
        ))  # fmt: skip
    made = Pattern.objects.bulk_create(rows)
    PatternSighting.objects.bulk_create(
        PatternSighting(pattern=made[0], bar_us=dataset.first_us + 3_600_000_000 * i, is_success=bool(i % 2),
                        forward_return=0.001)
        for i in range(60)
    )  # fmt: skip


def _schedule(market: Market, place: int, now: datetime) -> None:
    schedule = TrainingSchedule.objects.create(
        name=f"{market.slug} nightly", market=market, cron=f"{10 * place} 2 * * *", preset="standard",
        is_enabled=place != 4,
    )  # fmt: skip
    ScheduleFiring.objects.bulk_create(
        ScheduleFiring(
            schedule=schedule, due_at=now - timedelta(days=day), outcome="started" if day % 9 else "skipped:overlap",
            run=f"session-{day + 1}" if day % 9 else "",
        )
        for day in range(700)
    )  # fmt: skip
    if place == 1:
        late = datetime.now(UTC) - timedelta(hours=3)
        TrainingSchedule.objects.filter(pk=schedule.pk).update(next_run_at=late)
