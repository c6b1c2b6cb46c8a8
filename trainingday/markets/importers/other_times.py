"""A second column of times beside the one that was taken: where the two contradict each other it is said."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainingday.markets.importers.columns import ColumnPlan
from trainingday.markets.importers.formats import FAMILIES, Family, matches, parse_family
from trainingday.markets.importers.names import ALIASES, key
from trainingday.markets.importers.table import Table
from trainingday.markets.importers.timestamps import by_size
from trainingday.markets.importers.values import is_text
from trainingday.markets.quality import Finding, counted
from trainingday.typing import BoolArray, IntArray

NAMES = {*ALIASES["time"], *ALIASES["date"]} - {""}
USUAL_SHARE = 0.9  # of the rows have one distance between the two columns, else they are two different things
HOUR_US = 3_600_000_000


def find_contradictions(
    table: Table, plan: ColumnPlan, micros: IntArray, good: BoolArray
) -> tuple[Finding, ...]:
    """Return a finding for each other column of times that leaves its usual distance from the taken times.

    Parameters
    ----------
    micros : ndarray of shape (n_rows,), int64
        The taken times, microseconds UTC.
    good : ndarray of shape (n_rows,), bool
        Rows whose taken time is valid.
    """
    if table.kind != "text" or plan.clock is not None:
        return ()
    others = [
        column
        for column, name in enumerate(table.names or ())
        if column != plan.time and key(name) in NAMES and is_text(table.columns[column])
    ]
    found = (_contradiction(table, column, plan, micros, good) for column in others)
    return tuple(finding for finding in found if finding is not None)


def _contradiction(
    table: Table, column: int, plan: ColumnPlan, micros: IntArray, good: BoolArray
) -> Finding | None:
    times, is_known = _parse(pc.utf8_trim(table.columns[column], " \t"))
    is_known &= good
    if not is_known.any():
        return None
    distances, counts = np.unique((times - micros)[is_known], return_counts=True)
    n_known, n_usual = int(counts.sum()), int(counts.max())
    if n_usual == n_known or n_usual < USUAL_SHARE * n_known:
        return None
    usual = int(distances[counts.argmax()])
    n_other = n_known - n_usual
    away = f"{usual / HOUR_US:+.6g} h away from" if usual else "the same as"
    return Finding(
        "times_disagree",
        f"column {table.label(column)} is {away} {table.label(plan.time)}, but not in {counted(n_other, 'row')}; "
        f"{table.label(plan.time)} was taken",
        n_other,
    )


def _parse(cells: pa.ChunkedArray) -> tuple[IntArray, BoolArray]:
    """Return each row's time by whichever format it has, and where it has one that says the date's order."""
    micros = np.zeros(len(cells), dtype=np.int64)
    is_known = np.zeros(len(cells), dtype=np.bool_)
    for family in FAMILIES:
        if family.has_numeric_date or family.has_named_zone or is_known.all():
            continue
        fits = matches(cells, family) & ~is_known
        if fits.any():
            times, is_valid = _times(cells.filter(pa.array(fits)), family)
            micros[fits], is_known[fits] = times, is_valid
    return micros, is_known


def _times(cells: pa.ChunkedArray, family: Family) -> tuple[IntArray, BoolArray]:
    if family.is_epoch:
        times, _ = by_size(np.asarray(pc.cast(cells, pa.float64()).to_numpy()))
        return times, np.ones(len(cells), dtype=np.bool_)
    wall, is_valid, offset = parse_family(cells, family, None)
    return np.where(is_valid, wall - offset, 0), is_valid
