"""Crossover: children between and around two parents, each gene in its own scale."""

from __future__ import annotations

import numpy as np

from strategies.genetic.genes import GeneSpace
from trainingday.typing import FloatArray

# The spread at which BLX keeps the variance of the parents: (1 + 2 alpha)^2 / 12 * d^2 = d^2 / 4.
BLEND_ALPHA = (np.sqrt(3) - 1) / 2


def blend(
    space: GeneSpace,
    first: FloatArray,
    second: FloatArray,
    rng: np.random.Generator,
    *,
    alpha: float = BLEND_ALPHA,
) -> FloatArray:
    """Return one child of each pair of parents of the same family.

    Parameters
    ----------
    space : GeneSpace
    first, second : ndarray of shape (n_pairs, n_genes)
        Parents, in the parameters' units.
    rng : Generator
    alpha : float
        How far beyond the parents a gene may land, as a fraction of their distance.

    Returns
    -------
    ndarray of shape (n_pairs, n_genes)
        Each gene uniform over the parents' interval, widened by alpha and cut at the bounds, in the
        gene's scale (log genes by ratio), integers rounded. Genes on which the parents agree are kept.

    Notes
    -----
    BLX-alpha of Eshelman and Schaffer (1993). The interval is cut before drawing, so nothing piles up
    at the bounds.
    """
    one, two = space.to_scale(first), space.to_scale(second)
    low, high = np.minimum(one, two), np.maximum(one, two)
    reach = alpha * (high - low)
    low = np.maximum(low - reach, space.to_scale(space.low))
    high = np.minimum(high + reach, space.to_scale(space.high))
    child = space.from_scale(low + rng.random(first.shape) * (high - low))
    # exp(log(x)) is off by a rounding error, which would count as a new genome.
    return np.where(first == second, first, child)


def blend_across(
    space: GeneSpace,
    first: FloatArray,
    other_space: GeneSpace,
    second: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return a child of parents of two families: the first's family, blended where names agree.

    Parameters
    ----------
    space, first : GeneSpace, ndarray of shape (n_genes,)
        The parent whose family the child inherits.
    other_space, second : GeneSpace, ndarray of shape (n_other_genes,)
        The other parent.
    rng : Generator

    Returns
    -------
    ndarray of shape (n_genes,)
        Genes whose names both families know are blended (the other's value first brought into this
        family's bounds); all others come from the first parent. Families without a common name
        leave the first parent unchanged: mutate the child.
    """
    partner = first.copy()
    for column, name in enumerate(space.names):
        if name in other_space.names:
            partner[column] = second[other_space.names.index(name)]
    partner = space.settle(partner)
    child: FloatArray = blend(space, first[None, :], partner[None, :], rng)[0]
    return child
