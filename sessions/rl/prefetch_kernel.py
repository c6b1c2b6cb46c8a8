"""Ask for a cache line before it is read, so that scattered reads wait at once instead of in turn."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

_BYTES, _INT32 = ir.IntType(8).as_pointer(), ir.IntType(32)
_KIND = ir.FunctionType(ir.VoidType(), [_BYTES, _INT32, _INT32, _INT32])


def _prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for the element at flat `index` of a C-ordered array; changes no value."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        place = builder.bitcast(builder.gep(data, [values[1]]), _BYTES)
        ask = builder.module.declare_intrinsic("llvm.prefetch", [_BYTES], _KIND)
        # To read, into every level of the cache, data.
        builder.call(ask, [place, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), emit


prefetch: Any = intrinsic(_prefetch)
