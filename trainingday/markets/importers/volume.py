"""Volume in base units: by content where a file has two volume columns, by name or word where it has one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainingday.markets.importers.columns import ColumnPlan
from trainingday.markets.importers.faults import RowFaults
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.table import Table
from trainingday.markets.importers.values import check_volume, parse_numbers
from trainingday.markets.quality import Finding
from trainingday.typing import BoolArray, FloatArray

RELATED = 0.2  # |log| within which quote volume / base volume is the price
CLEAR_PRICE = 0.2  # |log price| under which base and quote volume look alike


@dataclass(frozen=True)
class Volume:
    """Base volume per row of shape (n_rows,), its unit in the file, and what was odd."""

    values: FloatArray
    unit: str
    findings: tuple[Finding, ...] = ()


def read_volume(
    table: Table, plan: ColumnPlan, prices: dict[str, FloatArray], faults: RowFaults, options: ImportOptions
) -> Volume:
    """Return the volume in base units; quote volume is divided by the bar's mean of high, low and close.

    Notes
    -----
    With two volume columns each row decides: the one whose ratio to the other is the price is the quote
    volume. Vendors have swapped the two in mid-file.
    """
    if not plan.volumes:
        missing = Finding("no_volume", "the file has no volume; it is stored as 0")
        return Volume(np.zeros(table.n_rows), "none", (missing,))
    with np.errstate(all="ignore"):
        typical = (prices["high"] + prices["low"] + prices["close"]) / 3
    first, second = _parse(table, plan, faults)
    if second is not None:
        return _from_two(table, plan, first, second, typical, faults)
    name = table.label(plan.volumes[0][0])
    check_volume(first, name, faults)
    is_quote = options.volume_unit == "quote" or (options.volume_unit is None and plan.volumes[0][1])
    if is_quote:
        with np.errstate(all="ignore"):  # rows with faults are refused or set aside later
            return Volume(first / typical, "quote")
    findings: tuple[Finding, ...] = ()
    if faults.good.any() and not first[faults.good].any():
        findings = (Finding("no_volume", "every volume in the file is 0"),)
    return Volume(first, "base (given)" if options.volume_unit else "base (assumed)", findings)


def _parse(table: Table, plan: ColumnPlan, faults: RowFaults) -> tuple[FloatArray, FloatArray | None]:
    parsed = [
        parse_numbers(table.columns[column], table.label(column), faults, decimal_comma=plan.decimal_comma)
        for column, _ in plan.volumes
    ]
    return parsed[0], parsed[1] if len(parsed) > 1 else None


def _from_two(
    table: Table,
    plan: ColumnPlan,
    base: FloatArray,
    quote: FloatArray,
    typical: FloatArray,
    faults: RowFaults,
) -> Volume:
    for values, (column, _) in zip((base, quote), plan.volumes, strict=True):
        check_volume(values, table.label(column), faults)
    swapped, known = _swapped_rows(base, quote, typical)
    if not known.any():
        return Volume(base, "base (by name)")
    n_known, n_swapped = int(known.sum()), int((swapped & known).sum())
    if n_swapped == 0:
        return Volume(base, "base")
    if n_swapped == n_known:
        return Volume(quote, "base (the columns' names are exchanged)")
    finding = Finding(
        "volume_unit_switch",
        f"base and quote volume change places: in {n_swapped:,} of {n_known:,} rows "
        f"{table.label(plan.volumes[1][0])} holds the base volume; each row was read by its own ratio",
        n_swapped,
    )
    return Volume(np.where(swapped, quote, base), "base (chosen per row)", (finding,))


def _swapped_rows(base: FloatArray, quote: FloatArray, typical: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Return where base and quote are exchanged, and where that can be told."""
    known_values = np.isfinite(base) & np.isfinite(quote) & np.isfinite(typical)
    usable = known_values & (base > 0) & (quote > 0) & (typical > 0)
    # the difference of logarithms cannot overflow, where the ratio of a denormal volume does
    ratio = np.log(np.where(usable, quote, 1.0)) - np.log(np.where(usable, base, 1.0))
    price = np.log(np.where(usable, typical, 1.0))
    as_named, exchanged = np.abs(ratio - price), np.abs(-ratio - price)
    known = usable & (np.abs(price) > CLEAR_PRICE) & (np.minimum(as_named, exchanged) < RELATED)
    return exchanged < as_named, known
