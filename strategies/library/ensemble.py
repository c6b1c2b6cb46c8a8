"""Ensemble: hold the mean position of frozen members."""

from collections.abc import Mapping
from typing import Never

import numpy as np

from strategies.library.base import Family, Parameter
from trainingday.bars import Bars
from trainingday.exceptions import InvalidArgument
from trainingday.typing import FloatArray


class Ensemble(Family):
    """The mean of its members' positions, flat where they agree too little.

    Which members it has is no parameter: they are chosen on validation, written down once, and never
    change (`strategies.ensembles`).
    """

    name = "ensemble"
    title = "Ensemble of entrants"
    meaning = "Hold the mean position of its members, flat while they agree too little."
    source = (
        "Timmermann (2006), Forecast combinations, Handbook of Economic Forecasting 1, chapter 4:"
        " equal weights are hard to beat; here the mean of positions instead of forecasts."
    )
    parameters = (
        Parameter("n_members", 2, 25, 5, True, False, "Members whose positions are averaged."),
        Parameter("agreement", 0.0, 1.0, 0.0, False, False, "Smallest mean position that is held."),
    )
    is_standalone = False

    def compute_positions(self, bars: Bars, values: Mapping[str, float]) -> Never:
        raise InvalidArgument("an ensemble trades with its frozen members: name the strategy, not the family")

    def combine(self, positions: FloatArray, parameters: Mapping[str, float]) -> FloatArray:
        """Return the ensemble's positions.

        Parameters
        ----------
        positions : ndarray of shape (n_members, n_bars)
            Of the members, in [-1, 1], each decided from bars up to its own.
        parameters : mapping
            As of `parameters`; `n_members` is the number of rows.

        Returns
        -------
        ndarray of shape (n_bars,)
            The mean over members, 0 where its size is below `agreement`.

        Raises
        ------
        InvalidArgument
            If the rows are not `n_members`, or a parameter is out of bounds.
        """
        values = {gene.name: gene.check(parameters.get(gene.name, gene.default)) for gene in self.parameters}
        if positions.ndim != 2 or positions.shape[0] != values["n_members"]:
            raise InvalidArgument(
                f"positions should have shape ({values['n_members']:g}, n_bars), has {positions.shape}"
            )
        mean: FloatArray = positions.mean(axis=0)
        return np.where(np.abs(mean) >= values["agreement"], mean, 0.0)
