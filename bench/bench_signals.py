"""Measure GET /api/v1/signals/ on 100,000 bars: a rule, a model, a pattern set and an ensemble as champion.

Run: python -m bench.bench_signals [--bars 100000] [--rounds 30]

The whole answer in this process: sign-in, permission, queries, JSON. "First" is a process's first answer after
new bars or a new champion, which reads the position that the following worker stored. "Alone" is the same before
that worker was there: it reads the bars and walks all of them. "Again" is every later one. CPU milliseconds,
medians, on a scratch SQLite database.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from typing import Any

import numpy as np

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()

    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        measure(arguments.bars, arguments.rounds)
    finally:
        teardown_databases(databases, verbosity=0)


def measure(n_bars: int, n_rounds: int) -> None:
    from django.test import Client

    from strategies import signals
    from strategies.exam import crown
    from strategies.forward import follow_market
    from tests.markets import gaussian_bars
    from tests.strategies.helpers import make_user, store
    from trainingday.permissions import VIEWER

    market, _, _ = store("BENCH", gaussian_bars(n_bars, 1))
    client = Client()
    client.force_login(make_user(VIEWER))
    address = f"/api/v1/signals/?market={market.slug}"
    print(f"{n_bars} bars; CPU ms, median of {n_rounds} (alone, first: of 5)")
    for title, champion in champions(market).items():
        crown(market, champion, reason="bench")
        alone = timed_first(client, address, signals._cache)
        follow_market(market)
        first = timed_first(client, address, signals._cache)
        again = float(np.median([timed(client, address) for _ in range(n_rounds)]))
        print(f"{title:10s} alone {alone:8.1f}  first {first:6.2f}  again {again:6.2f}")


def timed_first(client: Any, address: str, cache: dict[Any, Any]) -> float:
    """Return the median of five answers of a process that knows nothing yet, after one to warm up."""
    times = []
    for _ in range(6):
        cache.clear()
        times.append(timed(client, address))
    return float(np.median(times[1:]))


def champions(market: Any) -> dict[str, Any]:
    """Return one strategy of each kind; the model is one network of two layers of 64."""
    from patterns.discovery.pattern import Pattern, RegimeCuts
    from patterns.models import PatternScan
    from strategies.positions import ensemble_strategy, get_or_create_strategy, pattern_strategy
    from tests.pages import make_pattern

    cuts = RegimeCuts((0.004, 0.006), (0.9, 1.1))
    scan = PatternScan.objects.create(market=market, dataset=market.datasets.get(), seed=1, state="succeeded")
    for number, word in enumerate(("00122", "22100", "01210", "21012", "02020")):
        pattern = Pattern.from_id(f"w50-{word}-any-any-h{5 + number}-long", cuts)
        make_pattern(market, scan, number, definition=pattern.as_dict())
    rule = get_or_create_strategy(market, "filtered_trend", {})
    model = get_or_create_strategy(market, "ml_model", {}, save_network())
    members = [
        rule,
        get_or_create_strategy(market, "momentum", {}),
        get_or_create_strategy(market, "breakout", {}),
        get_or_create_strategy(market, "macd", {}),
        model,
    ]
    return {
        "rule": rule,
        "model": model,
        "patterns": pattern_strategy(market),
        "ensemble": ensemble_strategy(market, members),
    }


def save_network() -> str:
    """Store a network of two layers of 64 with random weights."""
    from strategies.store import artifact_store
    from trainingday.policy.network import Activation, PolicyKind, PolicyNetwork
    from trainingday.policy.observation import N_FEATURES
    from trainingday.policy.storage import save_policy

    rng = np.random.default_rng(int(hashlib.sha256(b"bench").hexdigest()[:8], 16))
    shapes = [(N_FEATURES + 3, 64), (64, 64), (64, 3)]
    weights = tuple(rng.standard_normal(shape).astype(np.float32) / 8 for shape in shapes)
    biases = tuple(np.zeros(shape[1], dtype=np.float32) for shape in shapes)
    network = PolicyNetwork(PolicyKind.POLICY, Activation.TANH, weights, biases)
    return save_policy(artifact_store(), network, {"train_last_us": 0})


def timed(client: Any, address: str) -> float:
    started = time.process_time()
    response = client.get(address)
    elapsed = 1000 * (time.process_time() - started)
    assert response.status_code == 200, response.content
    return elapsed


if __name__ == "__main__":
    main()
