"""Two to five sessions, models or tournaments side by side: settings that differ, equity, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from sessions.charts import DASHES
from sessions.models import ModelVersion, TrainingSession
from strategies.backtest_tables import METRICS, MetricRow, times
from strategies.backtests import SegmentReport, drawn_points
from strategies.models import Look, Strategy, Tournament
from strategies.positions import positions_of
from trainingday.backtest.engine import Costs, run_backtest
from trainingday.bars import Bars
from trainingday.charts import Chart, Trace
from trainingday.exceptions import InvalidArgument, NotFound, TrainingDayError
from trainingday.markets.models import Dataset, Market, TestWindow
from trainingday.markets.queries import query_bars
from trainingday.markets.splits import plan_split
from trainingday.runs.models import Run
from trainingday.stats.evidence import Verdict

FEWEST, MOST = 2, 5
NOT_ENDED = "It has not ended with a strategy yet."


@dataclass(frozen=True)
class Entry:
    """One thing that is compared.

    Attributes
    ----------
    strategy : Strategy or None
        What was scored on validation: of a model its fit on train alone.
    look : Look or None
        Its passed exam: only then is anything shown of the test window.
    settings : mapping of str to str
        What it was made from, by dotted name.
    """

    title: str
    address: str
    run: Run
    dataset: Dataset
    strategy: Strategy | None
    look: Look | None
    settings: Mapping[str, str]

    @property
    def market(self) -> Market:
        return self.run.market


@dataclass(frozen=True)
class Measured:
    """An entry with its backtests on validation and, after a passed exam, on test; or why there are none."""

    entry: Entry
    segments: tuple[SegmentReport, ...] = ()
    problem: str = ""

    def segment(self, name: str) -> SegmentReport | None:
        return next((part for part in self.segments if part.name == name), None)


@dataclass(frozen=True)
class Table:
    """The metrics of one segment: a cell for each entry, None where it has no backtest there."""

    segment: str
    rows: list[MetricRow]


@dataclass(frozen=True)
class Comparison:
    """Everything that the page and the API show."""

    kind: str
    measured: list[Measured]

    @property
    def entries(self) -> list[Entry]:
        return [line.entry for line in self.measured]

    @cached_property
    def differences(self) -> list[tuple[str, list[str]]]:
        """Return each setting that is not the same everywhere, with its values; "–" where one lacks it."""
        names = dict.fromkeys(name for entry in self.entries for name in entry.settings)
        rows = [(name, [entry.settings.get(name, "–") for entry in self.entries]) for name in names]
        return [(name, values) for name, values in rows if len(set(values)) > 1]

    @property
    def n_equal(self) -> int:
        names = {name for entry in self.entries for name in entry.settings}
        return len(names) - len(self.differences)

    @cached_property
    def tables(self) -> list[Table]:
        shown = ("validation", "test")
        return [
            Table(name, _rows([line.segment(name) for line in self.measured]))
            for name in shown
            if any(line.segment(name) for line in self.measured)
        ]

    @cached_property
    def chart(self) -> Chart:
        """Return the equity of each entry, told apart by dashes: the colour says which segment it is."""
        traces = []
        for line, dash in zip(self.measured, DASHES, strict=False):
            for part in line.segments:
                places = drawn_points(part.result.equity)
                name = f"{line.entry.title}, {part.name}"
                values = part.result.equity[places].tolist()
                traces.append(Trace(name, times(part.bars, places), values, role=part.name, dash=dash))
        return Chart("Bar, UTC", "Equity, start of the segment = 1", traces, is_time=True)


def compare(kind: str, keys: Sequence[int]) -> Comparison:
    """Return the comparison of things of one kind, in the order asked for.

    Raises
    ------
    InvalidArgument
        If the kind is unknown or there are not two to five different keys.
    NotFound
        If one of them does not exist.
    """
    if kind not in READERS:
        raise InvalidArgument(f"kind should be one of {', '.join(READERS)}, is {kind[:40]!r}")
    wanted = list(dict.fromkeys(keys))
    if not FEWEST <= len(wanted) <= MOST:
        raise InvalidArgument(f"id should name {FEWEST} to {MOST} different {kind}, names {len(wanted)}")
    found = READERS[kind](wanted)
    if missing := [key for key in wanted if key not in found]:
        raise NotFound(f"no such {kind.removesuffix('s')}: {missing[0]}")
    return Comparison(kind, [_measure(found[key]) for key in wanted])


def _measure(entry: Entry) -> Measured:
    if entry.strategy is None:
        return Measured(entry, problem=NOT_ENDED)
    try:
        bars = query_bars(entry.dataset)
        return Measured(entry, _segments(entry, bars))
    except TrainingDayError as error:
        return Measured(entry, problem=str(error))


def _segments(entry: Entry, bars: Bars) -> tuple[SegmentReport, ...]:
    """Return validation as the run's own window cut it, and the window itself where its exam was passed."""
    run, stamps = entry.run, bars.timestamps
    windows = TestWindow.objects.filter(market=entry.market)
    if run.finished_at is not None:
        windows = windows.filter(opened_at__lte=run.finished_at)
    split = plan_split(len(bars), stamps, windows.order_by("-last_us").first())
    assert entry.strategy is not None
    parts = [_backtest("validation", entry, entry.strategy, bars, split.validation)]
    if entry.look is not None:
        parts.append(_backtest("test", entry, entry.look.strategy, bars, split.test))
    return tuple(parts)


def _backtest(name: str, entry: Entry, strategy: Strategy, bars: Bars, part: slice) -> SegmentReport:
    held, market = bars[part], entry.market
    used = entry.run.configuration
    costs = Costs(used.get("fee", market.fee), used.get("slippage", market.slippage))
    positions = positions_of(strategy, bars[: part.stop])[part]
    per_year = used.get("bars_per_year", market.bars_per_year)
    result = run_backtest(held, positions, costs, bars_per_year=per_year)
    hold = run_backtest(held, np.ones(len(held)), costs, bars_per_year=per_year)
    return SegmentReport(name, held, result, hold)


def _rows(parts: list[SegmentReport | None]) -> list[MetricRow]:
    return [
        MetricRow(
            metric,
            [
                ("–", "") if part is None else (metric.shown(part.metrics), metric.interval(part.metrics))
                for part in parts
            ],
        )
        for metric in METRICS
    ]


def _sessions(keys: Sequence[int]) -> dict[int, Entry]:
    rows = TrainingSession.objects.select_related("market", "dataset__market", "look__strategy").filter(
        pk__in=keys
    )
    models = _deployable(ModelVersion.objects.filter(session__in=keys))
    newest = {model.session_id: model for model in models}
    return {row.pk: _session(row, newest.get(row.pk)) for row in rows}


def _session(row: TrainingSession, model: ModelVersion | None) -> Entry:
    settings = _run_settings(row) | _flat(row.environment, "environment") | {"preset": row.preset}
    strategy = model.selection_strategy if model else None
    return Entry(
        row.public_id, row.get_absolute_url(), row, row.dataset, strategy, _passed(row.look), settings
    )


def _models(keys: Sequence[int]) -> dict[int, Entry]:
    related = (
        "session__market",
        "session__look__strategy",
        "dataset__market",
        "selection_strategy",
        "parent",
    )
    rows = ModelVersion.objects.select_related(*related).filter(pk__in=keys)
    return {row.pk: _model(row) for row in rows}


def _model(row: ModelVersion) -> Entry:
    settings = _run_settings(row.session) | _flat(row.hyperparameters, "hyperparameters")
    settings |= {
        "algorithm": row.algorithm,
        "session": row.session.public_id,
        "parent": f"v{row.parent.number}" if row.parent else "none",
        "seed": str(row.seed),
        "stage": row.stage,
    }
    look = _passed(row.session.look)
    own = look if look is not None and look.strategy_id == row.strategy_id else None
    title = f"{row.session.market.slug} v{row.number}"
    return Entry(
        title, row.get_absolute_url(), row.session, row.dataset, row.selection_strategy, own, settings
    )


def _tournaments(keys: Sequence[int]) -> dict[int, Entry]:
    rows = Tournament.objects.select_related("market", "dataset__market", "winner").filter(pk__in=keys)
    exams = Look.objects.filter(run_kind=Tournament.kind, run_pk__in=keys).select_related("strategy")
    look_of = {look.run_pk: _passed(look) for look in exams}
    return {
        row.pk: Entry(
            row.public_id, row.get_absolute_url(), row, row.dataset, row.winner, look_of.get(row.pk),
            _run_settings(row) | {"n_generations": str(row.n_generations)},
        )
        for row in rows
    }  # fmt: skip


READERS: dict[str, Callable[[Sequence[int]], dict[int, Entry]]] = {
    "sessions": _sessions,
    "models": _models,
    "tournaments": _tournaments,
}


def _deployable(models: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
    """Return models that may be deployed, the newest of each session last; a baseline never is."""
    kept = models.filter(~Q(stage=ModelVersion.Stage.BASELINE))
    return kept.select_related("selection_strategy").order_by("number")


def _passed(look: Look | None) -> Look | None:
    return look if look is not None and look.verdict == Verdict.PASSED else None


def _run_settings(run: Any) -> dict[str, str]:
    return {
        "market": run.market.slug,
        "dataset": f"v{run.dataset.version} {run.dataset.sha256[:12]}",
        "seed": str(run.seed),
        "trigger": run.get_trigger_display(),
    } | _flat(run.configuration, "")


def _flat(value: Any, name: str) -> dict[str, str]:
    """Return nested settings by dotted name, as text."""
    if not isinstance(value, dict):
        return {name: str(value)}
    flat: dict[str, str] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{name}.{key}" if name else str(key))
    return flat
