"""Validation shared by the public functions: Numba checks no bounds, so these do.

Each raises TypeError (wrong kind) or ValueError (wrong value), naming the argument, what was
expected and what came.
"""

from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core.jit import threads_available

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
P = TypeVar("P")
FLOAT64 = np.dtype(np.float64)
FLOAT32 = np.dtype(np.float32)
INT64 = np.dtype(np.int64)
BOOL = np.dtype(np.bool_)
_LARGEST, _LARGEST_COUNT = 2**63 - 1, 2**62
_PLAIN = 0x1 | 0x100 | 0x400  # flags of an array: C-contiguous, aligned, writeable
_OWNER = _PLAIN | 0x4  # and it owns its memory
_SCALARS = {str, float, int, bool, type(None)}


def integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in [low, high]; bools and floats are refused."""
    if type(value) is not int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name}: expected an integer, got {described(value)}")
        value = int(value)
    if not low <= value <= high:
        came = value if value.bit_length() <= 1024 else described(value)
        raise ValueError(f"{name}: expected an integer from {low} to {high}, got {came}")
    return int(value)


def count(name: str, value: Any, low: int = 0) -> int:
    """`value` as a number of rows or columns."""
    return integer(name, value, low, _LARGEST_COUNT)


def first_row(value: Any, rows: int) -> np.int64:
    """The row number of the first of `rows` rows; the last must stay below 2**63."""
    return np.int64(integer("first_row", value, 0, 2**63 - 1 - rows))


def threads(value: Any) -> int:
    """A number of threads that Numba can give."""
    if type(value) is int and value == 1:
        return 1
    return integer("threads", value, 1, threads_available())


def dtype(value: DTypeLike) -> np.dtype[Any]:
    """float32 or float64."""
    try:
        real = np.dtype(value)
    except (TypeError, ValueError):
        raise TypeError(f"dtype: expected float32 or float64, got {described(value)}") from None
    if value is None or real not in (FLOAT64, FLOAT32):
        raise TypeError(f"dtype: expected float32 or float64, got {described(value)}")
    return FLOAT64 if real == FLOAT64 else FLOAT32  # these very objects: the fast paths compare by `is`


def floats(name: str, value: Any, ndim: int) -> Array:
    """`value` as a C-contiguous array of float64 or float32 with `ndim` dimensions."""
    array = _floats(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimensions, got shape {array.shape}")
    return array


def _floats(name: str, value: Any) -> Array:
    array: Array = value
    real = real_dtype(name, value)
    if type(value) is not np.ndarray or value.dtype is not real or not value.flags.c_contiguous:
        array = np.array(_as_array(name, value), dtype=real, order="C", copy=None)
    return array


def integers(name: str, value: Any, ndim: int) -> Array:
    """`value` as a plain array of int64 with `ndim` dimensions; bools and floats are refused."""
    array: Array = value
    if type(value) is not np.ndarray or value.dtype is not INT64 or not _is_plain(value):
        array = asarray(name, value)
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected integers, got dtype {array.dtype}")
        if array.dtype.kind == "u" and array.size and array.max() > _LARGEST:
            raise ValueError(f"{name}: expected integers below 2**63, got {array.max()}")
        array = own(np.array(array, dtype=INT64, order="C", copy=None))
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimensions, got shape {array.shape}")
    return array


def permutation(name: str, value: Any, dim: int) -> Array:
    """`value` as an int64 permutation of 0 to dim - 1."""
    order = integers(name, value, 1)
    if not np.array_equal(np.sort(order), np.arange(dim)):
        raise ValueError(f"{name}: expected a permutation of 0 to {dim - 1}, got {order.tolist()!r:.60}")
    return order


def masks(name: str, value: Any, dim: int) -> Array:
    """`value` as a plain array of bool, (L, dim) with L at least 1."""
    array: Array = value
    if type(value) is not np.ndarray or value.dtype is not BOOL or not _is_plain(value):
        array = asarray(name, value)
        if array.dtype != BOOL:
            raise TypeError(f"{name}: expected dtype bool, got {array.dtype}")
        array = own(np.ascontiguousarray(array))
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != dim:
        raise ValueError(f"{name}: expected shape (L, {dim}) with L at least 1, got {array.shape}")
    return array


def batch(name: str, value: Any) -> Array:
    """`value` as a writeable C-contiguous (N, D) array of float64 or float32 with D at least 1."""
    if (
        type(value) is np.ndarray
        and (value.dtype is FLOAT64 or value.dtype is FLOAT32)
        and value.ndim == 2
        and _is_plain(value)
        and value.shape[1]
    ):
        return value
    array = _floats(name, value)
    if array.ndim != 2:
        advice = f"; for one row pass {name}[None]" if array.ndim == 1 else ""
        raise ValueError(f"{name}: expected 2 dimensions (N, D), got shape {array.shape}{advice}")
    if not array.shape[1]:
        raise ValueError(f"{name}: expected at least 1 column, got shape {array.shape}")
    return own(array)


def _is_plain(array: Array) -> bool:
    """Whether kernels take an array as it is: C-contiguous, aligned and writeable."""
    return array.flags.num & _PLAIN == _PLAIN


def own(array: Array) -> Array:
    """`array`, copied if it is read-only: Numba would compile the kernels once more for each such field."""
    return array if array.flags.writeable else array.copy()


def shaped(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """`value` as a plain array of exactly `shape`, converted to `dtype`."""
    array: Array = value
    if type(value) is not np.ndarray or value.dtype is not dtype or not _is_plain(value):
        array = own(np.array(_as_array(name, value), dtype=dtype, order="C", copy=None))
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def shape(name: str, value: Any, ndim: int) -> tuple[int, ...]:
    """The shape of `value`."""
    shape: tuple[int, ...] = value.shape if type(value) is np.ndarray else asarray(name, value).shape
    if len(shape) != ndim or 0 in shape:
        raise ValueError(f"{name}: expected {ndim} dimensions, none of length 0, got shape {shape}")
    return shape


def real_dtype(name: str, value: Any) -> np.dtype[Any]:
    """float32 if `value` has it, else float64, what integers are converted to."""
    if type(value) is np.ndarray and (value.dtype is FLOAT64 or value.dtype is FLOAT32):
        return value.dtype
    return FLOAT32 if _as_array(name, value).dtype == FLOAT32 else FLOAT64


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> int:
    """The number of a named choice."""
    expected = f"one of {', '.join(allowed)}" if allowed else "None"
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
    if value not in allowed:
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return allowed.index(value)


def flag(name: str, value: Any) -> bool:
    """`value` as a bool; numbers are refused."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}: expected True or False, got {described(value)}")
    return bool(value)


def number(name: str, value: Any) -> float:
    """`value` as a float."""
    if type(value) is float:
        return float(value)
    array = asarray(name, value)
    if array.ndim or array.dtype.kind not in "iuf":
        raise TypeError(f"{name}: expected a number, got {described(value)}")
    return float(array)


def positive(name: str, value: Any) -> float:
    """`value` as a float that is finite and above 0."""
    real = number(name, value)
    if not 0 < real < float("inf"):
        raise ValueError(f"{name}: expected a positive finite number, got {real}")
    return real


def nonnegative(name: str, value: Any) -> float:
    """`value` as a float that is finite and not below 0."""
    real = number(name, value)
    if not 0 <= real < float("inf"):
        raise ValueError(f"{name}: expected a finite number from 0 on, got {real}")
    return real


def open_interval(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a float above low and below high."""
    real = number(name, value)
    if not low < real < high:
        raise ValueError(f"{name}: expected a number above {low} and below {high}, got {real}")
    return real


def squarable(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The least and largest positive number that fits a dtype when it is squared and multiplied by others."""
    low = float(np.finfo(dtype).tiny) ** 0.4
    return low, 1 / low


def between(name: str, values: Array, low: Any, high: float) -> None:
    """Refuse numbers that are not from low to high, of which low may be an array beside them."""
    wrong = ~((low <= values) & (values <= high))
    if wrong.any():
        least = np.broadcast_to(low, wrong.shape)[wrong][0]
        raise ValueError(f"{name}: expected {least:.3g} to {high:.3g}, got {float(values[wrong][0])!r}")


def levels(value: Any, cls: type[P]) -> tuple[P, ...]:
    """`params.levels` as a tuple of at least one level of a class."""
    if not isinstance(value, tuple | list) or hasattr(value, "_fields"):
        raise TypeError(f"params.levels: expected a tuple of {cls.__name__}, got {described(value)}")
    if not value:
        raise ValueError("params.levels: expected at least 1, got none")
    for index, level in enumerate(value):
        instance(f"params.levels.{index}", level, cls)
    return tuple(value)


def leading(name: str, fields: dict[str, Any], count: int) -> None:
    """Refuse fields whose first axis is not `count` long."""
    for field, value in fields.items():
        came = shape(name.format(field), value, np.ndim(value) or 1)
        if came[0] != count:
            raise ValueError(f"{name.format(field)}: expected {count} steps, got shape {came}")


def instance(name: str, value: Any, cls: type) -> None:
    """Refuse anything but a `cls`."""
    if type(value) is not cls:
        owner = cls.__module__.rpartition(".")[2]
        raise TypeError(f"{name}: expected {owner}.{cls.__name__}, got {described(value)}")


def output(out: Any, dtype: np.dtype[Any], shape: tuple[int, ...], **inputs: Any) -> Array:
    """The array to write: `out`, or a new one; `out` must not share memory with `inputs`."""
    if out is None:
        return _empty(shape, dtype)
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out: expected a NumPy array, got {described(out)}")
    if out.dtype != dtype:
        raise TypeError(f"out: expected dtype {dtype}, got {out.dtype}")
    if out.shape != shape:
        raise ValueError(f"out: expected shape {shape}, got {out.shape}")
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("out: expected a writeable C-contiguous array, got one that is not")
    separate(out, **inputs)
    return out


def separate(out: Array, **inputs: Any) -> None:
    """Refuse an `out` that shares memory with inputs."""
    for name, value in inputs.items():
        _refuse_overlap(out, name, value)


def _refuse_overlap(out: Array, name: str, value: Any) -> None:
    """Memory that `out` and a value share; of a Params its fields, by their names."""
    if isinstance(value, tuple) or (isinstance(value, list) and any(hasattr(v, "_fields") for v in value)):
        names = getattr(value, "_fields", range(len(value)))
        for field, item in zip(names, value, strict=True):
            _refuse_overlap(out, f"{name}.{field}", item)
    elif np.may_share_memory(out, asarray(name, value)):  # also a memoryview, or what has __array__
        raise ValueError(f"out: expected no overlap with {name}, got overlapping memory")


def ready(source: Any, out: Any) -> bool:
    """Whether `source` may be read and `out` be written as they are: the quick way past the other checks.

    It is where both are plain batches of one shape and dtype, and own their memory, or `source` is a view of
    what another array owns.
    """
    if type(source) is not np.ndarray or type(out) is not np.ndarray or source is out:
        return False
    dtype, owner = out.dtype, source.base
    return (
        source.dtype is dtype
        and (dtype is FLOAT64 or dtype is FLOAT32)
        and out.ndim == 2
        and source.shape == out.shape != (len(out), 0)
        and source.flags.num & _PLAIN == _PLAIN
        and out.flags.num & _OWNER == _OWNER
        and (owner is None or (owner is not out and type(owner) is np.ndarray and owner.base is None))
    )


def apart(out: Array, params: tuple[Any, ...]) -> bool:
    """Whether no field is `out`, which owns its memory, nor may be a view of it."""
    views = [v for v in params if type(v) is not np.ndarray or v.base is not None or v is out]
    return not views or {*map(type, views)} <= _SCALARS


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    try:
        return np.empty(shape, dtype)
    except ValueError:  # more bytes than an address can count
        raise ValueError(f"n, dim: expected a shape that memory can hold, got {shape}") from None


def output_like(out: Any, source: Array, name: str, argument: Any, **inputs: Any) -> tuple[Array, Array]:
    """(array to write, source to read) for a transform of `source`, which is an argument converted.

    `out` may be the argument itself: the source is then a copy, since kernels read rows they have
    written. Any other overlap is refused.
    """
    if out is None:
        return np.empty(source.shape, source.dtype), source
    if out is argument:
        return output(out, source.dtype, source.shape, **inputs), source.copy()
    return output(out, source.dtype, source.shape, **{name: argument}, **inputs), source


def asarray(name: str, value: Any) -> Array:
    """np.asarray with errors that name the argument; a mask would be lost, so it is refused."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array without a mask, got {described(value)}")
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # Params, which NumPy may take for rows
        raise TypeError(f"{name}: expected an array, got {described(value)}")
    try:
        return np.asarray(value)
    except ValueError:  # ragged lists
        raise ValueError(f"{name}: expected a regular array of numbers, got {described(value)}") from None
    except (RuntimeError, TypeError) as error:  # tensors of PyTorch that require grad, or of another device
        raise TypeError(f"{name}: expected an array of numbers, got {described(value)}: {error}") from None


def finite(name: str, array: Array) -> None:
    """Refuse NaN and inf."""
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: expected finite values, got NaN or inf")


def _as_array(name: str, value: Any) -> Array:
    array = asarray(name, value)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    known = array.dtype.kind in "iu" or array.dtype in (FLOAT64, FLOAT32)
    if array.size and not known:  # an empty list has no dtype of its own
        came = described(value) if array.dtype.kind in "OSU" else f"dtype {array.dtype}"
        raise TypeError(f"{name}: expected float32, float64 or integers, got {came}")
    return array


def described(value: Any) -> str:
    """What a message says of an argument that came."""
    if value is None:
        return "None"
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    name = type(value).__name__
    try:
        text = f"{' '.join(repr(value).split()):.60}"
    except ValueError:  # Python prints no integer of more than 4300 digits
        text = "with too many digits to print"
    return text if f"{name}(" in text else f"{name} {text}"
