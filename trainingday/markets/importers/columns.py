"""Which column is what: by the header's names, by the user's word, or by OHLC logic where nothing is named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.formats import FAMILIES, matches
from trainingday.markets.importers.names import (
    GROUPED,
    PRICES,
    find_role,
    key,
    says_quote,
    volume_columns,
)
from trainingday.markets.importers.options import ImportOptions
from trainingday.markets.importers.table import Table
from trainingday.markets.importers.values import NUMBER, has_decimal_comma, is_text
from trainingday.typing import FloatArray

# every exchange and vendor known to us writes the open before the close, KuCoin O C H L, Coinbase L H O C
ORDERS = ("OHLC", "OCHL", "OCLH", "OLHC", "HLOC", "LHOC")
PASSING_SHARE = 0.99
CLOCK = r"^[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?$"
SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class ColumnPlan:
    """Column indices by role; `volumes` holds (index, name says quote) for one or two volume columns."""

    time: int
    prices: dict[str, int]
    volumes: tuple[tuple[int, bool], ...]
    clock: int | None = None
    adjusted: dict[str, int] | None = None
    adj_close: int | None = None
    close_time: bool = False
    is_group: bool = False
    decimal_comma: bool = False

    def labels(self, table: Table) -> dict[str, str]:
        """Return each role's column by the file's own name."""
        roles = {"time": self.time, **self.prices}
        if self.clock is not None:
            roles["clock"] = self.clock
        for index, (column, quote) in enumerate(self.volumes):
            is_quote = index == 1 or (quote and len(self.volumes) > 1)
            roles["quote_volume" if is_quote else "volume"] = column
        return {role: table.label(column) for role, column in roles.items()}


def plan_columns(table: Table, options: ImportOptions) -> ColumnPlan:
    """Return the roles of a table's columns.

    Raises
    ------
    ImportRefused
        `duplicate_column`, `columns`, `column_type`, `ambiguous_columns` or `ambiguous_decimal`.
    """
    decimal_comma = table.kind == "text" and _has_decimal_comma(table, options)
    given = _given_roles(table, options)
    if table.names is None and not given:
        return _plan_by_content(table, decimal_comma)
    plan = _plan_by_name(table, options, given, decimal_comma)
    _refuse_text_numbers(table, plan)
    return plan


def _has_decimal_comma(table: Table, options: ImportOptions) -> bool:
    if options.decimal is not None:
        return options.decimal == ","
    return table.delimiter != "," and has_decimal_comma(list(table.columns))


def _refuse_text_numbers(table: Table, plan: ColumnPlan) -> None:
    """Refuse typed tables that store their numbers as text: whoever wrote them did not mean numbers."""
    if table.kind not in ("parquet", "feather"):
        return
    for column in (*plan.prices.values(), *(column for column, _ in plan.volumes)):
        if is_text(table.columns[column]):
            raise ImportRefused(
                "column_type", f"column {table.label(column)} should hold numbers, holds text"
            )


def _given_roles(table: Table, options: ImportOptions) -> dict[str, int]:
    """Return the user's column choices: names as in the file, or numbers from 1."""
    names = {name: index for index, name in enumerate(table.names or ())}
    roles = {}
    for name, role in options.columns.items():
        index = names.get(name)
        if index is None and name.isdigit() and 1 <= int(name) <= len(table.columns):
            index = int(name) - 1
        if index is None:
            raise ImportRefused("columns", f"the file has no column {name[:60]!r}")
        roles[role if role != "ignore" else f"ignore{index}"] = index
    return roles


def _plan_by_name(
    table: Table, options: ImportOptions, given: dict[str, int], decimal_comma: bool
) -> ColumnPlan:
    names, is_group = _named_columns(table, options, set(given.values()))
    roles: dict[str, int | None] = {
        role: given.get(role, find_role(names, role))
        for role in ("close_time", "adj_open", "adj_high", "adj_low", "adj_close", "adj_volume", *PRICES)
    }
    clock = given.get("clock")
    time = given.get("time", given.get("date"))
    if time is None:
        time, clock = _find_time(table, names, clock)
    by_close = time is None and roles["close_time"] is not None
    time = roles["close_time"] if by_close else time
    missing = [role for role in PRICES if roles[role] is None] + (["time"] if time is None else [])
    if missing or time is None:
        held = ", ".join(filter(None, table.names or ()))[:200]
        raise ImportRefused("columns", f"no column for {', '.join(missing)} was found; the file has: {held}")
    prices = {role: column for role in PRICES if (column := roles[role]) is not None}
    return ColumnPlan(
        time=time,
        prices=prices,
        volumes=_find_volumes(names, given),
        clock=clock,
        adjusted=_adjusted_set(roles),
        adj_close=roles["adj_close"],
        close_time=by_close,
        is_group=is_group,
        decimal_comma=decimal_comma,
    )


def _named_columns(table: Table, options: ImportOptions, taken: set[int]) -> tuple[dict[str, int], bool]:
    """Return column indices by key, of one group where the table is wide."""
    labels = [(name or "").strip() for name in table.names or ()]
    repeated = [
        name for name, count in Counter(label.lower() for label in labels if label).items() if count > 1
    ]
    if repeated:
        raise ImportRefused("duplicate_column", f"the header names column {repeated[0][:60]!r} twice")
    groups: dict[str, dict[str, int]] = {}
    plain: dict[str, int] = {}
    for index, label in enumerate(labels):
        match = GROUPED.match(label)
        if match:
            groups.setdefault(match["group"], {})[key(match["name"])] = index
        elif index not in taken:
            plain.setdefault(key(label), index)
    if not groups:
        return plain, False
    if options.group is None and len(groups) > 1:
        raise ImportRefused(
            "ambiguous_columns", f"the file holds several markets; choose one of {', '.join(groups)}"
        )
    chosen = options.group or next(iter(groups))
    if chosen not in groups:
        raise ImportRefused("columns", f"the file has no group {chosen[:20]!r}; it has {', '.join(groups)}")
    return {**plain, **groups[chosen]}, True


def _find_time(table: Table, names: dict[str, int], clock: int | None) -> tuple[int | None, int | None]:
    """Return the time column and, where date and time of day stand apart, the clock column."""
    date, hour = find_role(names, "date"), clock if clock is not None else find_role(names, "clock")
    if date is not None and hour is not None and date != hour and _is_clock(table.columns[hour]):
        return date, hour
    for name, column in names.items():
        # a column without a name is an index only in first place
        if name == "" and column != 0:
            return find_role({k: v for k, v in names.items() if k}, "time"), None
    return find_role(names, "time"), None


def _is_clock(column: pa.ChunkedArray) -> bool:
    return is_text(column) and bool(pc.all(pc.match_substring_regex(column.slice(0, 100), CLOCK)).as_py())


def _find_volumes(names: dict[str, int], given: dict[str, int]) -> tuple[tuple[int, bool], ...]:
    if "volume" in given or "quote_volume" in given:
        return tuple(
            (given[role], role == "quote_volume") for role in ("volume", "quote_volume") if role in given
        )
    found = volume_columns(names)
    quotes = [(column, True) for name, column in found.items() if says_quote(name)]
    # with "volume_btc" beside it, the plain "volume" comes second and content decides
    others = sorted(
        ((name, column) for name, column in found.items() if not says_quote(name)),
        key=lambda item: (item[0].startswith("tick"), item[0] == "volume" and len(found) > 1),
    )
    bases = [(column, False) for _, column in others]
    if bases and quotes:
        return bases[0], quotes[0]
    return tuple((bases or quotes)[:2])


def _adjusted_set(roles: dict[str, int | None]) -> dict[str, int] | None:
    found = {role: column for role in PRICES if (column := roles[f"adj_{role}"]) is not None}
    if len(found) < len(PRICES):
        return None
    volume = roles["adj_volume"]
    return found if volume is None else {**found, "volume": volume}


def _plan_by_content(table: Table, decimal_comma: bool) -> ColumnPlan:
    """Return roles of a table without names: time first, then four prices in the one order that passes."""
    sample = [column.slice(0, SAMPLE_ROWS) for column in table.columns]
    time = next((index for index in range(min(3, len(sample))) if _is_time(sample[index])), None)
    if time is None:
        raise ImportRefused("columns", "the file has no header, and no column of times was found")
    start, clock = time + 1, None
    if start < len(sample) and _is_clock(sample[start]):
        start, clock = start + 1, start
    numeric = []
    for column in range(start, len(sample)):
        if _is_numeric(sample[column], decimal_comma):
            numeric.append(column)
        elif numeric:
            break
    if len(numeric) < 4:
        raise ImportRefused("columns", "the file has no header, and no four price columns were found")
    order = _only_order([_numbers(sample[column], decimal_comma) for column in numeric[:4]])
    roles = {"O": "open", "H": "high", "L": "low", "C": "close"}
    prices = {roles[letter]: numeric[place] for place, letter in enumerate(order)}
    volumes = ((numeric[4], False),) if len(numeric) > 4 else ()
    return ColumnPlan(time, prices, volumes, clock, decimal_comma=decimal_comma)


def _only_order(values: list[FloatArray]) -> str:
    """Return the one conventional order of four columns in which they are open, high, low, close."""
    passing = []
    for order in ORDERS:
        by_letter = dict(zip(order, values, strict=True))
        high, low = by_letter["H"], by_letter["L"]
        inside = (high >= low) & (by_letter["O"] <= high) & (by_letter["O"] >= low)
        inside &= (by_letter["C"] <= high) & (by_letter["C"] >= low)
        known = np.isfinite(high + low + by_letter["O"] + by_letter["C"])
        if known.any() and inside[known].mean() >= PASSING_SHARE:
            passing.append(order)
    if len(passing) == 1:
        return passing[0]
    if not passing:
        return "OHLC"  # the values decide: each bad row is named
    raise ImportRefused(
        "ambiguous_columns",
        f"the file has no header, and its columns may be {' or '.join(passing)}; name them",
    )


def _is_time(column: pa.ChunkedArray) -> bool:
    """Return whether most cells are dates; plain numbers must have the size of an epoch time."""
    if not is_text(column):
        return bool(pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))
    for family in FAMILIES:
        mask = matches(pc.utf8_trim(column, " \t"), family)
        if mask.mean() < 0.5:
            continue
        if not family.is_epoch:
            return True
        numbers = _numbers(column, False)
        numbers = numbers[np.isfinite(numbers)]
        since_midnight = bool(np.all(numbers == np.round(numbers))) and bool(np.all(np.diff(numbers) > 0))
        return bool(np.median(numbers) >= 1e8) or since_midnight
    return False


def _is_numeric(column: pa.ChunkedArray, decimal_comma: bool) -> bool:
    if not is_text(column):
        return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))
    return bool(np.isfinite(_numbers(column, decimal_comma)).mean() >= 0.5)


def _numbers(column: pa.ChunkedArray, decimal_comma: bool) -> Any:
    """Return the cells as floats, NaN where they are none: a look, not an import."""
    if not is_text(column):
        return pc.cast(column, pa.float64(), safe=False).to_numpy()
    column = pc.utf8_trim(column, " \t")
    column = pc.replace_substring(column, ",", ".") if decimal_comma else column
    is_number = pc.match_substring_regex(column, NUMBER)
    return pc.cast(pc.if_else(is_number, column, pa.scalar("nan")), pa.float64()).to_numpy()
