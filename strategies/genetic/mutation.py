"""Mutation: Gaussian steps of a fraction of the value, and how that fraction adapts."""

from __future__ import annotations

import numpy as np

from strategies.genetic.genes import GeneSpace
from trainingday.typing import BoolArray, FloatArray

SUCCESS_TARGET = 0.2
DAMPING = 0.85
FEWEST_MUTANTS = 5
SCALE_RANGE = (0.1, 5.0)
ZERO_FLOOR = 0.1


def mutate(
    space: GeneSpace,
    parents: FloatArray,
    scale: float,
    rng: np.random.Generator,
    *,
    gene_rate: float = 0.5,
) -> FloatArray:
    """Return one mutant of each parent.

    Parameters
    ----------
    space : GeneSpace
    parents : ndarray of shape (n, n_genes)
        In the parameters' units.
    scale : float
        Standard deviation of a step as a fraction of the gene's value.
    rng : Generator
    gene_rate : float
        Probability that a gene takes part; at least one free gene always does.

    Returns
    -------
    ndarray of shape (n, n_genes)
        Different from the parent in at least one gene wherever the family has a free gene.

    Notes
    -----
    A linear gene x becomes x + scale |x| N(0, 1); a log gene x exp(scale N(0, 1)). Where a linear range
    contains 0, |x| counts as at least a tenth of the range, else 0 could never be left. Steps beyond
    a bound are reflected. Integers are rounded up or down at random in proportion, which keeps small
    steps unbiased; a mutant whose integers all fell back takes one whole step.
    """
    if not np.any(space.is_free):
        return parents.copy()
    chosen = _choose_genes(space, parents.shape[0], gene_rate, rng)
    noise = scale * rng.standard_normal(parents.shape)
    spans_zero = (space.low <= 0) & (space.high >= 0)
    size = np.maximum(np.abs(parents), np.where(spans_zero, ZERO_FLOOR * (space.high - space.low), 0.0))
    moved = np.where(
        space.is_log, parents * np.exp(np.where(space.is_log, noise, 0.0)), parents + size * noise
    )
    moved = _reflect(space, moved)
    moved = np.where(space.is_integer, np.floor(moved + rng.random(parents.shape)), moved)
    children = np.where(chosen, np.clip(moved, space.low, space.high), parents)
    return _step_the_unmoved(space, parents, children, chosen, rng)


def adapt_scale(scale: float, n_better: int, n_mutants: int, base: float) -> float:
    """Return the mutation scale for the next generation by the one-fifth success rule.

    Parameters
    ----------
    scale : float
        Scale that made the mutants.
    n_better, n_mutants : int
        Mutants fitter than their parent, and all mutants.
    base : float
        The scale that the tournament started with; the result stays within 0.1..5 times it.

    Notes
    -----
    Rechenberg (1973): steps grow while more than a fifth of the mutants succeed, shrink below that.
    With fewer than 5 mutants the rate says nothing and the scale is kept.
    """
    if n_mutants < FEWEST_MUTANTS:
        return scale
    factor = np.exp(DAMPING * (n_better / n_mutants - SUCCESS_TARGET))
    return float(np.clip(scale * factor, SCALE_RANGE[0] * base, SCALE_RANGE[1] * base))


def _choose_genes(space: GeneSpace, n: int, gene_rate: float, rng: np.random.Generator) -> BoolArray:
    free = np.flatnonzero(space.is_free)
    chosen = (rng.random((n, len(space))) < gene_rate) & space.is_free
    sure = free[rng.integers(0, free.size, n)]
    none_chosen = np.flatnonzero(~chosen.any(axis=1))
    chosen[none_chosen, sure[none_chosen]] = True
    return chosen


def _reflect(space: GeneSpace, values: FloatArray) -> FloatArray:
    """Return values mirrored at the bounds, in each gene's scale, until they lie inside."""
    low, high = space.to_scale(space.low), space.to_scale(space.high)
    width = np.where(space.is_free, high - low, 1.0)
    inside = (values >= space.low) & (values <= space.high)
    # Log genes are positive here: a positive value times an exponential.
    phase = np.mod(space.to_scale(np.where(inside, space.low, values)) - low, 2 * width)
    mirrored = low + np.where(phase > width, 2 * width - phase, phase)
    unscaled = np.where(space.is_log, np.exp(np.where(space.is_log, mirrored, 0.0)), mirrored)
    return np.where(inside, values, unscaled)


def _step_the_unmoved(
    space: GeneSpace, parents: FloatArray, children: FloatArray, chosen: BoolArray, rng: np.random.Generator
) -> FloatArray:
    """Return children in which each one equal to its parent has one chosen integer moved by 1."""
    direction = np.where(rng.random(parents.shape[0]) < 0.5, -1.0, 1.0)
    unmoved = np.flatnonzero((children == parents).all(axis=1))
    if unmoved.size == 0:
        return children
    # The first chosen integer gene; a chosen real gene that did not move has a step of size 0 only.
    column = np.argmax(chosen[unmoved] & space.is_integer, axis=1)
    stepped = children[unmoved, column] + direction[unmoved]
    outside = (stepped < space.low[column]) | (stepped > space.high[column])
    stepped = np.where(outside, children[unmoved, column] - direction[unmoved], stepped)
    movable = space.is_integer[column] & space.is_free[column]
    children[unmoved, column] = np.where(movable, stepped, children[unmoved, column])
    return children
