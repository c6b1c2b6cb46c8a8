"""Toy families with known optima, for tests of breeding without a market."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategies.genetic.evolve import Evaluation
from strategies.genetic.genes import BreedingFamily, GeneSpace
from trainingday.typing import FloatArray


@dataclass(frozen=True)
class ToyGene:
    name: str
    low: float
    high: float
    default: float
    is_integer: bool = False
    is_log: bool = False


@dataclass(frozen=True)
class ToyFamily:
    name: str
    parameters: tuple[ToyGene, ...] = ()


MOMENTUM = ToyFamily(
    "momentum",
    (ToyGene("lookback", 2, 200, 20, True, True), ToyGene("threshold", 0.001, 0.2, 0.02, False, True)),
)
REVERSION = ToyFamily(
    "mean_reversion", (ToyGene("window", 5, 300, 50, True), ToyGene("deviation", 0.5, 4.0, 2.0))
)
BREAKOUT = ToyFamily(
    "breakout", (ToyGene("lookback", 2, 200, 14, True), ToyGene("multiplier", 0.5, 5.0, 1.5))
)
MODEL = ToyFamily("ml_model")
SEED_FAMILIES = (MOMENTUM, REVERSION, BREAKOUT, MODEL)

# Optima in unit coordinates, away from defaults, middles and bounds.
OPTIMA = {"momentum": (0.81, 0.83), "mean_reversion": (0.13, 0.29), "breakout": (0.67, 0.91)}
LEVELS = {"momentum": 0.0, "mean_reversion": -0.2, "breakout": -0.1}


def distance(family: BreedingFamily, genomes: FloatArray) -> FloatArray:
    """Return unit coordinates relative to the family's optimum, shape (n, n_genes)."""
    return GeneSpace.of(family).to_unit(genomes) - np.array(OPTIMA[family.name])


def bowl(family: BreedingFamily, genomes: FloatArray) -> Evaluation:
    """Score a smooth hill per family; the best families differ by 0.1."""
    if family.name == "ml_model":
        return Evaluation(np.full(genomes.shape[0], -0.5))
    away = distance(family, genomes)
    return Evaluation(LEVELS[family.name] - (away**2).sum(axis=1), {"n_trades": 100 - away[:, 0]})


def ripples(family: BreedingFamily, genomes: FloatArray) -> Evaluation:
    """Score Rastrigin's function: many local hills on a slope towards the optimum."""
    if family.name == "ml_model":
        return Evaluation(np.full(genomes.shape[0], -5.0))
    away = 5 * distance(family, genomes)
    hills = (away**2 - np.cos(2 * np.pi * away) + 1).sum(axis=1)
    return Evaluation(LEVELS[family.name] - hills)


def narrow_ridge(family: BreedingFamily, genomes: FloatArray) -> Evaluation:
    """Score a diagonal ridge: genes matter only together; undefined far from it, as with no trades."""
    if family.name == "ml_model":
        return Evaluation(np.full(genomes.shape[0], -5.0))
    away = distance(family, genomes)
    across, along = away[:, 0] - away[:, 1], away[:, 0] + away[:, 1]
    fitness = LEVELS[family.name] - 5 * np.abs(across) - along**2
    return Evaluation(np.where(np.abs(across) > 0.8, np.nan, fitness))
