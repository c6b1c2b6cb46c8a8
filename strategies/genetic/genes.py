"""The genes of a strategy family: bounds and scales of its parameters as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.typing import BoolArray, FloatArray


class Gene(Protocol):
    """What breeding needs to know of a parameter; `strategies.library.base.Parameter` is one."""

    @property
    def name(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def default(self) -> float: ...
    @property
    def is_integer(self) -> bool: ...
    @property
    def is_log(self) -> bool: ...


class BreedingFamily(Protocol):
    """What breeding needs to know of a family; `strategies.library.base.Family` is one."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> Sequence[Gene]: ...


@dataclass(frozen=True, eq=False)
class GeneSpace:
    """The box that the parameter vectors of one family live in.

    Attributes
    ----------
    family : str
        Name of the family.
    names : tuple of str
        Parameter names, in the order of the columns.
    low, high, default : ndarray of shape (n_genes,)
        Inclusive bounds and default, in the parameter's own unit.
    is_integer, is_log : ndarray of shape (n_genes,), bool
        Integers are whole numbers stored as floats; log genes are compared and mixed by ratio.
    """

    family: str
    names: tuple[str, ...]
    low: FloatArray
    high: FloatArray
    default: FloatArray
    is_integer: BoolArray
    is_log: BoolArray

    @classmethod
    def of(cls, family: BreedingFamily) -> GeneSpace:
        """Return the gene space of a family.

        Raises
        ------
        InvalidArgument
            If a bound is not finite, low > high, the default lies outside, an integer gene has a
            fractional bound, or a log gene has low <= 0.
        """
        genes = tuple(family.parameters)
        for gene in genes:
            _check(family.name, gene)
        return cls(
            family=family.name,
            names=tuple(gene.name for gene in genes),
            low=np.array([gene.low for gene in genes], dtype=np.float64),
            high=np.array([gene.high for gene in genes], dtype=np.float64),
            default=np.array([gene.default for gene in genes], dtype=np.float64),
            is_integer=np.array([gene.is_integer for gene in genes], dtype=np.bool_),
            is_log=np.array([gene.is_log for gene in genes], dtype=np.bool_),
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_free(self) -> BoolArray:
        """Return which genes can vary, shape (n_genes,)."""
        return self.low < self.high

    @property
    def capacity(self) -> float:
        """Return how many different vectors exist: 1 without free genes, inf with a real one."""
        if np.any(self.is_free & ~self.is_integer):
            return float("inf")
        return float(np.prod(self.high - self.low + 1))

    def to_scale(self, values: FloatArray) -> FloatArray:
        """Return values, shape (..., n_genes), with the log genes as natural logarithms."""
        return np.where(self.is_log, np.log(np.where(self.is_log, values, 1.0)), values)

    def from_scale(self, scaled: FloatArray) -> FloatArray:
        """Return scaled values, shape (..., n_genes), in their own unit: integers rounded, bounds kept."""
        return self.settle(np.where(self.is_log, np.exp(np.where(self.is_log, scaled, 0.0)), scaled))

    def settle(self, values: FloatArray) -> FloatArray:
        """Return values, shape (..., n_genes), with integers rounded and clipped to the bounds."""
        rounded = np.where(self.is_integer, np.round(values), values)
        return np.clip(rounded, self.low, self.high)

    def to_unit(self, values: FloatArray) -> FloatArray:
        """Return values, shape (..., n_genes), as fractions 0..1 of the range in each gene's scale."""
        low, high = self.to_scale(self.low), self.to_scale(self.high)
        width = np.where(self.is_free, high - low, 1.0)
        return np.where(self.is_free, (self.to_scale(values) - low) / width, 0.0)

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """Return the values, shape (..., n_genes), of fractions 0..1 of the range; undoes `to_unit`."""
        low, high = self.to_scale(self.low), self.to_scale(self.high)
        return self.from_scale(low + unit * (high - low))

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Return a Latin hypercube of vectors, uniform in each gene's scale.

        Parameters
        ----------
        n : int
            Number of vectors.
        rng : Generator

        Returns
        -------
        ndarray of shape (n, n_genes)
            Each gene's range is cut in n equal slices, each slice used once (McKay, Beckman and
            Conover 1979), so that even small populations cover every gene.
        """
        strata = rng.permuted(np.tile(np.arange(n, dtype=np.float64), (len(self), 1)), axis=1).T
        unit = (strata + rng.random((n, len(self)))) / max(n, 1)
        # Half a step beyond the bounds gives the first and last integer the same share as the others.
        margin = np.where(self.is_integer & self.is_free, 0.5 - 1e-9, 0.0)
        low, high = self.to_scale(self.low - margin), self.to_scale(self.high + margin)
        return self.from_scale(low + unit * (high - low))


def gene_spaces(families: Sequence[BreedingFamily]) -> dict[str, GeneSpace]:
    """Return the gene space of each family by name, sorted by name.

    Raises
    ------
    InvalidArgument
        If there is no family or two share a name.
    """
    if not families:
        raise InvalidArgument("families should hold at least 1 family, holds 0")
    names = [family.name for family in families]
    if len(set(names)) < len(names):
        raise InvalidArgument(f"families should have different names, are {sorted(names)}")
    return {family.name: GeneSpace.of(family) for family in sorted(families, key=lambda one: one.name)}


def _check(family: str, gene: Gene) -> None:
    label = f"{family}.{gene.name}"
    if not np.all(np.isfinite([gene.low, gene.high, gene.default])):
        raise InvalidArgument(
            f"{label} should have finite bounds and default, has {gene.low}, {gene.high}, {gene.default}"
        )
    if not gene.low <= gene.default <= gene.high:
        raise InvalidArgument(
            f"{label} default should be within [{gene.low}, {gene.high}], is {gene.default}"
        )
    if gene.is_log and gene.low <= 0:
        raise InvalidArgument(f"{label} low should be > 0 on a log scale, is {gene.low}")
    if gene.is_integer and any(float(value) % 1 for value in (gene.low, gene.high, gene.default)):
        raise InvalidArgument(
            f"{label} should have whole bounds and default, has {gene.low}, {gene.high}, {gene.default}"
        )
