"""What is loaded, held to the library's own flow, at points that reach beyond the bounds of splines."""

import copy
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check as checks
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.parts import UnsupportedError, check_modules, refuse
from seqgap.kernels.normal import standard_normal

_ROWS = 64
_RADII = (1.0, 3.0, 30.0)
ALLOWED = 1e-8
_FLOOR32 = 16 * 2.0**-24  # some roundings


def _itself(loaded: Any) -> Any:
    return loaded


def _everywhere(loaded: Any) -> Array:
    """Normals of three deviations: beyond the bounds of splines."""
    normals = standard_normal(_ROWS, loaded.dim, 0, dtype=FLOAT32)
    return np.concatenate([np.float32(radius) * normals for radius in _RADII])


class Library(NamedTuple):
    """How flows of a library are read and evaluated."""

    name: str
    read: Callable[[Any], Any]  # a Flow, or a Perceptron
    evaluate: Callable[..., Any]  # (x, context or None) to (z, log_prob), or x to what a network is, tensors
    comparable: Callable[[Any], Any] = _itself  # of a loaded flow the one that does what `evaluate` does
    points: Callable[[Any], Array] = _everywhere  # where a loaded flow is evaluated: (N, D) float32


class _Points(NamedTuple):
    """Where flows are evaluated."""

    x: Array
    context: Array | None  # one for each row


class _Values(NamedTuple):
    z: Array
    log_prob: Array


def load(flow: Any, library: Library, check: bool, dtype: DTypeLike | None) -> Flow:
    """The Flow of a flow of PyTorch, which stays as it is: a copy is read, and evaluated if `check`.

    The truth is the library in float64. Ours may be off by 1e-8 there, relative to what z and log_prob are
    sums of. In float32 it may be off by twice what the library is off, some roundings added to both, in the
    geometric mean over the points: an error is chance times how steep the flow is at a point, so that the
    steepest point alone would decide an arithmetic mean. dtype: that the parameters are first converted to.
    """
    torch = sys.modules["torch"]
    with torch.inference_mode(mode=False), torch.no_grad():  # zuko has traces from gradients
        check_modules(flow)
        own = copied(flow)
        if dtype is not None:
            _convert(own, checks.dtype(dtype))
        loaded: Flow = read(own, library)
        if check:
            _check(loaded, own, library)
    return loaded


def copied(flow: Any, root: str = "flow") -> Any:
    """A copy on the CPU, in evaluation. root: what errors call the flow."""
    try:
        own = copy.deepcopy(flow, _empty_caches(flow)).cpu().eval()
    except Exception as error:  # attributes of the user may be anything
        refuse(root, f"a {root} that copy.deepcopy copies", f"{type(error).__name__}: {error}")
    return own


def _convert(flow: Any, dtype: np.dtype[Any]) -> None:
    """The parameters of a copy in another dtype; training empties caches of weights."""
    flow.to(getattr(sys.modules["torch"], dtype.name))  # that of nessai returns nothing
    flow.train().eval()


def read(flow: Any, library: Library, root: str = "flow") -> Any:
    """What a library's `read` makes of a flow; whatever it raises becomes UnsupportedError."""
    try:
        return library.read(flow)
    except UnsupportedError:
        raise
    except (TypeError, ValueError) as error:  # numbers that the families do not take
        raise UnsupportedError(f"{root}: {error}") from None
    except Exception as error:  # attributes that are gone, or of another version of the library
        got = f"{type(error).__name__}: {error}"
        raise UnsupportedError(f"{root}: expected one as {library.name} makes them, got {got}") from None


def _empty_caches(flow: Any) -> dict[int, Any]:
    """By the id of each cache of weights an empty one: what it holds may be old, or no copy of it allowed."""
    caches = [module.cache for module in flow.modules() if hasattr(getattr(module, "cache", 0), "invalidate")]
    empty = {id(cache): copy.copy(cache) for cache in caches}
    for cache in empty.values():
        cache.invalidate()
    return empty


def _check(loaded: Flow, flow: Any, library: Library) -> None:
    """Refuse a Flow that differs from the library's, which is made double here."""
    points = _points(loaded, library)
    single = _library_values(flow, points, library) if loaded.dtype == FLOAT32 else None
    _convert(flow, FLOAT64)
    context = None if points.context is None else points.context.astype(np.float64)
    exact = _Points(points.x.astype(np.float64), context)
    double = _values(
        library.comparable(library.read(flow)), exact
    )  # before the library's: it makes constants exact
    truth, x = _library_values(flow, exact, library), exact.x
    errors = _errors(double, truth, x)
    row = int(np.argmax(errors))
    if errors[row] > ALLOWED:
        both = f"log_prob {double.log_prob[row]} where {library.name} has {truth.log_prob[row]}"
        got = f"a difference of {errors[row]:.2g} ({both}, x = {x[row]!s:.200})"
        refuse("flow", f"z and log_prob of {library.name} to {ALLOWED} in float64", got)
    if single is not None:
        ours = _values(library.comparable(loaded), points)
        check_float32(_errors(ours, truth, x), _errors(single, truth, x), library)


def check_float32(ours: Array, theirs: Array, library: Library, root: str = "flow") -> None:
    """Refuse errors of more than twice the library's in the mean; where it overflows nothing is asked."""
    finite = np.isfinite(theirs)
    times = np.log((ours[finite] + _FLOOR32) / (theirs[finite] + _FLOOR32))
    if np.sum(times) > len(times) * np.log(2):
        expected = f"errors in float32 of at most twice those of {library.name}, in the geometric mean"
        refuse(root, expected, f"{np.exp(np.mean(times)):.2g} times")


def _points(flow: Flow, library: Library) -> _Points:
    x = library.points(flow)
    columns = flow.context_dim
    return _Points(x, standard_normal(len(x), columns, 1, dtype=FLOAT32) if columns else None)


def _values(flow: Flow, points: _Points) -> _Values:
    x, context = points
    return _Values(flow.inverse(x, context=context)[0], flow.log_prob(x, context=context))


def _library_values(flow: Any, points: _Points, library: Library) -> _Values:
    return _Values(*(value.numpy() for value in evaluated(flow, points, library)))


def evaluated(flow: Any, points: tuple[Array | None, ...], library: Library, root: str = "flow") -> Any:
    """What the library makes of points; whatever it raises becomes UnsupportedError."""
    from_numpy = sys.modules["torch"].from_numpy
    try:
        tensors = (None if array is None else from_numpy(array.copy()) for array in points)
        return library.evaluate(flow, *tensors)
    except Exception as error:  # it may be any of the library's
        return refuse(root, f"a {root} that {library.name} evaluates", f"{type(error).__name__}: {error}")


def _errors(values: _Values, truth: _Values, x: Array) -> Array:
    """The error of each row: of z relative to the largest of z and x, of log_prob to the terms it sums."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(truth.z), np.abs(x)).max(1, initial=1)
        terms = 1 + np.sum(truth.z**2, 1) / 2 + np.abs(truth.log_prob)
        relative = np.column_stack(
            [apart(values.z, truth.z) / size[:, None], apart(values.log_prob, truth.log_prob) / terms]
        )
    errors: Array = np.where(np.isnan(relative), np.inf, relative).max(1)
    return errors


def apart(value: Array, truth: Array) -> Array:
    """|value - truth|; 0 where both are the same infinity, or NaN."""
    same = (value == truth) | (np.isnan(value) & np.isnan(truth))
    return np.where(same, 0, np.abs(value.astype(np.float64) - truth))
