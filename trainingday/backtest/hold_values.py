"""Equity over one hold: eight bars at a time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

from trainingday.backtest import lanes

# numba carries no annotations here.
cgutils: Any = untyped_cgutils
pair_of: Any = types.UniTuple


def _hold_values(
    typing_context: Any, close: Any, equity: Any, first: Any, stop: Any, cash: Any, units: Any
) -> Any:
    """Write cash + units * close from bar `first` on, eight bars at once, while a bar is below `stop`.

    Returns whether one of the values is at or below 0 (0 if none is), and the bar after the last one
    written. Arrays must be contiguous and hold 7 values past `stop` - 1.
    """
    whole = types.intp
    signature = pair_of(whole, 2)(close, equity, whole, whole, types.float64, types.float64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        close, equity = (
            context.make_array(kind)(context, builder, argument).data
            for kind, argument in zip(signature.args[:2], arguments[:2], strict=True)
        )
        first, stop, cash, units = arguments[2:]
        zero, width = lanes.constant(0.0), first.type(lanes.N_LANES)
        all_cash, all_units = (lanes.spread(builder, value, lanes.DOUBLES) for value in (cash, units))
        mask = ir.IntType(lanes.N_LANES)
        place, end = cgutils.alloca_once_value(builder, mask(0)), cgutils.alloca_once_value(builder, first)
        with cgutils.for_range_slice(builder, first, stop, width) as (bar, _):
            value = builder.fadd(all_cash, builder.fmul(all_units, lanes.load(builder, close, bar)))
            builder.store(value, lanes.address(builder, equity, bar), align=8)
            is_low = builder.bitcast(builder.fcmp_ordered("<=", value, zero), mask)
            builder.store(builder.or_(builder.load(place), is_low), place)
            builder.store(builder.add(bar, width), end)
        is_any_low = builder.zext(builder.load(place), first.type)
        return context.make_tuple(builder, signature.return_type, [is_any_low, builder.load(end)])

    return signature, generate


# Typed as Any, since a kernel calls it without the typing context.
hold_values: Any = intrinsic(_hold_values)
