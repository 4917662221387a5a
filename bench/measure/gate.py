"""How far a compiled result is from its reference."""

from typing import Any, NamedTuple

import numpy as np
import scipy

from seqgap.bench.model.case import Call, Case, Dtype, Noise, Operation

_SMALLEST_P = 1e-9  # a right sampler fails this once in a billion checks
_CHECK_FLOPS = 15_000  # of plain Python for the check before a timing: about a millisecond
_CHECK_ROWS = 8


class Difference(NamedTuple):
    """The largest errors of one result against its reference."""

    absolute: float
    ulp: float
    tolerance: float  # in the units of `absolute`, where |absolute| / tolerance is largest

    @property
    def used(self) -> float:
        """Error over tolerance: above 1 the result is wrong."""
        if self.absolute == 0:
            return 0.0
        return self.absolute / self.tolerance if self.tolerance else float("inf")


def difference(actual: Any, expected: Any, relative: float, dtype: Dtype) -> Difference:
    """Compare results leaf by leaf; a leaf is an array, a number, or a list of numbers.

    The tolerance of a leaf is `relative` times max(1, largest |expected| in it). Shapes that differ
    count as an infinite error; equal NaN and inf count as none.
    """
    errors = [
        _leaf_difference(np.asarray(a), np.asarray(b), relative, dtype)
        for a, b in zip(_leaves(actual), _leaves(expected), strict=True)
    ]
    worst = max(errors, key=lambda d: d.used)
    return worst._replace(ulp=max(d.ulp for d in errors))


def _leaves(value: Any) -> list[Any]:
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, tuple) else [value]


def _leaf_difference(actual: Any, expected: Any, relative: float, dtype: Dtype) -> Difference:
    if actual.size == 0 and expected.size == 0:
        return Difference(0.0, 0.0, relative)
    if actual.shape != expected.shape:
        return Difference(np.inf, np.inf, relative)
    if actual.dtype.kind in "biuUO":  # exact: integers, words, flags, names, and None
        wrong = float(np.count_nonzero(actual != expected))
        return Difference(wrong, wrong, 0.0)
    expected = expected.astype(np.float64)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        error = np.where(same, 0.0, np.abs(actual.astype(np.float64) - expected))
    error = np.where(np.isnan(error), np.inf, error)
    finite = expected[np.isfinite(expected)]
    largest = float(np.max(np.abs(finite), initial=1.0))
    with np.errstate(invalid="ignore", over="ignore"):
        spacing = np.abs(np.spacing(np.abs(expected).astype(dtype))).astype(np.float64)
        ulp = np.where(error == 0, 0.0, error / spacing)
    return Difference(float(error.max()), float(np.nanmax(ulp)), relative * largest)


class WrongResultError(Exception):
    """An implementation disagrees with the reference."""


def check(
    case: Case, operation: Operation, output: Any, call: Call, dim: int, dtype: Dtype, *, own_noise: bool
) -> None:
    """Raise WrongResultError if the output of an implementation is wrong: the gate before its timing.

    A few rows from both ends are compared with the reference, as many as plain Python does in one or two
    milliseconds. own_noise: the output was drawn from a generator of its own; the noise behind it must
    pass a test of its distribution instead.
    """
    output = _arrays(output)
    if own_noise:
        assert operation.noise is not None
        p = _p_value(operation.noise, np.ravel(operation.noise.of(output, call))[:100_000])
        if not p > _SMALLEST_P:
            raise WrongResultError(f"the noise has not the distribution {operation.noise.law}, p = {p:.1e}")
        return
    for start, stop in _rows_to_check(operation, output, dim):
        part, part_of_call = output, call
        if operation.rows is not None:
            part_of_call = operation.part(call, start, stop)
            part = _rows_of(output, start, stop, operation.output_axis)
        expected = case.expected(operation.name, part_of_call, dtype)
        error = difference(part, expected, operation.tolerance.of(dim, dtype), dtype)
        if error.used > 1:
            raise WrongResultError(f"error {error.absolute:.2e}, tolerance {error.tolerance:.2e}")


def check_outside(operation: Operation, output: Any, call: Call, dim: int, batch: int) -> None:
    """Raise WrongResultError if the result of a sampler from outside is none: the gate before its timing.

    It has `batch` rows of finite numbers, in an array or in each of a tuple. Where the operation has a
    reference, it is right to the operation's tolerance, for the dtype of the result.
    """
    actual = [_numbers(leaf, batch, "the result") for leaf in _leaves(output)]
    if operation.reference is None:
        return
    expected = [_numbers(leaf, batch, "the reference") for leaf in _leaves(call.of(operation.reference)())]
    shapes = [[leaf.shape for leaf in leaves] for leaves in (actual, expected)]
    if shapes[0] != shapes[1]:
        raise WrongResultError("the result has the shape {}, the reference {}".format(*shapes))
    for leaf, right in zip(actual, expected, strict=True):
        dtype = leaf.dtype if leaf.dtype.kind == "f" else np.dtype(np.float64)
        error = difference(leaf, right, operation.tolerance.of(dim, dtype), dtype)
        if error.used > 1:
            raise WrongResultError(f"error {error.absolute:.2e}, tolerance {error.tolerance:.2e}")


def _numbers(value: Any, batch: int, name: str) -> Any:
    """A value as an array of `batch` rows of finite numbers, complex ones as pairs, or WrongResultError."""
    try:  # gradients keep a tensor from being an array
        array = np.asarray(value.detach() if hasattr(value, "detach") else value)
    except Exception as error:  # libraries raise what they like
        raise WrongResultError(f"{name}: expected an array, got {type(value).__name__} ({error})") from None
    if array.dtype.kind not in "biufc":
        raise WrongResultError(f"{name}: expected numbers, got {type(value).__name__} of {array.dtype}")
    if array.ndim == 0 or len(array) != batch:
        raise WrongResultError(f"{name}: expected n = {batch} rows, got the shape {array.shape}")
    wrong = np.count_nonzero(~np.isfinite(array))
    if wrong:
        raise WrongResultError(f"{name}: expected finite numbers, got {wrong} of NaN or infinity")
    return np.stack([array.real, array.imag], axis=-1) if array.dtype.kind == "c" else array


def _p_value(noise: Noise, values: Any) -> float:
    """Of Kolmogorov and Smirnov's test of one sample; for integers, where F jumps, it is on the safe side."""
    law = getattr(scipy.stats, noise.law)(*noise.parameters)
    if not hasattr(law, "pmf"):
        return float(scipy.stats.kstest(values.astype(np.float64), law.cdf).pvalue)
    drawn, counts = np.unique(values, return_counts=True)
    cumulative = np.cumsum(counts) / values.size
    at, below = cumulative - law.cdf(drawn), cumulative - counts / values.size - law.cdf(drawn - 1)
    return float(scipy.stats.kstwo.sf(max(np.abs(at).max(), np.abs(below).max()), values.size))


def _arrays(output: Any) -> Any:
    """The same as NumPy arrays: other libraries' arrays have other methods."""
    return tuple(map(_arrays, output)) if isinstance(output, tuple) else np.asarray(output)


def _rows_of(output: Any, start: int, stop: int, axis: int) -> Any:
    if isinstance(output, tuple):
        return tuple(_rows_of(item, start, stop, axis) for item in output)
    return np.take(output, range(start, stop), axis)


def _rows_to_check(operation: Operation, output: Any, dim: int) -> list[tuple[int, int]]:
    if operation.rows is None:
        return [(0, 0)]
    batch = np.shape(_leaves(output)[0])[operation.output_axis]
    count = max(1, min(_CHECK_ROWS, int(_CHECK_FLOPS / max(operation.cost(dim).flops, 1))))
    if batch <= 2 * count:
        return [(0, batch)]
    return [(0, count), (batch - count, batch)]
