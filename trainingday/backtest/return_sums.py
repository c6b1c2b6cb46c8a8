"""Returns of an equity curve and what is summed over them: eight bars at a time."""

from __future__ import annotations

import math
from typing import Any

from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

from trainingday.backtest import lanes

# numba carries no annotations here.
cgutils: Any = untyped_cgutils
tuple_of: Any = types.UniTuple


def _return_sums(typing_context: Any, equity: Any, returns: Any, n_returns: Any) -> Any:
    """Write returns 0..n-1 of equity; return their sum, their losses' squares' sum, the lowest and highest.

    A return is equity[t + 1] / equity[t] - 1, and 0 after an equity of 0. Arrays must be contiguous, and
    `n_returns` a multiple of 8. NaN counts for nothing in the lowest and highest, but makes the sum NaN.
    """
    double = types.float64
    signature = tuple_of(double, 4)(equity, returns, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        equity, returns = (
            context.make_array(kind)(context, builder, argument).data
            for kind, argument in zip(signature.args[:2], arguments[:2], strict=True)
        )
        n_returns = arguments[2]
        zero, one = lanes.constant(0.0), lanes.constant(1.0)
        starts = (0.0, 0.0, math.inf, -math.inf)
        places = [cgutils.alloca_once_value(builder, lanes.constant(start)) for start in starts]
        total, losses, low, high = places
        step = n_returns.type(lanes.N_LANES)
        with cgutils.for_range_slice(builder, n_returns.type(0), n_returns, step) as (bar, _):
            before = lanes.load(builder, equity, bar)
            after = lanes.load(builder, equity, builder.add(bar, n_returns.type(1)))
            is_alive = builder.fcmp_ordered(">", before, zero)
            growth = builder.fdiv(builder.select(is_alive, after, one), builder.select(is_alive, before, one))
            value = builder.fsub(growth, one)
            builder.store(value, lanes.address(builder, returns, bar), align=8)
            lanes.add_to(builder, total, value)
            lanes.add_to(builder, losses, builder.fmul(value, lanes.lesser(builder, value, zero)))
            builder.store(lanes.lesser(builder, value, builder.load(low)), low)
            builder.store(lanes.greater(builder, value, builder.load(high)), high)
        joins = (
            builder.fadd,
            builder.fadd,
            lambda left, right: lanes.lesser(builder, left, right),
            lambda left, right: lanes.greater(builder, left, right),
        )
        sums = [
            lanes.reduce(builder, builder.load(place), join)
            for place, join in zip(places, joins, strict=True)
        ]
        return context.make_tuple(builder, signature.return_type, sums)

    return signature, generate


def _centred_sums(typing_context: Any, values: Any, n_values: Any, centre: Any) -> Any:
    """Return the sums of values 0..n-1 less a centre, and of the squares of that.

    The array must be contiguous and `n_values` a multiple of 8.
    """
    double = types.float64
    signature = tuple_of(double, 2)(values, types.intp, double)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _, n_values, centre = arguments
        centres = lanes.spread(builder, centre, lanes.DOUBLES)
        total, squares = (cgutils.alloca_once_value(builder, lanes.constant(0.0)) for _ in range(2))
        step = n_values.type(lanes.N_LANES)
        with cgutils.for_range_slice(builder, n_values.type(0), n_values, step) as (row, _):
            value = builder.fsub(lanes.load(builder, data, row), centres)
            lanes.add_to(builder, total, value)
            lanes.add_to(builder, squares, builder.fmul(value, value))
        sums = [lanes.reduce(builder, builder.load(place), builder.fadd) for place in (total, squares)]
        return context.make_tuple(builder, signature.return_type, sums)

    return signature, generate


# Typed as Any, since a kernel calls them without the typing context.
return_sums: Any = intrinsic(_return_sums)
centred_sums: Any = intrinsic(_centred_sums)
