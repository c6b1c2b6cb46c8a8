"""Parts of vector loops over arrays of doubles: eight values at a time, added up in a fixed order."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]

N_LANES = 8  # Measured fastest for comparisons on AVX2 of 4, 8, 16, 32 and 64.

DOUBLES = ir.VectorType(ir.DoubleType(), N_LANES)
INDICES = ir.VectorType(ir.IntType(64), N_LANES)
_INT32 = ir.IntType(32)


def constant(value: float) -> Any:
    """Return a vector whose lanes are all that number."""
    return ir.Constant(DOUBLES, [value] * N_LANES)


def spread(builder: Any, scalar: Any, vector_type: Any) -> Any:
    """Return a vector whose lanes are all `scalar`."""
    empty = ir.Constant(vector_type, ir.Undefined)
    low = builder.insert_element(empty, scalar, ir.Constant(_INT32, 0))
    zeros = ir.Constant(ir.VectorType(_INT32, N_LANES), [0] * N_LANES)
    return builder.shuffle_vector(low, empty, zeros)


def address(builder: Any, data: Any, index: Any) -> Any:
    """Return where the vector that begins at an index of a contiguous array is."""
    return builder.bitcast(builder.gep(data, [index]), DOUBLES.as_pointer())


def load(builder: Any, data: Any, index: Any) -> Any:
    """Return the vector that begins at an index of a contiguous array."""
    return builder.load(address(builder, data, index), align=8)


def add_to(builder: Any, place: Any, vector: Any) -> None:
    """Add a vector to the one kept at `place`."""
    builder.store(builder.fadd(builder.load(place), vector), place)


def reduce(builder: Any, vector: Any, join: Any) -> Any:
    """Return the lanes joined to one, always paired in the same way."""
    parts = [builder.extract_element(vector, ir.Constant(_INT32, lane)) for lane in range(N_LANES)]
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [join(parts[lane], parts[lane + half]) for lane in range(half)]
    return parts[0]


def lesser(builder: Any, left: Any, right: Any) -> Any:
    """Return the smaller of two, lane by lane; the right one where the left is NaN."""
    return builder.select(builder.fcmp_ordered("<", left, right), left, right)


def greater(builder: Any, left: Any, right: Any) -> Any:
    """Return the larger of two, lane by lane; the right one where the left is NaN."""
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)
