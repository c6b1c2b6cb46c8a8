"""Founders and the next generation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from strategies.genetic.breed import next_generation
from strategies.genetic.evolve import Score, evolve
from strategies.genetic.founders import PastChampion, first_generation
from strategies.genetic.genes import BreedingFamily, gene_spaces
from strategies.genetic.options import EvolutionOptions
from strategies.genetic.population import Individual, Operator
from tests.strategies.genetic.toys import (
    BREAKOUT,
    MODEL,
    MOMENTUM,
    REVERSION,
    SEED_FAMILIES,
    ToyFamily,
    ToyGene,
    bowl,
)
from trainingday.exceptions import InvalidArgument

OPTIONS = EvolutionOptions(population_size=60, n_generations=2, seed=11)


def scored(population: tuple[Individual, ...], fitness: list[float | None]) -> tuple[Individual, ...]:
    return tuple(
        replace(one, is_scored=True, fitness=value) for one, value in zip(population, fitness, strict=True)
    )


def founders(
    options: EvolutionOptions = OPTIONS, score: Score[BreedingFamily] = bowl
) -> tuple[Individual, ...]:
    return evolve(SEED_FAMILIES, score, replace(options, n_generations=1)).individuals


def test_every_default_founds_and_the_seeds_values_are_theirs() -> None:
    population = first_generation(SEED_FAMILIES, OPTIONS)
    defaults = {one.family: one.parameters for one in population if one.operator is Operator.DEFAULT}
    assert defaults == {
        "momentum": (20.0, 0.02),
        "mean_reversion": (50.0, 2.0),
        "breakout": (14.0, 1.5),
        "ml_model": (),
    }


def test_founders_share_places_evenly_but_a_family_without_genes_needs_one() -> None:
    population = first_generation(SEED_FAMILIES, OPTIONS)
    sizes = {f.name: sum(one.family == f.name for one in population) for f in SEED_FAMILIES}
    assert len(population) == 60
    assert sizes["ml_model"] == 1
    assert all(19 <= sizes[name] <= 20 for name in ("momentum", "mean_reversion", "breakout"))


def test_past_champions_found_with_their_origin_brought_into_bounds() -> None:
    champions = [
        PastChampion("momentum", {"lookback": 33, "threshold": 0.05}, "tournament 7, g5-2"),
        PastChampion("momentum", {"lookback": 33, "threshold": 0.05}, "the same again"),
        PastChampion("breakout", {"lookback": 900, "forgotten": 1}, "an older version"),
    ]
    population = first_generation(SEED_FAMILIES, OPTIONS, champions)
    found = [one for one in population if one.operator is Operator.CHAMPION]
    assert [(one.family, one.parameters, one.origin) for one in found] == [
        ("momentum", (33.0, 0.05), "tournament 7, g5-2"),
        ("breakout", (200.0, 1.5), "an older version"),
    ]


def test_more_champions_than_places_leave_the_last_out() -> None:
    champions = [PastChampion("momentum", {"lookback": n}, str(n)) for n in range(2, 100)]
    population = first_generation(SEED_FAMILIES, replace(OPTIONS, population_size=10), champions)
    assert [one.operator for one in population] == [Operator.DEFAULT] * 4 + [Operator.CHAMPION] * 6


def test_a_champion_of_an_unknown_family_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"should be one of breakout, .* is martingale"):
        first_generation(SEED_FAMILIES, OPTIONS, [PastChampion("martingale", {}, "x")])


def test_winner_and_runner_up_are_always_bred_and_the_winner_mutated() -> None:
    for seed in range(5):
        population = founders(replace(OPTIONS, seed=seed))
        order = sorted(population, key=lambda one: -(one.fitness or 0))
        child, mutant = next_generation(SEED_FAMILIES, population, 1, replace(OPTIONS, seed=seed))[:2]
        assert child.operator is Operator.CROSSOVER
        assert child.parents == (order[0].uid, order[1].uid)
        assert mutant.operator is Operator.MUTATION
        assert mutant.parents == (order[0].uid,)


def test_a_child_across_families_has_the_winners_family_and_is_new() -> None:
    population = first_generation([MOMENTUM, REVERSION], replace(OPTIONS, population_size=4))
    fitness = [3.0 if one.operator is Operator.DEFAULT else 1.0 for one in population]
    fitness[population.index(next(one for one in population if one.family == "momentum"))] = 4.0
    child = next_generation([MOMENTUM, REVERSION], scored(population, fitness), 1, OPTIONS)[0]
    assert child.family == "momentum"
    assert len(child.parents) == 2
    assert child.mutation
    assert child.parameters != (20.0, 0.02)


def test_where_the_winner_has_no_gene_the_child_has_the_runner_ups_family() -> None:
    population = founders(replace(OPTIONS, population_size=20))
    fitness: list[float | None] = [0.0] * 20
    winner = next(one.index for one in population if one.family == "ml_model")
    second = next(one.index for one in population if one.family == "breakout")
    fitness[winner], fitness[second] = 5.0, 4.0
    child, mutant = next_generation(SEED_FAMILIES, scored(population, fitness), 1, OPTIONS)[:2]
    assert (child.family, child.parents) == ("breakout", (population[winner].uid, population[second].uid))
    assert (mutant.family, mutant.parents) == ("breakout", (population[second].uid,))


def test_the_seeds_own_rule_holds_for_four_entrants() -> None:
    options = EvolutionOptions(population_size=4, n_generations=2)
    born = next_generation(SEED_FAMILIES, founders(options), 1, options)
    assert [one.operator.value for one in born] == ["crossover", "mutation", "elite", "elite"]


def test_elites_keep_their_fitness_and_name_the_one_they_copy() -> None:
    population = founders()
    by_uid = {one.uid: one for one in population}
    elites = [one for one in next_generation(SEED_FAMILIES, population, 1, OPTIONS) if one.is_scored]
    assert {one.operator for one in elites} == {Operator.ELITE}
    for one in elites:
        parent = by_uid[one.parents[0]]
        assert (one.genome, one.fitness, one.diagnostics) == (
            parent.genome,
            parent.fitness,
            parent.diagnostics,
        )


def test_recorded_mutation_is_the_difference_to_the_parent() -> None:
    population = founders()
    by_uid = {one.uid: one for one in population}
    born = next_generation(SEED_FAMILIES, population, 1, OPTIONS)
    mutants = [one for one in born if one.operator is Operator.MUTATION]
    assert len(mutants) > 10
    for one in mutants:
        names = [gene.name for gene in next(f for f in SEED_FAMILIES if f.name == one.family).parameters]
        parent = by_uid[one.parents[0]]
        change = dict(zip(names, np.subtract(one.parameters, parent.parameters).tolist(), strict=True))
        assert one.mutation == {name: value for name, value in change.items() if value}
        assert one.parent_fitness == parent.fitness


def test_a_population_of_undefined_fitness_still_breeds() -> None:
    population = first_generation(SEED_FAMILIES, OPTIONS)
    born = next_generation(SEED_FAMILIES, scored(population, [None] * 60), 1, OPTIONS)
    assert len(born) == 60
    assert {one.family for one in born} == {f.name for f in SEED_FAMILIES}


def test_children_of_small_integer_spaces_stay_inside_and_nothing_loops() -> None:
    tiny = ToyFamily("tiny", (ToyGene("a", 1, 2, 1, True), ToyGene("fixed", 3, 3, 3)))
    options = replace(OPTIONS, population_size=30)
    population = first_generation([tiny, MODEL, BREAKOUT], options)
    born = next_generation([tiny, MODEL, BREAKOUT], scored(population, [1.0] * len(population)), 1, options)
    assert {one.parameters for one in born if one.family == "tiny"} <= {(1.0, 3.0), (2.0, 3.0)}
    assert len(born) == 30


def test_it_is_a_pure_function_of_its_arguments() -> None:
    population = founders()
    once = next_generation(SEED_FAMILIES, population, 1, OPTIONS)
    assert next_generation(tuple(reversed(SEED_FAMILIES)), list(population), 1, OPTIONS) == once
    assert next_generation(SEED_FAMILIES, population, 1, replace(OPTIONS, seed=12)) != once


def test_it_refuses_populations_that_are_not_ready() -> None:
    population = founders()
    with pytest.raises(InvalidArgument, match="g0-0 is not"):
        next_generation(SEED_FAMILIES, first_generation(SEED_FAMILIES, OPTIONS), 1, OPTIONS)
    with pytest.raises(InvalidArgument, match="should hold g0-0 next, holds g0-1"):
        next_generation(SEED_FAMILIES, population[1:], 1, OPTIONS)
    with pytest.raises(InvalidArgument, match="should hold g1-0 next"):
        next_generation(SEED_FAMILIES, population, 2, OPTIONS)
    with pytest.raises(InvalidArgument, match="family should be one of momentum, is breakout"):
        next_generation([MOMENTUM], population, 1, OPTIONS)
    with pytest.raises(InvalidArgument, match="at least 1 individual"):
        next_generation(SEED_FAMILIES, [], 1, OPTIONS)


def test_gene_spaces_are_in_the_order_of_names() -> None:
    assert list(gene_spaces(SEED_FAMILIES)) == ["breakout", "mean_reversion", "ml_model", "momentum"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"population_size": 3}, "population_size should be a whole number >= 4, is 3"),
        ({"n_generations": 0}, "n_generations should be a whole number >= 1, is 0"),
        ({"mutation_scale": 0.0}, "mutation_scale should be 0.001..1, is 0.0"),
        ({"crossover_rate": float("nan")}, "crossover_rate should be 0..1, is nan"),
        ({"immigrant_share": 0.9}, "immigrant_share should be 0..0.5, is 0.9"),
        (
            {"min_family_share": 0.5, "max_family_share": 0.4},
            "min_family_share should be <= max_family_share",
        ),
        ({"seed": -1}, "seed should be a whole number >= 0, is -1"),
        ({"tournament_size": 2.5}, "tournament_size should be a whole number >= 1, is 2.5"),
    ],
)
def test_options_out_of_bounds_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        EvolutionOptions(**change)  # type: ignore[arg-type]


def test_a_population_smaller_than_the_families_is_refused() -> None:
    families = [ToyFamily(f"f{n}", (ToyGene("x", 0, 1, 0),)) for n in range(5)]
    with pytest.raises(
        InvalidArgument, match=r"population_size should be >= the number of families \(5\), is 4"
    ):
        first_generation(families, replace(OPTIONS, population_size=4))
