"""Rows and users that the tests of pages share."""

from __future__ import annotations

from django.contrib.auth.models import Group, User

from patterns.models import Pattern, PatternScan
from sessions.models import TrainingSession, Trial
from strategies.models import Strategy, StrategyPerformance, Tournament
from trainingday.markets.models import Dataset, Market
from trainingday.runs.models import RunEvent

PASSWORD = "correct-horse-9"


def make_user(role: str) -> User:
    """Return the user of a role, who can log in with PASSWORD."""
    user = User.objects.filter(username=role).first() or User.objects.create_user(role, password=PASSWORD)
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    return user


def make_market(symbol: str = "BTC/USD") -> Market:
    return Market.objects.create(symbol=symbol, venue="test", interval=3600)


def make_dataset(market: Market) -> Dataset:
    """Return a dataset's row; there is no file of bars behind it."""
    return Dataset.objects.create(
        market=market, version=1, sha256=f"{market.pk:064d}", file="none.parquet", first_us=0,
        last_us=3600 * 10**6 * 5000, n_rows=5000, source="test",
    )  # fmt: skip


def make_session(market: Market, dataset: Dataset, **fields: object) -> TrainingSession:
    values = {"preset": "quick", "seed": 1, "state": "succeeded", "configuration": {"n_trials": 20}} | fields
    return TrainingSession.objects.create(
        market=market, dataset=dataset, dataset_hash=dataset.sha256, **values
    )


def add_trials(session: TrainingSession, count: int) -> None:
    Trial.objects.bulk_create(
        Trial(
            session=session, index=i, batch=0, hyperparameters={"algorithm": "ppo", "gamma": 0.95}, seed=i,
            state="complete", score=i / 10, seconds=2.0,
        )
        for i in range(count)
    )  # fmt: skip


def add_event(session: TrainingSession, seq: int, kind: str, **payload: object) -> RunEvent:
    return RunEvent.objects.create(run_kind="session", run_pk=session.pk, seq=seq, kind=kind, payload=payload)


def make_tournament(market: Market, dataset: Dataset, **fields: object) -> Tournament:
    values = {"seed": 1, "state": "succeeded", "n_generations": 1} | fields
    return Tournament.objects.create(market=market, dataset=dataset, **values)


def add_entrants(tournament: Tournament, count: int, generation: int = 0) -> list[StrategyPerformance]:
    """Add entrants of one generation, each a strategy of its own, the first the fittest."""
    rows = []
    for i in range(count):
        strategy = Strategy.objects.create(
            market=tournament.market,
            family="momentum",
            parameters={"lookback": i, "threshold": generation},
            fingerprint=f"{generation}-{i}",
        )
        rows.append(
            StrategyPerformance.objects.create(
                tournament=tournament,
                strategy=strategy,
                uid=f"g{generation}i{i}",
                strategy_name="momentum",
                generation=generation,
                operator="random",
                fitness=1.0 - i / 100,
                sharpe_ratio=1.0,
                rank=i + 1,
            )
        )
    return rows


def make_pattern(market: Market, scan: PatternScan, number: int, **fields: object) -> Pattern:
    record = {
        "n_known": 143, "success_rate": 0.577, "success_low": 0.495, "success_high": 0.655, "base_rate": 0.506,
        "q_value": 0.03,
    }  # fmt: skip
    values = {
        "window": 50, "word": "abcab", "volatility_regime": "any", "volume_regime": "any", "horizon": 5,
        "direction": 1, "state": "confirmed", "discovery": record, "confirmation": record, "definition": {},
        "success_rate": 0.577, "q_value": 0.03, "n_occurrences": 400,
    } | fields  # fmt: skip
    return Pattern.objects.create(market=market, key=f"key-{number}", found_by=scan, last_scan=scan, **values)
