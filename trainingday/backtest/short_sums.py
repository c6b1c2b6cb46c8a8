"""Sums over the returns of a short: eight bars at a time, the last ones masked."""

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


def _short_sums(typing_context: Any, close: Any, first: Any, stop: Any, limit: Any) -> Any:
    """Return the sum of a short's returns on bars first..stop-1 and that of their squares.

    `limit` is the price that would ruin the short: a return is -change / (limit - close before). The
    array must be contiguous and hold 8 values past `stop`, which count for nothing. Sums are added in a
    fixed order, so that results are equal on every machine.
    """
    double = types.float64
    signature = pair_of(double, 2)(close, types.intp, types.intp, double)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _, first, stop, limit = arguments
        one, width, zero = first.type(1), first.type(lanes.N_LANES), lanes.constant(0.0)
        limits = lanes.spread(builder, limit, lanes.DOUBLES)
        ends = lanes.spread(builder, stop, lanes.INDICES)
        steps = ir.Constant(lanes.INDICES, list(range(lanes.N_LANES)))
        total, squares = (cgutils.alloca_once_value(builder, zero) for _ in range(2))
        with cgutils.for_range_slice(builder, first, stop, width) as (bar, _):
            before = lanes.load(builder, data, builder.sub(bar, one))
            change = builder.fsub(before, lanes.load(builder, data, bar))
            step = builder.fdiv(change, builder.fsub(limits, before))
            bars = builder.add(lanes.spread(builder, bar, lanes.INDICES), steps)
            step = builder.select(builder.icmp_signed("<", bars, ends), step, zero)
            lanes.add_to(builder, total, step)
            lanes.add_to(builder, squares, builder.fmul(step, step))
        sums = [lanes.reduce(builder, builder.load(place), builder.fadd) for place in (total, squares)]
        return context.make_tuple(builder, signature.return_type, sums)

    return signature, generate


# Typed as Any, since a kernel calls it without the typing context.
short_sums: Any = intrinsic(_short_sums)
