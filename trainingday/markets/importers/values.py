"""Numbers: strict parsing of text, and the bounds that prices and volumes keep."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainingday.exceptions import ImportRefused
from trainingday.markets.importers.faults import RowFaults
from trainingday.typing import BoolArray, FloatArray

NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
COMMA_NUMBER = r"^[+-]?[0-9]+(?:,[0-9]+)?$"
THREE_DIGITS = r"^[+-]?[0-9]{1,3},[0-9]{3}$"
MISSING = {"", "nan", "null", "none", "na", "n/a", "-", "--", "nil", "#n/a", "<na>"}
INFINITE = {"inf", "infinity"}
MIN_PRICE, MAX_PRICE = 1e-12, 1e12
MAX_VOLUME = 1e18
FLOAT_NOISE = 1e-9  # relative; adjusted prices leave low..high by this much

Column: TypeAlias = Any  # pyarrow.ChunkedArray, which has no type information


def is_text(column: Column) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def parse_numbers(column: Column, name: str, faults: RowFaults, *, decimal_comma: bool = False) -> FloatArray:
    """Return the column as float64, shape (n_rows,); faulty cells are NaN and marked in `faults`.

    Notes
    -----
    Accepted: ASCII digits with an optional sign, decimal point and exponent. Not accepted: thousands
    separators, underscores, currency and percent signs, hex, other digits, booleans, formulas.
    """
    if not is_text(column):
        return _typed_numbers(column, name, faults)
    if decimal_comma:
        column = pc.replace_substring(column, ",", ".")
    try:
        values = pc.cast(column, pa.float64()).to_numpy()
        if np.isfinite(values).all():
            return np.asarray(values)
    except pa.ArrowInvalid:
        pass
    return _parse_slowly(pc.utf8_trim(column, " \t"), name, faults)


def _parse_slowly(column: Column, name: str, faults: RowFaults) -> FloatArray:
    is_number = pc.match_substring_regex(column, NUMBER)
    values = pc.cast(pc.if_else(is_number, column, pa.scalar("nan")), pa.float64()).to_numpy()
    mask = is_number.to_numpy()
    faults.mark(mask & ~np.isfinite(values), "not_finite", name)
    bare = pc.utf8_ltrim(pc.utf8_lower(column), "+-")
    others = pc.unique(bare.filter(pc.invert(is_number))).to_pylist()
    missing = [text for text in others if text in MISSING or text == ""]
    infinite = [text for text in others if text in INFINITE]
    faults.mark(~mask & _is_in(bare, missing), "missing_value", name)
    faults.mark(~mask & _is_in(bare, infinite), "not_finite", name)
    faults.mark(~mask, "bad_number", name)
    return np.where(np.isfinite(values), values, np.nan)


def _is_in(column: Column, texts: list[str]) -> BoolArray:
    return np.asarray(pc.is_in(column, value_set=pa.array(texts, pa.string())).to_numpy(zero_copy_only=False))


def _typed_numbers(column: Column, name: str, faults: RowFaults) -> FloatArray:
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)):
        raise ImportRefused("column_type", f"column {name} should hold numbers, holds {str(kind)[:60]}")
    is_null = pc.is_null(column).to_numpy()
    values = pc.cast(column, pa.float64(), safe=False).to_numpy().astype(np.float64, copy=True)
    faults.mark(is_null, "missing_value", name)
    faults.mark(~np.isfinite(values), "not_finite", name)
    values[~np.isfinite(values)] = np.nan
    return np.asarray(values)


def has_decimal_comma(columns: list[Column]) -> bool:
    """Return whether the text columns write 1,5 for 1.5.

    Raises
    ------
    ImportRefused
        `ambiguous_decimal` if every number with a comma could as well be thousands (1,234).
    """
    found, only_thousands = False, True
    for column in columns:
        if not is_text(column):
            continue
        with_comma = column.filter(pc.match_substring(column, ","))
        if len(with_comma) == 0:
            continue
        if (
            pc.any(pc.match_substring(column, ".")).as_py()
            or not pc.all(pc.match_substring_regex(with_comma, COMMA_NUMBER)).as_py()
        ):
            return False
        found = True
        only_thousands &= bool(pc.all(pc.match_substring_regex(with_comma, THREE_DIGITS)).as_py())
    if found and only_thousands:
        raise ImportRefused(
            "ambiguous_decimal",
            "numbers such as 1,234 may mean 1.234 or 1234; say that the decimal mark is a comma, or write them "
            "without thousands separators",
        )
    return found


def check_prices(prices: dict[str, FloatArray], faults: RowFaults) -> int:
    """Mark prices outside their bounds or their bar; return how many bars had float noise removed.

    An open or close outside low..high by at most 1e-9 of the price is float noise of adjusted data: the
    high or low is moved to it.
    """
    for name, values in prices.items():
        faults.mark(values <= 0, "price_not_positive", name)
        faults.mark((values < MIN_PRICE) | (values > MAX_PRICE), "price_out_of_range", name)
    high, low = prices["high"], prices["low"]
    faults.mark(high < low, "high_below_low", "high")
    top, bottom = np.maximum(prices["open"], prices["close"]), np.minimum(prices["open"], prices["close"])
    noisy = faults.good & ((top > high) | (bottom < low))
    noisy &= (top <= high * (1 + FLOAT_NOISE)) & (bottom >= low * (1 - FLOAT_NOISE))
    np.copyto(high, np.maximum(high, top), where=noisy)
    np.copyto(low, np.minimum(low, bottom), where=noisy)
    for name in ("open", "close"):
        outside = (prices[name] > high) | (prices[name] < low)
        faults.mark(outside, "open_close_outside_range", name)
    return int(np.count_nonzero(noisy))


def check_volume(volume: FloatArray, name: str, faults: RowFaults) -> None:
    """Mark volumes outside 0..1e18."""
    faults.mark(volume < 0, "negative_volume", name)
    faults.mark(volume > MAX_VOLUME, "volume_out_of_range", name)
