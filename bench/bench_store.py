"""Measure how long storing one generation takes: strategies, performances and links to their parents.

Run: python -m bench.bench_store [--population 10000]
With DATABASE_URL=postgres://... on PostgreSQL, in a scratch database beside the one that it names.

Three generations of four families with made-up scores: founders, then two that are bred. CPU of this process and
wall time, the database's own work included in the latter.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
FAMILIES = ("momentum", "mean_reversion", "breakout", "macd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--population", type=int, default=10_000)
    n = parser.parse_args().population

    import django

    django.setup()
    from django.test.utils import setup_databases, teardown_databases

    databases = setup_databases(verbosity=0, interactive=False)
    try:
        measure(n)
    finally:
        teardown_databases(databases, verbosity=0)


def measure(n: int) -> None:
    from django.db import connection, transaction

    from strategies.genetic.breed import next_generation
    from strategies.genetic.founders import first_generation
    from strategies.genetic.options import EvolutionOptions
    from strategies.genetic.population import Individual
    from strategies.library.registry import get_family
    from strategies.models import Tournament
    from strategies.records import STORED, store_generation
    from tests.strategies.helpers import null_market

    rng = np.random.default_rng(1)

    def scored(one: Individual) -> Individual:
        figures = {**dict.fromkeys(STORED, float(rng.normal())), "n_trades": 50.0}
        return one if one.is_scored else one.with_score(float(rng.normal()), figures)

    market, dataset, _ = null_market()
    tournament = Tournament.objects.create(
        market=market, dataset=dataset, trigger="command", seed=1, n_generations=3, configuration={}
    )
    families = [get_family(name) for name in FAMILIES]
    options = EvolutionOptions(population_size=n, n_generations=3, seed=1)
    population = tuple(scored(one) for one in first_generation(families, options, ()))
    for generation in range(3):
        if generation:
            bred = next_generation(families, population, generation, options)
            population = tuple(scored(one) for one in bred)
        wall, spent = time.perf_counter(), time.process_time()
        with transaction.atomic():
            store_generation(tournament, population, families)
        wall, spent = time.perf_counter() - wall, time.process_time() - spent
        print(
            f"{connection.vendor}: {len(population)} of generation {generation}: CPU {spent:.2f} s, wall {wall:.2f} s"
        )


if __name__ == "__main__":
    main()
