"""A model's backtests for its plots: on validation by the fit that has not seen it, on test only after a pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sessions.inputs import Found
from sessions.model_pages import ModelLine
from sessions.models import ModelVersion
from strategies.models import Strategy
from strategies.positions import positions_of
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult
from trainingday.bars import Bars
from trainingday.markets.models import TestWindow
from trainingday.markets.queries import query_bars
from trainingday.markets.splits import Split, plan_split
from trainingday.typing import FloatArray

MODEL, CHAMPION, HOLD = "model", "champion", "buy & hold"


@dataclass(frozen=True, eq=False)
class SegmentSeries:
    """One segment's backtests by name, each from flat: the model's, the champion's it met, buy & hold."""

    name: str
    bars: Bars
    results: dict[str, BacktestResult]

    @property
    def rival(self) -> str:
        """Return what the model is compared with: the champion, or buy & hold where there was none."""
        return CHAMPION if CHAMPION in self.results else HOLD

    @property
    def differences(self) -> FloatArray:
        """Return net returns of the model minus the rival's, shape (n_bars - 1,)."""
        return self.results[MODEL].returns - self.results[self.rival].returns


@dataclass(frozen=True, eq=False)
class ModelSeries:
    bars: Bars
    split: Split
    segments: tuple[SegmentSeries, ...]
    bars_per_year: float


def model_series(line: ModelLine) -> ModelSeries:
    """Return the backtests of a model; reads its bars and the window and champion that its session found.

    Raises
    ------
    StateConflict
        If the session has not recorded what it started from.
    ArtifactRejected
        If an artefact is not as it was signed.
    """
    model = line.model
    session, settings = model.session, model.session.configuration
    found = Found.of(session)
    bars = query_bars(model.dataset)
    split = plan_split(len(bars), bars.timestamps, TestWindow.objects.get(pk=found.window))
    costs = Costs(settings["fee"], settings["slippage"])
    champion = found.query_champion()
    beaten = _honest(champion.strategy, bars, split) if champion else None
    segments = [
        _segment("validation", model.selection_strategy, beaten, bars, split.validation, costs, settings)
    ]
    if line.has_passed:
        deployed = champion.strategy if champion else None
        segments.append(_segment("test", model.strategy, deployed, bars, split.test, costs, settings))
    return ModelSeries(bars, split, tuple(segments), settings["bars_per_year"])


def _honest(strategy: Strategy, bars: Bars, split: Split) -> Strategy:
    """Return the fit of a champion that has not been trained on these validation bars, where there is one."""
    version = ModelVersion.objects.filter(strategy=strategy).select_related("selection_strategy").first()
    start = int(bars.timestamps[split.validation.start])
    return version.selection_strategy if version and version.train_last_us >= start else strategy


def _segment(
    name: str,
    strategy: Strategy,
    champion: Strategy | None,
    bars: Bars,
    part: slice,
    costs: Costs,
    settings: dict[str, float],
) -> SegmentSeries:
    seen = bars[: part.stop]
    targets = {MODEL: positions_of(strategy, seen)[part]}
    if champion is not None:
        targets[CHAMPION] = positions_of(champion, seen)[part]
    targets[HOLD] = np.ones(part.stop - part.start)
    per_year = settings["bars_per_year"]
    results = {
        key: run_backtest(bars[part], positions, costs, bars_per_year=per_year)
        for key, positions in targets.items()
    }
    return SegmentSeries(name, bars[part], results)
