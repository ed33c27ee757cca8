"""Eight float32 lanes as one value inside numba kernels, and an atomic counter to share work.

LLVM vectorises loops only when it can prove enough about them, and says nothing when it cannot: one wrap-around index
makes a kernel three times slower. A kernel written with lanes is vector code on every processor. LLVM maps eight lanes
to one AVX register, or two of SSE or NEON.

Inside a kernel: `load`, `store`, `lanes`, `iota`, arithmetic and `<=`, `>` between lanes and lanes or float32 scalars,
`where` on the comparison's mask, `square_root`, and the reductions `lane_sum` and `lane_max`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_BITS = ir.VectorType(ir.IntType(1), LANES)
_UNALIGNED = 4


class _Lanes(types.Type):
    """The numba type of eight float32."""

    def __init__(self) -> None:
        super().__init__("Float32x8")


class _Mask(types.Type):
    """The numba type of eight truth values."""

    def __init__(self) -> None:
        super().__init__("Mask8")


_lanes_type = _Lanes()
_mask_type = _Mask()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: types.Type) -> None:
        super().__init__(manager, frontend_type, _FLOATS)


@register_model(_Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend_type: types.Type) -> None:
        super().__init__(manager, frontend_type, _BITS)


def _broadcast(builder: ir.IRBuilder, scalar: ir.Value) -> ir.Value:
    """All lanes equal to `scalar`."""
    one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(_FLOATS, ir.Undefined), order)


def _as_lanes(builder: ir.IRBuilder, kind: types.Type, value: ir.Value) -> ir.Value:
    return value if kind == _lanes_type else _broadcast(builder, value)


def _define(python_operator: Callable[..., Any], result: types.Type, emit: Callable[..., ir.Value]) -> None:
    """Give `python_operator` a meaning between lanes and lanes, or lanes and float32."""

    @type_callable(python_operator)
    def _(context: Any) -> Callable[..., Any]:
        def typer(a: types.Type, b: types.Type) -> types.Type | None:
            allowed = (_lanes_type, types.float32)
            return result if _lanes_type in (a, b) and a in allowed and b in allowed else None

        return typer

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        a, b = (_as_lanes(builder, kind, value) for kind, value in zip(signature.args, arguments, strict=True))
        return emit(builder, a, b)

    for a, b in ((_lanes_type, _lanes_type), (_lanes_type, types.float32), (types.float32, _lanes_type)):
        lower_builtin(python_operator, a, b)(lower)


_define(operator.add, _lanes_type, lambda builder, a, b: builder.fadd(a, b))
_define(operator.sub, _lanes_type, lambda builder, a, b: builder.fsub(a, b))
_define(operator.mul, _lanes_type, lambda builder, a, b: builder.fmul(a, b))
_define(operator.truediv, _lanes_type, lambda builder, a, b: builder.fdiv(a, b))
_define(operator.le, _mask_type, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
_define(operator.gt, _mask_type, lambda builder, a, b: builder.fcmp_ordered(">", a, b))


def _address(
    context: Any, builder: ir.IRBuilder, array_type: types.Array, array: ir.Value, index: ir.Value, kind: ir.Type
) -> ir.Value:
    """Pointer to eight elements of a contiguous 1D array, whose index is trusted."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), kind.as_pointer())


def _is_row(array: types.Type, element: types.Type) -> bool:
    return isinstance(array, types.Array) and array.ndim == 1 and array.dtype == element and array.layout == "C"


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """array[index : index + 8] of a contiguous (n,) float32 array. Bounds are not checked."""
    if not (_is_row(array, types.float32) and isinstance(index, types.Integer)):
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        array, index = arguments
        address = _address(context, builder, signature.args[0], array, index, _FLOATS)
        return builder.load(address, align=_UNALIGNED, typ=_FLOATS)

    return _lanes_type(array, types.intp), emit


@intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + 8] = value, for a contiguous (n,) float32 array. Bounds are not checked."""
    if not (_is_row(array, types.float32) and isinstance(index, types.Integer) and value == _lanes_type):
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        array, index, value = arguments
        address = _address(context, builder, signature.args[0], array, index, _FLOATS)
        builder.store(value, address, align=_UNALIGNED)
        return context.get_dummy_value()

    return types.none(array, types.intp, _lanes_type), emit


@intrinsic
def lanes(typing: Any, scalar: Any) -> Any:
    """Eight times the same float32."""
    if scalar != types.float32:
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _broadcast(builder, arguments[0])

    return _lanes_type(types.float32), emit


@intrinsic
def iota(typing: Any) -> Any:
    """0, 1, 2 … 7."""

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return ir.Constant(_FLOATS, [float(i) for i in range(LANES)])

    return _lanes_type(), emit


@intrinsic
def square_root(typing: Any, value: Any) -> Any:
    """Lane by lane; the lanes must not be negative."""
    if value != _lanes_type:
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        kind = ir.FunctionType(_FLOATS, [_FLOATS])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.sqrt.v{LANES}f32"), arguments)

    return _lanes_type(_lanes_type), emit


@intrinsic
def store_whole(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index : index + 8] = value without its fractions, for a contiguous (n,) int32 array."""
    if not (_is_row(array, types.int32) and isinstance(index, types.Integer) and value == _lanes_type):
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        kind = ir.VectorType(ir.IntType(32), LANES)
        array, index, value = arguments
        address = _address(context, builder, signature.args[0], array, index, kind)
        builder.store(builder.fptosi(value, kind), address, align=_UNALIGNED)
        return context.get_dummy_value()

    return types.none(array, types.intp, _lanes_type), emit


@intrinsic
def where(typing: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Lane by lane, `yes` where the mask holds and `no` elsewhere; either may be a float32 scalar."""
    allowed = (_lanes_type, types.float32)
    if mask != _mask_type or yes not in allowed or no not in allowed:
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        yes, no = (_as_lanes(builder, signature.args[i], arguments[i]) for i in (1, 2))
        return builder.select(arguments[0], yes, no)

    return _lanes_type(_mask_type, yes, no), emit


@intrinsic
def lane_sum(typing: Any, value: Any) -> Any:
    """The sum of the eight lanes, in a fixed order."""
    if value != _lanes_type:
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _halve(builder, arguments[0], builder.fadd)

    return types.float32(_lanes_type), emit


@intrinsic
def lane_max(typing: Any, value: Any) -> Any:
    """The greatest of the eight lanes."""
    if value != _lanes_type:
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _halve(builder, arguments[0], lambda a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))

    return types.float32(_lanes_type), emit


def _halve(builder: ir.IRBuilder, value: ir.Value, combine: Callable[[ir.Value, ir.Value], ir.Value]) -> ir.Value:
    """Fold the upper half of the lanes onto the lower until one is left."""
    count = LANES
    while count > 1:
        count //= 2
        kind = ir.VectorType(ir.IntType(32), count)
        empty = ir.Constant(value.type, ir.Undefined)
        low = builder.shuffle_vector(value, empty, ir.Constant(kind, list(range(count))))
        high = builder.shuffle_vector(value, empty, ir.Constant(kind, list(range(count, 2 * count))))
        value = combine(low, high)
    return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))


@intrinsic
def fetch_add(typing: Any, counter: Any) -> Any:
    """Atomically add 1 to counter[0] of an int64 array and return what it was: the next piece of shared work."""
    if not (isinstance(counter, types.Array) and counter.dtype == types.int64):
        return None

    def emit(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", data, one, "monotonic")

    return types.int64(counter), emit
