"""Sums over the returns of a short: eight bars at a time, the last ones masked."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.extending import intrinsic

N_LANES = 8

# numba carries no annotations here.
cgutils: Any = untyped_cgutils
pair_of: Any = types.UniTuple

_DOUBLES = ir.VectorType(ir.DoubleType(), N_LANES)
_INDICES = ir.VectorType(ir.IntType(64), N_LANES)
_INT32 = ir.IntType(32)


def _spread(builder: Any, scalar: Any, vector_type: Any) -> Any:
    """Return a vector whose lanes are all `scalar`."""
    empty = ir.Constant(vector_type, ir.Undefined)
    low = builder.insert_element(empty, scalar, ir.Constant(_INT32, 0))
    zeros = ir.Constant(ir.VectorType(_INT32, N_LANES), [0] * N_LANES)
    return builder.shuffle_vector(low, empty, zeros)


def _load(builder: Any, data: Any, index: Any) -> Any:
    pointer = builder.bitcast(builder.gep(data, [index]), _DOUBLES.as_pointer())
    return builder.load(pointer, align=8)


def _sum_lanes(builder: Any, vector: Any) -> Any:
    """Return the sum of the lanes, always paired in the same way."""
    parts = [builder.extract_element(vector, ir.Constant(_INT32, lane)) for lane in range(N_LANES)]
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [builder.fadd(parts[lane], parts[lane + half]) for lane in range(half)]
    return parts[0]


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
        one, width = first.type(1), first.type(N_LANES)
        zero = ir.Constant(_DOUBLES, [0.0] * N_LANES)
        limits, ends = _spread(builder, limit, _DOUBLES), _spread(builder, stop, _INDICES)
        lanes = ir.Constant(_INDICES, list(range(N_LANES)))
        total, squares = (cgutils.alloca_once_value(builder, zero) for _ in range(2))
        with cgutils.for_range_slice(builder, first, stop, width) as (bar, _):
            before = _load(builder, data, builder.sub(bar, one))
            change = builder.fsub(before, _load(builder, data, bar))
            step = builder.fdiv(change, builder.fsub(limits, before))
            is_in = builder.icmp_signed("<", builder.add(_spread(builder, bar, _INDICES), lanes), ends)
            step = builder.select(is_in, step, zero)
            builder.store(builder.fadd(builder.load(total), step), total)
            builder.store(builder.fadd(builder.load(squares), builder.fmul(step, step)), squares)
        sums = [_sum_lanes(builder, builder.load(place)) for place in (total, squares)]
        return context.make_tuple(builder, signature.return_type, sums)

    return signature, generate


# Typed as Any, since a kernel calls it without the typing context.
short_sums: Any = intrinsic(_short_sums)
