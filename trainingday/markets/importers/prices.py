"""Open, high, low and close: raw or adjusted, scaled, checked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.columns import ColumnPlan
from trainingday.markets.importers.faults import RowFaults
from trainingday.markets.importers.names import PRICES
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.table import Table
from trainingday.markets.importers.values import check_prices, is_text, parse_numbers
from trainingday.markets.quality import Finding
from trainingday.typing import FloatArray

SCALED_ABOVE = 10_000.0  # whole prices from here on, nearly all of them multiples of 100, look scaled
SCALED_STEP = 100.0
SCALED_SHARE = 0.95


def read_prices(
    table: Table, plan: ColumnPlan, faults: RowFaults, options: ImportOptions
) -> tuple[dict[str, FloatArray], str, tuple[Finding, ...]]:
    """Return the four price columns, "raw" or "adjusted" (with its reason), and what was odd.

    Raises
    ------
    ImportRefused
        `ambiguous_adjustment` where raw and adjusted prices differ and none was chosen, `ambiguous_scale`
        where prices are whole hundreds.
    """
    columns = plan.prices
    findings: list[Finding] = []
    adjusted = "as in the file"
    if plan.adjusted is not None and options.prices == "adjusted":
        columns, adjusted = {role: plan.adjusted[role] for role in PRICES}, "adjusted (given)"
    prices = {role: _parse(table, columns[role], plan, faults) for role in PRICES}
    if plan.adjusted is not None and options.prices is None and _differs(table, plan, prices):
        raise ImportRefused(
            "ambiguous_adjustment",
            "the file has raw and adjusted prices, and they differ; choose one of them",
        )
    if plan.adjusted is None and plan.adj_close is not None:
        adjusted, found = _with_adjusted_close(table, plan, prices, faults, options)
        findings += found
    elif options.prices == "raw":
        adjusted = "raw (given)"
    _rescale(prices, faults, options)
    n_noisy = check_prices(prices, faults)
    if n_noisy:
        findings.append(
            Finding(
                "float_noise", f"{n_noisy:,} bars had an open or close 1e-9 outside of low..high", n_noisy
            )
        )
    return prices, adjusted, tuple(findings)


def _parse(table: Table, column: int, plan: ColumnPlan, faults: RowFaults) -> FloatArray:
    values = parse_numbers(
        table.columns[column], table.label(column), faults, decimal_comma=plan.decimal_comma
    )
    return values if values.flags.writeable else values.copy()


def _differs(table: Table, plan: ColumnPlan, prices: dict[str, FloatArray]) -> bool:
    assert plan.adjusted is not None
    other = _look(table, plan.adjusted["close"], plan)
    return other is not None and bool(np.any(np.abs(other / prices["close"] - 1) > 1e-9))


def _look(table: Table, column: int, plan: ColumnPlan) -> FloatArray | None:
    """Return an optional column, None where it is empty or no numbers; its faults do not count."""
    cells: pa.ChunkedArray = table.columns[column]
    if is_text(cells) and bool(pc.all(pc.equal(cells, "")).as_py()):
        return None
    scratch = RowFaults(table.n_rows, lambda row, name: "")
    values = parse_numbers(cells, "adjusted close", scratch, decimal_comma=plan.decimal_comma)
    return values if scratch.good.all() else None


def _with_adjusted_close(
    table: Table, plan: ColumnPlan, prices: dict[str, FloatArray], faults: RowFaults, options: ImportOptions
) -> tuple[str, list[Finding]]:
    """Apply or report an adjusted close that stands beside raw prices."""
    assert plan.adj_close is not None
    adjusted_close = _look(table, plan.adj_close, plan)
    if adjusted_close is None:
        if options.prices == "adjusted":
            raise ImportRefused("columns", "the adjusted close is empty; the file has raw prices only")
        return "raw (adjusted close is empty)", []
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = adjusted_close / prices["close"]
    if not np.any(np.abs(factor - 1) > 1e-9):
        return "raw equals adjusted", []
    if options.prices == "adjusted":
        faults.mark(~(factor > 0), "price_not_positive", table.label(plan.adj_close))
        for values in prices.values():
            values *= factor
        return "adjusted (by adjusted close)", []
    note = Finding(
        "adjusted_close_ignored", "the file's adjusted close differs from its close; raw prices were taken"
    )
    return "raw (adjusted close left out)", [] if options.prices == "raw" else [note]


def _rescale(prices: dict[str, FloatArray], faults: RowFaults, options: ImportOptions) -> None:
    if options.price_scale is not None:
        for values in prices.values():
            values /= options.price_scale
        return
    good = faults.good
    if not good.any():
        return
    for values in prices.values():
        sample = values[good]
        if (
            sample.min() < SCALED_ABOVE
            or np.any(sample % 1)
            or np.mean(sample % SCALED_STEP == 0) < SCALED_SHARE
        ):
            return
    raise ImportRefused(
        "ambiguous_scale",
        f"prices are whole multiples of 100 (the first close is {prices['close'][good][0]:,.0f}); equity files "
        "often store prices times 10,000: give the price scale, 10000 or 1",
    )
