"""Small seeded markets in the database, and runs claimed as a child would."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.contrib.auth.models import Group, User

from strategies.exam import crown
from strategies.models import Champion, Look, Strategy, StrategyPerformance, Tournament
from strategies.services import request_tournament
from strategies.store import artifact_store
from tests.markets import autoregressive_bars, gaussian_bars
from trainingday.bars import Bars
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.services import current_test_window, get_or_create_market, load_bars
from trainingday.markets.splits import Split, plan_split
from trainingday.permissions import ADMIN, OPERATOR, VIEWER
from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork
from trainingday.policy.observation import N_FEATURES
from trainingday.policy.storage import save_policy
from trainingday.runs.context import RunContext
from trainingday.runs.models import Trigger
from trainingday.runs.services import claim

HOUR = 3600
N_BARS = 3000
FACTS = (
    "uid", "strategy_name", "strategy__parameters", "generation", "operator", "mutation", "fitness",
    "sharpe_ratio", "total_return", "max_drawdown", "win_rate", "n_trades", "turnover", "sharpe_double_costs",
    "rank",
)  # fmt: skip


def null_market(name: str = "NULL", n_bars: int = N_BARS, seed: int = 1) -> tuple[Market, Dataset, Bars]:
    return store(name, gaussian_bars(n_bars, seed))


def planted_market(
    name: str = "PLANTED", n_bars: int = N_BARS, seed: int = 1, phi: float = 0.3
) -> tuple[Market, Dataset, Bars]:
    """Return a market whose returns follow themselves so much that low costs leave a profit."""
    return store(name, autoregressive_bars(n_bars, seed, phi=phi), fee=0.0001, slippage=0.0)


def store(name: str, bars: Bars, **fields: float) -> tuple[Market, Dataset, Bars]:
    market, _ = get_or_create_market(name, "test", HOUR, calendar="crypto", **fields)
    return market, load_bars(market, bars, "seeded").dataset, bars


def room(market: Market, dataset: Dataset, bars: Bars) -> tuple[TestWindow, Split]:
    window = current_test_window(market, dataset)
    return window, plan_split(len(bars), bars.timestamps, window)


def tournament(market: Market, **options: Any) -> Tournament:
    """Request a tournament; earlier ones of the market must have ended."""
    sizes = {"seed": 7, "n_generations": 2, "population_size": 12, **options}
    return request_tournament(market, trigger=Trigger.COMMAND, **sizes)


def rows_of(run: Tournament) -> list[dict[str, Any]]:
    """Return every entrant with its scores."""
    return list(StrategyPerformance.objects.filter(tournament=run).order_by("uid").values(*FACTS))


def links_of(run: Tournament) -> set[tuple[str, str]]:
    """Return the genealogy: pairs of child and parent."""
    return set(
        StrategyPerformance.objects.filter(tournament=run, parents__isnull=False).values_list(
            "uid", "parents__uid"
        )
    )


def outcome_of(run: Tournament) -> tuple[Any, ...]:
    """Return what a tournament found, as its row keeps it."""
    run.refresh_from_db()
    winner = run.winner and run.winner.fingerprint
    return winner, run.winner_sharpe, run.n_entrants, run.history, {**run.summary, "exam": None}, run.verdict


def save_model(
    bias: tuple[float, float, float] = (0.0, 1.0, 0.0),
    train_last_us: int | None = 0,
    feature: int | None = None,
) -> str:
    """Store a one-layer policy that always prefers the largest bias, or follows the sign of a feature."""
    weights = np.zeros((N_FEATURES + 3, 3), dtype=np.float32)
    if feature is not None:
        weights[feature] = (-1.0, 0.0, 1.0)
    network = PolicyNetwork(
        PolicyKind.POLICY, Activation.TANH, (weights,), (np.array(bias, dtype=np.float32),)
    )
    manifest = {} if train_last_us is None else {"train_last_us": train_last_us}
    return save_policy(artifact_store(), network, manifest)


def context_of(run: Tournament) -> RunContext:
    """Claim a run and return the context that its child would work with."""
    fence = claim(run.kind, run.pk)
    assert fence is not None
    return RunContext(run.kind, run.pk, fence)


EXAM = {
    "verdict": "passed",
    "p_value": 0.001,
    "level": 0.005,
    "n_bars": 600,
    "n_trades": 80,
    "comparisons": [],
}


def earn_reign(strategy: Strategy) -> Champion:
    """Return a reign that a passed exam gave to a strategy."""
    market, dataset = strategy.market, strategy.market.datasets.get()
    window, n_looks = current_test_window(market, dataset), Look.objects.count()
    look = Look.objects.create(
        market=market, test_window=window, dataset=dataset, strategy=strategy,
        run_kind="tournament", run_pk=10**6 + n_looks, is_charged=True, level=0.005, p_value=0.001, verdict="passed",
        decision={"public": {"reason": "Passed."} | EXAM, "sealed": {}},
    )  # fmt: skip
    crown(market, strategy, reason="Passed.", look=look)
    return Champion.objects.get(look=look)


def make_user(role: str, name: str = "") -> User:
    user = User.objects.create_user(name or role, password="a long test password")
    for group in {VIEWER: [], OPERATOR: [OPERATOR], ADMIN: [ADMIN]}[role]:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user
