"""Individuals of a tournament as rows, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.genetic.evolve import Evaluation
from strategies.genetic.genes import BreedingFamily
from strategies.genetic.population import Individual, Operator, fitness_array
from strategies.genetic.selection import rank
from strategies.models import Strategy, StrategyPerformance, Tournament
from strategies.positions import MODEL_FAMILY, get_or_create_strategies
from strategies.scoring import FIGURES
from trainingday.exceptions import InvalidArgument

Parents = StrategyPerformance.parents.through
STORED = (*FIGURES, "sharpe_double_costs")
BATCH = 500


def store_generation(
    tournament: Tournament,
    population: Sequence[Individual],
    families: Sequence[BreedingFamily],
    artifact: str,
) -> None:
    """Write one scored generation with its links to the generation before, ranked within itself."""
    names = {family.name: [gene.name for gene in family.parameters] for family in families}
    wanted = [
        (
            one.family,
            dict(zip(names[one.family], one.parameters, strict=True)),
            artifact if one.family == MODEL_FAMILY else "",
        )
        for one in population
    ]
    strategies = get_or_create_strategies(tournament.market, wanted)
    places = rank(fitness_array(population)).tolist()
    rows = StrategyPerformance.objects.bulk_create(
        [
            StrategyPerformance(
                tournament=tournament,
                strategy=strategy,
                uid=one.uid,
                strategy_name=one.family,
                generation=one.generation,
                operator=one.operator.value,
                mutation=dict(one.mutation),
                fitness=one.fitness,
                rank=place + 1,
                **{name: one.diagnostics[name] for name in STORED if name != "n_trades"},
                n_trades=int(one.diagnostics["n_trades"] or 0),
            )
            for one, strategy, place in zip(population, strategies, places, strict=True)
        ],
        batch_size=BATCH,
    )
    _link(tournament, rows, population)


def _link(
    tournament: Tournament, rows: Sequence[StrategyPerformance], population: Sequence[Individual]
) -> None:
    known = dict(
        StrategyPerformance.objects.filter(
            tournament=tournament, generation=population[0].generation - 1
        ).values_list("uid", "pk")
    )
    links = [
        Parents(from_strategyperformance_id=row.pk, to_strategyperformance_id=known[uid])
        for row, one in zip(rows, population, strict=True)
        for uid in one.parents
    ]
    Parents._default_manager.bulk_create(links, batch_size=BATCH)


def store_control(
    tournament: Tournament, strategy: Strategy, uid: str, generation: int, evaluation: Evaluation
) -> StrategyPerformance:
    """Write a control's row; it has no rank among the entrants that can win."""
    values = {name: _or_none(evaluation.diagnostics[name][0]) for name in STORED}
    n_trades = int(values.pop("n_trades") or 0)
    return StrategyPerformance.objects.create(
        tournament=tournament,
        strategy=strategy,
        uid=uid,
        strategy_name=strategy.family,
        generation=generation,
        operator=StrategyPerformance.Operator.CONTROL,
        fitness=_or_none(evaluation.fitness[0]),
        n_trades=n_trades,
        **values,
    )


def load_individuals(tournament: Tournament, families: Sequence[BreedingFamily]) -> list[Individual]:
    """Return the committed individuals of a tournament, as `evolve` resumes from them; two queries."""
    names = {family.name: [gene.name for gene in family.parameters] for family in families}
    rows = (
        StrategyPerformance.objects.filter(tournament=tournament)
        .exclude(operator=StrategyPerformance.Operator.CONTROL)
        .select_related("strategy")
    )
    uids = {row.pk: row.uid for row in rows}
    parents: dict[int, list[str]] = {}
    links = Parents._default_manager.filter(from_strategyperformance__tournament=tournament).order_by("pk")
    for child, parent in links.values_list("from_strategyperformance_id", "to_strategyperformance_id"):
        parents.setdefault(child, []).append(uids[parent])
    return [_individual(row, names, tuple(parents.get(row.pk, ()))) for row in rows]


def _individual(
    row: StrategyPerformance, names: dict[str, list[str]], parents: tuple[str, ...]
) -> Individual:
    if row.strategy_name not in names:
        raise InvalidArgument(f"the families of a tournament should stay, {row.strategy_name} is gone")
    parameters = row.strategy.parameters
    diagnostics = {name: getattr(row, name) for name in STORED}
    return Individual(
        generation=row.generation,
        index=int(row.uid.rpartition("-")[2]),
        family=row.strategy_name,
        parameters=tuple(float(parameters[name]) for name in names[row.strategy_name]),
        operator=Operator(row.operator),
        parents=parents,
        mutation=row.mutation,
        is_scored=True,
        fitness=row.fitness,
        diagnostics={**diagnostics, "n_trades": float(row.n_trades)},
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
