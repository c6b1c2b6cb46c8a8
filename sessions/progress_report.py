"""What training has come to over time: generations, improvements, what each of them cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncMonth

from sessions.models import TrainingSession
from strategies.models import Look
from trainingday.charts import Chart, Trace
from trainingday.runs.models import RunState
from trainingday.stats.evidence import Verdict
from trainingday.stats.proportions import wilson_interval
from trainingday.stats.ratios import Interval
from trainingday.typing import JSONDict

COLUMNS = (
    "market", "month", "n_ended", "n_generations", "n_failed", "n_improvements", "n_looks", "cpu_seconds"
)  # fmt: skip


@dataclass
class Period:
    """What happened to a market in a month, or in all of them (`month` is None)."""

    market: str
    month: date | None
    n_ended: int = 0
    n_generations: int = 0
    n_failed: int = 0
    n_improvements: int = 0
    n_looks: int = 0
    cpu_seconds: float = 0.0

    def add(self, other: Period) -> None:
        for name in COLUMNS[2:]:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def cpu_per_improvement(self) -> float | None:
        """Return CPU seconds for each promoted improvement, None where there was none."""
        return self.cpu_seconds / self.n_improvements if self.n_improvements else None

    @property
    def looks_per_improvement(self) -> float | None:
        return self.n_looks / self.n_improvements if self.n_improvements else None

    @property
    def rate(self) -> float | None:
        return self.n_improvements / self.n_generations if self.n_generations else None

    @property
    def interval(self) -> Interval | None:
        """Return Wilson's 95 % interval of the share of generations that were promoted."""
        return wilson_interval(self.n_improvements, self.n_generations)

    def row(self) -> list[Any]:
        return [getattr(self, name) for name in COLUMNS]

    def as_dict(self) -> JSONDict:
        """Return what was counted, JSON-safe; all else follows from it."""
        month = self.month.isoformat() if self.month else None
        return dict(zip(COLUMNS, self.row(), strict=True)) | {"month": month}

    @classmethod
    def from_dict(cls, counted: Mapping[str, Any]) -> Period:
        month = counted["month"]
        return cls(**{**counted, "month": date.fromisoformat(month) if month else None})


@dataclass(frozen=True)
class ProgressReport:
    """Months in the order of time, newest first, with the sums by market and of all."""

    months: list[Period]
    markets: list[Period] = field(default_factory=list)

    @classmethod
    def of(cls, periods: Iterable[Period]) -> ProgressReport:
        """Return the report of periods of one market and month each."""
        months = sorted(periods, key=lambda each: (each.month, each.market), reverse=True)
        sums: dict[str, Period] = {}
        for period in months:
            sums.setdefault(period.market, Period(period.market, None)).add(period)
        return cls(months, sorted(sums.values(), key=lambda each: each.market))

    def as_rows(self) -> list[JSONDict]:
        """Return its periods as JSON, from which `from_rows` makes the same report again."""
        return [period.as_dict() for period in self.months]

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> ProgressReport:
        return cls.of(Period.from_dict(row) for row in rows)

    @cached_property
    def total(self) -> Period:
        total = Period("all markets", None)
        for period in self.months:
            total.add(period)
        return total

    @cached_property
    def by_month(self) -> list[Period]:
        """Return each month over all its markets, newest first."""
        sums: dict[date | None, Period] = {}
        for period in self.months:
            sums.setdefault(period.month, Period("", period.month)).add(period)
        return list(sums.values())

    @cached_property
    def chart(self) -> Chart:
        """Return generations and improvements, summed up over the months."""
        periods = self.by_month[::-1]
        x = [period.month.isoformat() for period in periods if period.month]
        traces = []
        for name, label, role in (
            ("n_generations", "generations", "dim"),
            ("n_improvements", "improvements promoted", "accent"),
        ):
            sums, so_far = [], 0
            for period in periods:
                so_far += getattr(period, name)
                sums.append(float(so_far))
            traces.append(Trace(label, x, sums, role=role, mode="lines+markers"))
        return Chart("Month", "Number so far", traces, is_time=True)


def progress_report(market: str = "", first: date | None = None, until: date | None = None) -> ProgressReport:
    """Return the report of one market, or of all, from the month `first` to before the month `until`; two queries."""
    periods: dict[tuple[str, date], Period] = {}
    for row in _sessions(market, first, until):
        key = (row.pop("market__slug"), row.pop("month").date())
        counts: dict[str, Any] = {name: value or 0 for name, value in row.items()}
        periods[key] = Period(*key, **counts)
    for row in _looks(market, first, until):
        key = (row["market__slug"], row["month"].date())
        periods.setdefault(key, Period(*key)).n_looks = row["n"]
    return ProgressReport.of(periods.values())


def _within(rows: Any, name: str, first: date | None, until: date | None) -> Any:
    """Keep what happened from the first day to before the last; months are of UTC."""
    bounds = {f"{name}__gte": first, f"{name}__lt": until}
    return rows.filter(
        **{key: datetime(day.year, day.month, day.day, tzinfo=UTC) for key, day in bounds.items() if day}
    )


def _sessions(market: str, first: date | None, until: date | None) -> Any:
    ended = TrainingSession.objects.filter(finished_at__isnull=False)
    rows = _within(ended, "finished_at", first, until)
    if market:
        rows = rows.filter(market__slug=market)
    return (
        rows.order_by()
        .annotate(month=TruncMonth("finished_at"))
        .values("market__slug", "month")
        .annotate(
            n_ended=Count("pk"),
            n_generations=Count("pk", filter=Q(generation__isnull=False)),
            n_failed=Count("pk", filter=Q(state=RunState.FAILED)),
            n_improvements=Count("pk", filter=Q(verdict=Verdict.PASSED)),
            cpu_seconds=Sum("cpu_seconds"),
        )
    )


def _looks(market: str, first: date | None, until: date | None) -> Any:
    charged = Look.objects.filter(is_charged=True, run_kind=TrainingSession.kind)
    rows = _within(charged, "created_at", first, until)
    if market:
        rows = rows.filter(market__slug=market)
    by_month = rows.order_by().annotate(month=TruncMonth("created_at"))
    return by_month.values("market__slug", "month").annotate(n=Count("pk"))
