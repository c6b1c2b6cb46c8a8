"""What a strategy family is: typed parameters, a meaning, a source and positions from bars."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainingday.backtest.thresholds import threshold_positions_nb
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument, NotEnoughBars
from trainingday.typing import FloatArray


@dataclass(frozen=True)
class Parameter:
    """One parameter of a family.

    Attributes
    ----------
    name : str
        Its keyword.
    low, high, default : float
        Bounds, both included, and the value taken where none is given.
    is_integer : bool
        Whole numbers only; those of a standalone family count bars.
    is_log : bool
        Search and mutation work on its logarithm.
    meaning : str
        One line for people.
    """

    name: str
    low: float
    high: float
    default: float
    is_integer: bool
    is_log: bool
    meaning: str

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high:
            raise InvalidArgument(
                f"{self.name}: default should be {self.low:g}..{self.high:g}, is {self.default:g}"
            )
        if self.is_log and self.low <= 0.0:
            raise InvalidArgument(f"{self.name}: low should be > 0 on a logarithm, is {self.low:g}")

    def check(self, value: float) -> float:
        """Return the value, or raise InvalidArgument unless it is a number of the right kind in bounds."""
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"{self.name} should be a number, is {value!r}") from error
        if not (math.isfinite(number) and self.low <= number <= self.high):
            raise InvalidArgument(f"{self.name} should be {self.low:g}..{self.high:g}, is {number:g}")
        if self.is_integer and number != int(number):
            raise InvalidArgument(f"{self.name} should be a whole number, is {number:g}")
        return number


class Family(ABC):
    """A kind of strategy; subclasses set the class variables and write `compute_positions`."""

    name: ClassVar[str]
    title: ClassVar[str]
    meaning: ClassVar[str]
    source: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    is_standalone: ClassVar[bool] = True  # False: it needs more than bars and parameters, such as members

    def validate(self, parameters: Mapping[str, float], n_bars: int) -> dict[str, float]:
        """Return every parameter by name, defaults filled in.

        Raises
        ------
        InvalidArgument
            If a name is unknown, a value out of bounds, or a window not shorter than the bars.
        """
        known = {parameter.name for parameter in self.parameters}
        unknown = sorted(set(parameters) - known)
        if unknown:
            raise InvalidArgument(
                f"parameters of {self.name} should be among {sorted(known)}, one is {unknown[0]!r}"
            )
        values = {p.name: p.check(parameters.get(p.name, p.default)) for p in self.parameters}
        for parameter in self.parameters:
            if parameter.is_integer and values[parameter.name] >= n_bars:
                raise NotEnoughBars(
                    f"{parameter.name} should be < {n_bars} bars, is {values[parameter.name]:g}"
                )
        return values

    def validate_table(self, table: FloatArray, n_bars: int) -> FloatArray:
        """Return a table of candidates, shape (n_candidates, n_parameters), checked as by `validate`."""
        values = np.ascontiguousarray(table, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.parameters):
            raise InvalidArgument(
                f"parameters should have shape (n_candidates, {len(self.parameters)}), has {values.shape}"
            )
        for column, parameter in enumerate(self.parameters):
            cells = values[:, column]
            is_bad = ~((cells >= parameter.low) & (cells <= parameter.high))
            if parameter.is_integer:
                is_bad |= (cells != np.round(cells)) | (cells >= n_bars)
            if is_bad.any():
                # The scalar check words the message.
                self.validate({parameter.name: float(cells[is_bad.argmax()])}, n_bars)
        return values

    def positions(self, bars: Bars, parameters: Mapping[str, float]) -> FloatArray:
        """Return target positions in [-1, 1], shape (n_bars,), each from bars up to its own; warm-up 0."""
        return self.compute_positions(bars, self.validate(parameters, len(bars)))

    @abstractmethod
    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        """Return positions for validated parameters; no NaN, and 0 until the first whole window."""


class ThresholdFamily(Family):
    """A family that compares one indicator with thresholds; populations of it are scored fastest.

    Subclasses name the parameters that the indicator needs in `indicator_parameters`; the others may
    only move thresholds, so that candidates with the same windows share one indicator.
    """

    indicator_parameters: ClassVar[tuple[str, ...]]

    @abstractmethod
    def indicator(self, bars: Bars, settings: Sequence[float]) -> FloatArray:
        """Return the indicator, shape (n_bars,), NaN in the warm-up, for values of `indicator_parameters`."""

    def first_bar_read(self, settings: Sequence[float], bar: int) -> int | None:
        """Return where bars may begin so that the indicator is the same, to the bit, from `bar` on.

        None where every bar before counts. Long histories are scored fastest where it is a number, since
        they are then gone through in stretches that fit a core's cache.
        """
        return None

    @abstractmethod
    def thresholds(self, table: FloatArray) -> FloatArray:
        """Return thresholds, shape (n_candidates, 4), of a table of parameters (see `thresholds`)."""

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> FloatArray:
        settings = [values[name] for name in self.indicator_parameters]
        row = self.thresholds(np.array([[values[parameter.name] for parameter in self.parameters]]))[0]
        positions: FloatArray = threshold_positions_nb(self.indicator(bars, settings), *row)
        return positions
