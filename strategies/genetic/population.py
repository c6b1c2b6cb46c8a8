"""Individuals of a tournament and their genealogy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray, JSONDict


class Operator(StrEnum):
    """How an individual came to be."""

    DEFAULT = "default"
    CHAMPION = "champion"
    RANDOM = "random"
    CROSSOVER = "crossover"
    MUTATION = "mutation"
    ELITE = "elite"
    IMMIGRANT = "immigrant"
    PAST = "past"


FOUNDERS = frozenset(
    {Operator.DEFAULT, Operator.CHAMPION, Operator.PAST, Operator.RANDOM, Operator.IMMIGRANT}
)


@dataclass(frozen=True, slots=True)
class Individual:
    """One parameter set of one family in one generation.

    Attributes
    ----------
    generation, index : int
        Generation from 0 and place in it from 0; together they name the individual.
    family : str
        Name of the family.
    parameters : tuple of float
        Values in the order of the family's parameters; integers are whole floats.
    operator : Operator
        How it was made.
    parents : tuple of str
        uids: none for founders, one for elite and mutation, two for crossover (better parent first).
    mutation : mapping of str to float
        Parameter name to the change that mutation made, in the parameter's unit; empty without one.
    mutation_scale : float
        Standard deviation of mutation, as a fraction of the value, in force for its family when made.
    parent_fitness : float or None
        Best fitness among its parents when it was made; None for founders and undefined parents.
    origin : str or None
        Where a founder came from outside this tournament, such as a past champion's name.
    is_scored : bool
        Whether `fitness` has been measured.
    fitness : float or None
        Higher is better; None if undefined (too few trades, no variance) or not yet scored.
    diagnostics : mapping of str to float or None
        Further numbers that the score returned for it.
    """

    generation: int
    index: int
    family: str
    parameters: tuple[float, ...]
    operator: Operator
    parents: tuple[str, ...] = ()
    mutation: Mapping[str, float] = field(default_factory=dict)
    mutation_scale: float = 0.1
    parent_fitness: float | None = None
    origin: str | None = None
    is_scored: bool = False
    fitness: float | None = None
    diagnostics: Mapping[str, float | None] = field(default_factory=dict, compare=False)

    @property
    def uid(self) -> str:
        """Return its name within the tournament, such as "g3-17"."""
        return make_uid(self.generation, self.index)

    @property
    def genome(self) -> tuple[str, tuple[float, ...]]:
        return self.family, self.parameters

    def with_score(self, fitness: float | None, diagnostics: Mapping[str, float | None]) -> Individual:
        """Return it with its fitness measured."""
        # Spelled out: dataclasses.replace costs three times as much, and a tournament makes 100,000.
        return Individual(
            self.generation,
            self.index,
            self.family,
            self.parameters,
            self.operator,
            self.parents,
            self.mutation,
            self.mutation_scale,
            self.parent_fitness,
            self.origin,
            True,
            fitness,
            diagnostics,
        )

    def as_dict(self) -> JSONDict:
        """Return it as JSON-safe values, uid included."""
        return {
            "uid": self.uid,
            "generation": self.generation,
            "index": self.index,
            "family": self.family,
            "parameters": list(self.parameters),
            "operator": self.operator.value,
            "parents": list(self.parents),
            "mutation": dict(self.mutation),
            "mutation_scale": self.mutation_scale,
            "parent_fitness": self.parent_fitness,
            "origin": self.origin,
            "is_scored": self.is_scored,
            "fitness": self.fitness,
            "diagnostics": dict(self.diagnostics),
        }

    @classmethod
    def from_dict(cls, row: JSONDict) -> Individual:
        """Return the individual that `as_dict` wrote; the round trip is exact, also through JSON."""
        values = {name: value for name, value in row.items() if name != "uid"}
        values["parameters"] = tuple(float(value) for value in row["parameters"])
        values["parents"] = tuple(row["parents"])
        values["operator"] = Operator(row["operator"])
        return cls(**values)


def make_uid(generation: int, index: int) -> str:
    return f"g{generation}-{index}"


def fitness_array(population: Sequence[Individual]) -> FloatArray:
    """Return the fitness of each individual, shape (n,), -inf where undefined.

    Raises
    ------
    InvalidArgument
        If one has not been scored.
    """
    unscored = next((one.uid for one in population if not one.is_scored), None)
    if unscored is not None:
        raise InvalidArgument(f"population should be scored, {unscored} is not")
    return np.array([-np.inf if one.fitness is None else one.fitness for one in population])


def ancestors(individuals: Iterable[Individual], uid: str) -> tuple[Individual, ...]:
    """Return an individual and everyone it descends from, by generation and index.

    Raises
    ------
    InvalidArgument
        If it or a parent is not among the individuals.
    """
    by_uid = {one.uid: one for one in individuals}
    found: dict[str, Individual] = {}
    waiting = [uid]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in by_uid:
            raise InvalidArgument(f"individuals should hold {name}, do not")
        found[name] = by_uid[name]
        waiting.extend(by_uid[name].parents)
    return tuple(sorted(found.values(), key=lambda one: (one.generation, one.index)))
