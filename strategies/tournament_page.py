"""What a tournament's page shows, in one object; every score is of bars that may be seen."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from strategies.leaderboard import Standing, leaderboard
from strategies.models import Tournament
from strategies.plans import SEARCHES
from trainingday.charts import Chart, Trace
from trainingday.runs.progress import RunProgress, read_progress
from trainingday.typing import JSONDict

N_COLOURS = 8
N_OF_A_FAMILY = 5
SCORE_COLUMNS = (
    "place", "name", "label", "uid", "operator", "generation", "eliminated_at", "fitness", "sharpe_ratio",
    "earlier_sharpe", "degradation", "sharpe_double_costs", "total_return", "max_drawdown", "win_rate",
    "n_trades", "turnover", "n_alike",
)  # fmt: skip


class TournamentPage:
    """One tournament with its leaderboard, charts and front; six queries in all."""

    def __init__(self, tournament: Tournament) -> None:
        self.tournament = tournament
        self.summary: JSONDict = tournament.summary

    @cached_property
    def live(self) -> RunProgress:
        return read_progress(self.tournament)

    @cached_property
    def standings(self) -> list[Standing]:
        return leaderboard(self.tournament, per_family=N_OF_A_FAMILY)

    @property
    def search(self) -> str:
        return SEARCHES[self.tournament.configuration.get("search", "genetic")]

    @property
    def seeded_from(self) -> int | None:
        past: int | None = self.tournament.configuration.get("seeded_from")
        return past

    @property
    def snooping_baseline(self) -> str:
        baseline = self.summary.get("data_snooping", {}).get("baseline", "")
        return {"buy_and_hold": "buy & hold", "flat": "not trading"}.get(baseline, "the market")

    @cached_property
    def generations(self) -> Chart:
        """Return best, median and diversity by generation."""
        history = self.tournament.history or self.live.payloads("generation")
        rows: list[Any] = [row for row in history if isinstance(row, dict) and "generation" in row]
        x = [row["generation"] for row in rows]
        best = Trace("best", x, [row.get("best") for row in rows], mode="lines+markers")
        median = Trace("median", x, [row.get("median") for row in rows], role="dim", mode="lines+markers")
        spread = Trace(
            "diversity (0 to 1)", x, [row.get("diversity") for row in rows], role="family-1", dash="dot"
        )
        return Chart("Generation", "Fitness on validation", [best, median, spread])

    @cached_property
    def front(self) -> JSONDict | None:
        return self.summary.get("front")

    @cached_property
    def front_chart(self) -> Chart:
        """Return the front as drawdown against fitness; hovering tells the turnover."""
        entries = self.front["entries"] if self.front else []
        traces = [
            _front_trace("front", [row for row in entries if not row["is_winner"]], "family-1", "circle"),
            _front_trace("sits the exam", [row for row in entries if row["is_winner"]], "ink", "diamond"),
        ]
        return Chart("Max drawdown on validation [%]", "Fitness on validation", traces)

    @cached_property
    def scatter(self) -> Chart:
        """Return the Sharpe ratio on the bars before validation against the one that chose, by family."""
        rows = [
            row for row in self.summary.get("earlier", ()) if None not in (row["earlier"], row["validation"])
        ]
        families = list(dict.fromkeys(row["family"] for row in rows))
        traces = [
            Trace(
                family,
                [row["validation"] for row in rows if row["family"] == family],
                [row["earlier"] for row in rows if row["family"] == family],
                role=f"family-{number}" if number <= N_COLOURS else "dim",
                mode="markers",
                labels=[_scatter_label(row) for row in rows if row["family"] == family],
            )
            for number, family in enumerate(families, 1)
        ]
        both = [value for row in rows for value in (row["validation"], row["earlier"])]
        if both:
            ends = [min(both), max(both)]
            traces.append(Trace("equal", ends, ends, role="dim", dash="dot"))
        return Chart(
            "Sharpe on validation: in-sample, it chose them", "Sharpe on train: out of this selection", traces
        )

    @cached_property
    def curves(self) -> Chart:
        """Return the finalists' equity on validation beside buy & hold."""
        held = self.summary.get("curves", {"times": [], "lines": []})
        times = [datetime.fromtimestamp(stamp / 1e6, UTC).isoformat() for stamp in held["times"]]
        traces = [
            Trace(
                f"{number}. {line['label']}" if line["uid"] else "buy & hold",
                times,
                line["equity"],
                role=f"family-{number}" if line["uid"] else "dim",
                dash="solid" if line["uid"] else "dot",
            )
            for number, line in enumerate(held["lines"], 1)
        ]
        return Chart("Time, UTC", "Equity on validation, start = 1", traces, is_time=True)


def _front_trace(name: str, rows: list[JSONDict], role: str, symbol: str) -> Trace:
    return Trace(
        name,
        [100 * row["max_drawdown"] for row in rows],
        [row["fitness"] for row in rows],
        role=role,
        mode="markers",
        symbol=symbol,
        labels=[
            f"{row['label']}<br>fitness {row['fitness']:.2f}, drawdown {100 * row['max_drawdown']:.1f} %, "
            f"turnover {row['turnover']:.0f} a year"
            for row in rows
        ],
    )


def _scatter_label(row: JSONDict) -> str:
    return f"{row['family']} {row['uid']}<br>validation {row['validation']:.2f}, train {row['earlier']:.2f}"
