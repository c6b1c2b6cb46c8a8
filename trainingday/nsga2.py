"""One generation of Optuna's NSGA-II; only a run's child imports this, by its dotted path.

No web process may load Optuna, so nothing imports this module by name (import-linter checks it).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIISampler
from optuna.samplers.nsgaii import PolynomialMutation, SBXCrossover

from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray

GENERATION_KEY = "NSGAIISampler:generation"
SMALLEST = 2
Space = dict[str, BaseDistribution]


@dataclass(frozen=True, eq=False)
class Offspring:
    """What NSGA-II makes of a scored generation.

    Attributes
    ----------
    survivors : tuple of int
        Rows of the generation that may mate, in order.
    couples : tuple of (int, int)
        The parents' rows of each child.
    crossed, children : ndarray of shape (n_children, n_genes)
        Each child after crossover, and after mutation besides.
    """

    survivors: tuple[int, ...]
    couples: tuple[tuple[int, int], ...]
    crossed: FloatArray
    children: FloatArray


def breed(
    genomes: FloatArray, objectives: FloatArray, n_survivors: int, n_children: int, seed: int
) -> Offspring:
    """Return the survivors of a generation and their children.

    Parameters
    ----------
    genomes : ndarray of shape (n, n_genes)
        Different rows, in 0..1.
    objectives : ndarray of shape (n, n_objectives)
        Finite; larger is better.
    n_survivors : int
        At least 2; all survive where there are fewer.
    n_children : int
    seed : int

    Raises
    ------
    InvalidArgument
        If there are fewer than 2 rows or survivors.

    Notes
    -----
    NSGA-II of Deb, Pratap, Agarwal and Meyarivan (2002) as Optuna's sampler has it: survival by
    non-dominated sorting, then crowding distance; parents by binary tournaments of dominance; simulated
    binary crossover and polynomial mutation. The study holds the given rows alone and is made anew for
    each generation, so the result depends on the arguments only and a killed run is rebuilt from its
    committed rows.
    """
    if min(genomes.shape[0], n_survivors) < SMALLEST:
        raise InvalidArgument(
            f"genomes and n_survivors should be >= {SMALLEST}, are {genomes.shape[0]} and {n_survivors}"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: Space = {f"g{column:03d}": FloatDistribution(0.0, 1.0) for column in range(genomes.shape[1])}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        notes = _NotingCrossover()
        sampler = NSGAIISampler(
            population_size=min(n_survivors, genomes.shape[0]),
            crossover=notes,
            crossover_prob=1.0,
            mutation=PolynomialMutation(),
            seed=seed,
        )
    study = optuna.create_study(directions=["maximize"] * objectives.shape[1], sampler=sampler)
    study.add_trials(_scored(genomes, objectives, space))
    rows = {tuple(genome): row for row, genome in enumerate(genomes.tolist())}
    couples, crossed, children = [], [], []
    for _ in range(n_children):
        asked = study.ask(space)
        couples.append((rows[notes.parents[0]], rows[notes.parents[1]]))
        crossed.append(notes.child)
        children.append([asked.params[name] for name in space])
    survivors = tuple(trial.number for trial in sampler.get_parent_population(study, 1))
    shape = (n_children, genomes.shape[1])
    return Offspring(
        survivors, tuple(couples), np.array(crossed).reshape(shape), np.array(children).reshape(shape)
    )


def _scored(genomes: FloatArray, objectives: FloatArray, space: Space) -> list[optuna.trial.FrozenTrial]:
    """Return the rows as trials of the study's first generation."""
    return [
        optuna.trial.create_trial(
            params=dict(zip(space, genome, strict=True)),
            distributions=dict(space),
            values=values,
            system_attrs={GENERATION_KEY: 0},
        )
        for genome, values in zip(genomes.tolist(), objectives.tolist(), strict=True)
    ]


class _NotingCrossover(SBXCrossover):
    """Simulated binary crossover that notes whom it crossed last, which Optuna's trials do not say."""

    def __init__(self) -> None:
        super().__init__()
        self.parents: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
        self.child: list[float] = []

    def crossover(self, parents_params: Any, rng: Any, study: Any, search_space_bounds: Any) -> Any:
        child = super().crossover(parents_params, rng, study, search_space_bounds)
        one, two = parents_params.tolist()
        self.parents, self.child = (tuple(one), tuple(two)), child.tolist()
        return child
