"""What every stage of a training session reads: the bars, the split, the costs, the budget."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions.inputs import Found
from sessions.models import TrainingSession
from sessions.rl.presets import Preset, get_preset
from sessions.rl.search import TrialTask
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.backtest.result import BacktestResult, Metrics
from trainingday.bars import Bars
from trainingday.compute.bundles import save_bundle
from trainingday.compute.dask_pool import BundleSource
from trainingday.compute.versions import code_versions
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.queries import query_bars
from trainingday.markets.splits import Split, plan_split
from trainingday.runs.context import RunContext
from trainingday.typing import FloatArray, JSONDict


@dataclass(frozen=True)
class Day:
    """One session at work. `bundle` holds the bars before the test window, for other processes."""

    context: RunContext
    session: TrainingSession
    market: Market
    dataset: Dataset
    bars: Bars
    window: TestWindow
    split: Split
    costs: Costs
    bars_per_year: float
    preset: Preset
    bundle: str

    @property
    def n_trials(self) -> int:
        return int(self.session.configuration["n_trials"])

    @property
    def found(self) -> Found:
        return Found.of(self.session)

    @property
    def source(self) -> BundleSource:
        """What `bundle` holds, for other machines."""
        return BundleSource(self.dataset.sha256, self.split.validation.stop)

    @property
    def validation_start_us(self) -> int:
        return int(self.bars.timestamps[self.split.validation.start])

    @property
    def seen(self) -> Bars:
        """All bars before the test window's gap."""
        return self.bars[: self.split.validation.stop]

    def on_validation(self, positions: FloatArray) -> BacktestResult:
        """Return the backtest on the validation segment alone of positions from the first bar on."""
        held_out = self.split.validation
        return run_backtest(
            self.bars[held_out], positions[held_out], self.costs, bars_per_year=self.bars_per_year
        )

    def validation_metrics(self, positions: FloatArray) -> Metrics:
        return self.on_validation(positions).metrics

    def task(self, hyperparameters: JSONDict, seed: int, **fields: Any) -> TrialTask:
        """Return a training on train, scored on validation."""
        train, validation = self.split.train, self.split.validation
        return TrialTask(
            hyperparameters=hyperparameters,
            seed=seed,
            dataset=self.bundle,
            train=(train.start, train.stop),
            validation=(validation.start, validation.stop),
            costs=self.costs,
            bars_per_year=self.bars_per_year,
            **fields,
        )


@contextmanager
def open_day(context: RunContext, session: TrainingSession) -> Iterator[Day]:
    """Return the day of a session whose inputs are frozen; `context` is the session's own, or its replay's."""
    settings = session.configuration
    bars = query_bars(session.dataset)
    window = TestWindow.objects.get(pk=Found.of(session).window)
    split = plan_split(len(bars), bars.timestamps, window)
    with tempfile.TemporaryDirectory(prefix="training-session-") as folder:
        bundle = Path(folder) / "bars.npz"
        save_bundle(bundle, bars[: split.validation.stop])
        yield Day(
            context=context,
            session=session,
            market=session.market,
            dataset=session.dataset,
            bars=bars,
            window=window,
            split=split,
            costs=Costs(settings["fee"], settings["slippage"]),
            bars_per_year=settings["bars_per_year"],
            preset=get_preset(session.preset),
            bundle=str(bundle),
        )


def environment() -> JSONDict:
    """Return what the result may depend on beside the seed and the bars."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        **code_versions(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
