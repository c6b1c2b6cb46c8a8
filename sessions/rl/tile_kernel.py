"""Tiles of matrix products whose sums stay in vector registers, as instructions for LLVM.

Numba's own loops load and store every partial sum. The vectors hold 16 numbers; LLVM splits them where the
processor's are shorter. Whether a product is rounded before it is added depends on the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 16
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_FUSED = ("contract",)


def _vector_at(builder: Any, data: Any, index: Any) -> Any:
    """Return a pointer to the 16 numbers from `index` on."""
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


def _lanes(numbers: Sequence[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))


def _spread(builder: Any, number: Any) -> Any:
    """Return a vector with `number` in every lane."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, nothing, _lanes([0] * LANES))


def _neighbour_sums(builder: Any, a: Any, b: Any) -> Any:
    """Return the sums of neighbouring lanes, those of `a` in the lower half."""
    even = builder.shuffle_vector(a, b, _lanes(range(0, 2 * LANES, 2)))
    odd = builder.shuffle_vector(a, b, _lanes(range(1, 2 * LANES, 2)))
    return builder.fadd(even, odd)


class _Tile:
    """What both tiles need to emit code: the arrays' data and index arithmetic."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> None:
        self.builder = builder
        self.values = [
            context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        ]

    def row(self, index: int, n_columns: Any, shift: int = 0) -> Any:
        start = self.builder.mul(n_columns, ir.Constant(n_columns.type, index))
        return self.builder.add(start, ir.Constant(n_columns.type, shift))

    def load(self, data: Any, index: Any) -> Any:
        return self.builder.load(_vector_at(self.builder, data, index), align=4)

    def sums(
        self, start: Sequence[Any], count: Any, terms: Callable[[Any], Sequence[tuple[Any, Any]]]
    ) -> list[Any]:
        """Emit a loop that adds a product to each vector of `start` at every turn; return the sums."""
        builder = self.builder
        with builder.goto_entry_block():
            slots = [builder.alloca(_VECTOR) for _ in start]
        for slot, vector in zip(slots, start, strict=True):
            builder.store(vector, slot)
        with cgutils.for_range(builder, count) as loop:
            for slot, (a, b) in zip(slots, terms(loop.index), strict=True):
                product = builder.fmul(a, b, flags=_FUSED)
                builder.store(builder.fadd(builder.load(slot), product, flags=_FUSED), slot)
        return [builder.load(slot) for slot in slots]


def _add_weighted(
    typing_context: Any,
    n_rows: Any,
    is_pair: Any,
    weights: Any,
    row_stride: Any,
    source_stride: Any,
    sources: Any,
    n_sources: Any,
    n_columns: Any,
    out: Any,
) -> Any:
    """Add weighted sums of `sources` to `n_rows` (a literal) rows of `out`, two vectors of each or one."""
    rows = range(n_rows.literal_value)

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        tile = _Tile(context, builder, signature, values)
        _, is_pair, *rest = tile.values
        with builder.if_else(is_pair) as (then, otherwise):
            with then:
                _emit_weighted(tile, rows, (0, LANES), *rest)
            with otherwise:
                _emit_weighted(tile, rows, (0,), *rest)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n_rows, types.boolean, weights, n, n, sources, n, n, out), emit


def _emit_weighted(
    tile: _Tile,
    rows: Sequence[int],
    shifts: Sequence[int],
    weights: Any,
    row_stride: Any,
    source_stride: Any,
    sources: Any,
    n_sources: Any,
    n_columns: Any,
    out: Any,
) -> None:
    builder = tile.builder
    places = [tile.row(row, n_columns, shift) for row in rows for shift in shifts]
    begins = [tile.row(row, row_stride) for row in rows]

    def terms(turn: Any) -> list[tuple[Any, Any]]:
        first, weight = builder.mul(turn, n_columns), builder.mul(turn, source_stride)
        there = [tile.load(sources, builder.add(first, ir.Constant(first.type, shift))) for shift in shifts]
        found = [
            _spread(builder, builder.load(builder.gep(weights, [builder.add(weight, begin)])))
            for begin in begins
        ]
        return [(a, b) for a in found for b in there]

    totals = tile.sums([tile.load(out, place) for place in places], n_sources, terms)
    for place, total in zip(places, totals, strict=True):
        builder.store(total, _vector_at(builder, out, place), align=4)


def _add_dots(
    typing_context: Any, n_rows: Any, n_sources: Any, a: Any, b: Any, n_columns: Any, out: Any, stride: Any
) -> Any:
    """Add the dot products of `n_rows` rows of `a` with `n_sources` (literals) of `b` to `out`."""
    rows, sources = range(n_rows.literal_value), range(n_sources.literal_value)

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        tile = _Tile(context, builder, signature, values)
        _, _, a, b, n_columns, out, stride = tile.values

        def terms(turn: Any) -> list[tuple[Any, Any]]:
            shift = builder.mul(turn, ir.Constant(turn.type, LANES))
            left, right = (
                [tile.load(data, builder.add(shift, tile.row(index, n_columns))) for index in indices]
                for data, indices in ((a, rows), (b, sources))
            )
            return [(x, y) for x in left for y in right]

        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        n_sums = len(rows) * len(sources)
        count = builder.sdiv(n_columns, ir.Constant(n_columns.type, LANES))
        sums = tile.sums([zero] * n_sums, count, terms) + [zero] * (LANES - n_sums)
        while len(sums) > 1:
            sums = [_neighbour_sums(builder, *sums[i : i + 2]) for i in range(0, len(sums), 2)]
        for row in rows:
            begin = builder.gep(out, [tile.row(row, stride)])
            place = builder.bitcast(begin, ir.VectorType(ir.FloatType(), len(sources)).as_pointer())
            part = builder.shuffle_vector(
                sums[0], sums[0], _lanes([row * len(sources) + source for source in sources])
            )
            builder.store(builder.fadd(builder.load(place, align=4), part), place, align=4)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n_rows, n_sources, a, b, n, out, n), emit


add_weighted_tile: Any = intrinsic(prefer_literal=True)(_add_weighted)
add_dot_tile: Any = intrinsic(prefer_literal=True)(_add_dots)
