"""Individuals of a tournament as rows, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.utils import timezone

from strategies.controls import Controls
from strategies.ensemble_entrants import EnsembleEntrant
from strategies.genetic.chunks import FIGURES
from strategies.genetic.evolve import Evaluation, finite
from strategies.genetic.genes import BreedingFamily
from strategies.genetic.population import Individual, Operator, fitness_array
from strategies.genetic.selection import rank
from strategies.models import Strategy, StrategyPerformance, Tournament
from strategies.positions import get_or_create_strategies, strategy_keys
from strategies.scoring import FrozenEntrant
from trainingday.bulk import database_time, insert_rows
from trainingday.exceptions import InvalidArgument

Kind = StrategyPerformance.Operator
CONCLUDING = (Kind.CONTROL, Kind.ENSEMBLE)  # written when all generations have been scored
Parents = StrategyPerformance.parents.through
STORED = (*FIGURES, "sharpe_double_costs")
FLOATS = tuple(name for name in STORED if name != "n_trades")
COLUMNS = (
    "tournament_id", "strategy_id", "uid", "strategy_name", "generation", "operator", "mutation", "fitness", "rank",
    "created_at", "n_trades", *FLOATS,
)  # fmt: skip
LINK_COLUMNS = ("from_strategyperformance_id", "to_strategyperformance_id")


def store_generation(
    tournament: Tournament,
    population: Sequence[Individual],
    families: Sequence[BreedingFamily],
) -> None:
    """Write one scored generation with its links to the generation before, ranked within itself."""
    strategies = strategy_keys(tournament.market, _wanted(population, families))
    places = rank(fitness_array(population)).tolist()
    now = database_time(timezone.now())
    rows = (
        (
            tournament.pk,
            strategy,
            one.uid,
            one.family,
            one.generation,
            one.operator.value,
            json.dumps(dict(one.mutation)),
            one.fitness,
            place + 1,
            now,
            int(one.diagnostics["n_trades"] or 0),
            *(one.diagnostics[name] for name in FLOATS),
        )
        for one, strategy, place in zip(population, strategies, places, strict=True)
    )
    insert_rows(StrategyPerformance, COLUMNS, rows)
    _link(tournament, population)


def strategies_of(
    tournament: Tournament,
    individuals: Sequence[Individual],
    families: Sequence[BreedingFamily],
) -> list[Strategy]:
    """Return the strategy of each individual, stored if it is new."""
    return get_or_create_strategies(tournament.market, _wanted(individuals, families))


def _wanted(
    individuals: Sequence[Individual], families: Sequence[BreedingFamily]
) -> list[tuple[str, dict[str, float], str]]:
    """Return family, parameters and artefact of each individual."""
    names = {family.name: [gene.name for gene in family.parameters] for family in families}
    artifacts = {family.name: family.artifact for family in families if isinstance(family, FrozenEntrant)}
    return [
        (
            one.family,
            dict(zip(names[one.family], one.parameters, strict=True)),
            artifacts.get(one.family, ""),
        )
        for one in individuals
    ]


def _link(tournament: Tournament, population: Sequence[Individual]) -> None:
    generation = population[0].generation
    rows = StrategyPerformance.objects.filter(
        tournament=tournament, generation__in=(generation - 1, generation)
    )
    known = dict(rows.order_by().values_list("uid", "pk"))
    links = ((known[one.uid], known[uid]) for one in population for uid in one.parents)
    insert_rows(Parents, LINK_COLUMNS, links)


def store_conclusion(
    tournament: Tournament, controls: Controls, ensembles: Sequence[EnsembleEntrant], last: int
) -> None:
    """Write the rows of controls and ensembles anew; ensembles stand one generation after the `last`.

    None of them has a rank within a generation.
    """
    StrategyPerformance.objects.filter(tournament=tournament, operator__in=CONCLUDING).delete()
    wanted = [(family, parameters, "") for _, family, parameters, _, _ in controls.entries(last)]
    strategies = get_or_create_strategies(tournament.market, wanted)
    for strategy, (uid, _, _, generation, evaluation) in zip(strategies, controls.entries(last), strict=True):
        _store_single(tournament, strategy, uid, generation, evaluation, Kind.CONTROL)
    for one in ensembles:
        row = _store_single(tournament, one.strategy, one.uid, last + 1, one.evaluation, Kind.ENSEMBLE)
        row.parents.set(StrategyPerformance.objects.filter(tournament=tournament, uid__in=one.members))


def _store_single(
    tournament: Tournament,
    strategy: Strategy,
    uid: str,
    generation: int,
    evaluation: Evaluation,
    operator: Kind,
) -> StrategyPerformance:
    values = {name: finite(evaluation.diagnostics[name][0]) for name in STORED}
    n_trades = int(values.pop("n_trades") or 0)
    return StrategyPerformance.objects.create(
        tournament=tournament,
        strategy=strategy,
        uid=uid,
        strategy_name=strategy.family,
        generation=generation,
        operator=operator,
        fitness=finite(evaluation.fitness[0]),
        n_trades=n_trades,
        **values,
    )


def load_individuals(tournament: Tournament, families: Sequence[BreedingFamily]) -> list[Individual]:
    """Return the committed individuals of a tournament, as `evolve` resumes from them; two queries."""
    names = {family.name: [gene.name for gene in family.parameters] for family in families}
    rows = (
        StrategyPerformance.objects.filter(tournament=tournament)
        .exclude(operator__in=CONCLUDING)
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
