"""The options of an evolution, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from trainingday.exceptions import InvalidArgument

SMALLEST_POPULATION = 4


@dataclass(frozen=True)
class EvolutionOptions:
    """How a population is bred; with the families and the seed it determines every individual.

    Attributes
    ----------
    population_size : int
        Individuals per generation, >= 4; fewer are made if the families hold fewer different genomes.
    n_generations : int
        Generations scored, the first (defaults, champions, random) included.
    mutation_scale : float
        Standard deviation of mutation at the start, as a fraction of the parameter's value.
    is_adaptive : bool
        Whether each family's scale follows the one-fifth success rule.
    crossover_rate : float
        Share of a family's places, after elites and immigrants, bred by crossover; mutants take the rest.
    n_elite : int
        Best different genomes kept over all families; each family's best is kept besides.
    immigrant_share : float
        Share of places for fresh random individuals.
    tournament_size : int
        Contestants per tournament selection; 1 is a random choice.
    min_family_share, max_family_share : float
        Niche limits: the least and greatest share of the population that one family holds.
    min_diversity : float
        Stop when the diversity of a generation falls below; 0 never stops. 1 is a random population.
    seed : int
        >= 0.
    """

    population_size: int = 40
    n_generations: int = 10
    mutation_scale: float = 0.1
    is_adaptive: bool = True
    crossover_rate: float = 0.6
    n_elite: int = 2
    immigrant_share: float = 0.05
    tournament_size: int = 3
    min_family_share: float = 0.05
    max_family_share: float = 0.6
    min_diversity: float = 0.02
    seed: int = 0

    def __post_init__(self) -> None:
        _refuse_below("population_size", self.population_size, SMALLEST_POPULATION)
        _refuse_below("n_generations", self.n_generations, 1)
        _refuse_below("n_elite", self.n_elite, 1)
        _refuse_below("tournament_size", self.tournament_size, 1)
        _refuse_below("seed", self.seed, 0)
        _refuse_outside("mutation_scale", self.mutation_scale, 0.001, 1.0)
        for name in ("crossover_rate", "min_family_share", "max_family_share", "min_diversity"):
            _refuse_outside(name, getattr(self, name), 0.0, 1.0)
        _refuse_outside("immigrant_share", self.immigrant_share, 0.0, 0.5)
        if self.min_family_share > self.max_family_share:
            raise InvalidArgument(
                f"min_family_share should be <= max_family_share ({self.max_family_share}), "
                f"is {self.min_family_share}"
            )


def _refuse_below(name: str, value: int, bound: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < bound:
        raise InvalidArgument(f"{name} should be a whole number >= {bound}, is {value!r}")


def _refuse_outside(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidArgument(f"{name} should be {low:g}..{high:g}, is {value}")
