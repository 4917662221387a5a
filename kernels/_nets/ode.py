"""Continuous flows, from their Params to what the row kernels take.

Params are those of `kernels.cnf`: a network and how its equation is solved.
"""

from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.rows import RowsError
from seqgap.kernels._nets.adaptive_rows import adaptive_rows
from seqgap.kernels._nets.adaptive_stages import Solver
from seqgap.kernels._nets.ode_picard import picard_rows
from seqgap.kernels._nets.ode_rows import Arrays, Context, Grid, fixed_rows
from seqgap.kernels._nets.perceptron import Evaluations, embedded, evaluations
from seqgap.kernels._nets.runge_kutta import DORMAND_PRINCE, ERROR, METHODS
from seqgap.kernels._nets.trace_forms import exact, unscored

FORWARD, INVERSE, DRAWING = range(3)
_NO_RECORD = np.empty(0, np.int64)


class Bound(NamedTuple):
    """What the row kernels take in either direction, and forward where log_det is left out."""

    forward: Arrays
    inverse: Arrays
    drawing: Arrays


def bound(params: Any, dtype: np.dtype[Any], dim: int) -> Bound:
    """Checked. Raises TypeError or ValueError that names the field that is wrong."""
    try:
        return _bound(params, dtype, dim)
    except (TypeError, ValueError) as error:  # the network is no field, its arrays are
        raise type(error)(str(error).replace("model.", "params.", 1)) from None


def _bound(params: Any, dtype: np.dtype[Any], dim: int) -> Bound:
    start = check.integer("params.base_at", params.base_at, 0, 1)
    check.choice("params.method", params.method, (*METHODS, "dopri5"))
    bind = _adaptive if params.method == "dopri5" else _fixed
    forward, inverse = (bind(params, begin, dtype, dim) for begin in (start, 1 - start))
    trace, none = exact(params.model, dtype), unscored(params.model, dtype)
    return Bound(*(
        Arrays(method, net, form, None, _NO_RECORD)
        for (method, net), form in ((forward, trace), (inverse, trace), (forward, none))
    ))  # fmt: skip


def _fixed(params: Any, start: int, dtype: np.dtype[Any], dim: int) -> tuple[Grid, Evaluations]:
    steps, tableau = check.integer("params.steps", params.steps, 1, 10**6), METHODS[params.method]
    width = (1 - 2 * start) / steps
    times = (start + width * np.arange(steps)[:, None] + width * tableau.nodes).ravel()
    stages, weights = (np.ascontiguousarray(a, dtype) for a in tableau[1:])
    return Grid(stages, weights, steps, dtype.type(width)), evaluations(params.model, dim, times, None, dtype)


def _adaptive(params: Any, start: int, dtype: np.dtype[Any], dim: int) -> tuple[Solver, Evaluations]:
    """Time features are inputs of the first layer, since every row has a time of its own."""
    model = params.model
    of_time = embedded(model, np.zeros(1)).shape[1]
    inputs = model._replace(embedding="none", frequencies=np.empty(0))
    net = evaluations(inputs, dim + of_time, np.zeros(1), None, dtype, dim)
    relative, absolute = (
        _in_range(check.positive(f"params.{name}", getattr(params, name)), dtype)
        for name in ("relative_tolerance", "absolute_tolerance")
    )
    most = check.integer("params.max_steps", params.max_steps, 1, 10**9)
    tables = (np.ascontiguousarray(table, dtype) for table in (*DORMAND_PRINCE, ERROR))
    turns = np.asarray(model.frequencies, float) / (2 * np.pi)
    numbers = of_time, float(start), float(1 - start), relative, absolute, most
    return Solver._make([*tables, turns.astype(dtype), *numbers]), net


def _in_range(tolerance: float, dtype: np.dtype[Any]) -> float:
    """The nearest normal number of the dtype: with 0 or inf no step of a row at 0 would be within it."""
    return float(np.clip(tolerance, np.finfo(dtype).tiny, np.finfo(dtype).max))


class ContextTable(NamedTuple):
    """What makes a table of contexts: their columns of the first layer."""

    weight: Array  # (H, C)

    def __call__(self, contexts: Array) -> tuple[Array]:
        """(W_c c of each context,), the first (B, H), in the dtype of the weights."""
        # Without BLAS, whose bits depend on how many contexts there are.
        added = np.einsum("bc,hc->bh", contexts.astype(float), self.weight.astype(float))
        with np.errstate(over="ignore"):  # inf as IEEE says
            return (added.astype(self.weight.dtype),)


def context_table(params: Any, *own: Arrays) -> ContextTable | None:
    """Of checked params that take a context."""
    if params.weight_context is None:
        return None
    columns = check.shape("params.weight_context", params.weight_context, 2)[1]
    width, dtype = len(own[0].net.weight_in), own[0].net.weight_in.dtype
    return ContextTable(check.shaped("params.weight_context", params.weight_context, dtype, (width, columns)))


def solve(lo: int, hi: int, batch: tuple[Array, Array, Array], arrays: Arrays) -> None:
    """Write target and log_det of (source, target, log_det). RowsError where max_steps are too few."""
    if type(arrays.method) is Grid:
        fixed_rows(lo, hi, *batch, arrays)
        return
    failed = np.zeros(len(batch[0]), np.bool_)
    adaptive_rows(lo, hi, *batch, failed, arrays)
    if failed.any():
        most = arrays.method.most
        raise RowsError(
            f"params.max_steps: expected at most {most} steps for each row, got more for",
            np.flatnonzero(failed),
        )


def rows(direction: int) -> Any:
    """The row kernel of one of `Bound`."""

    def row_kernel(lo: int, hi: int, source: Array, target: Array, log_det: Array, *arrays: Any) -> None:
        own = arrays[direction]
        if len(arrays) > len(Bound._fields):  # the lookup of contexts
            own = own._replace(context=Context(*arrays[-1]))
        solve(lo, hi, (source, target, log_det), own)

    return row_kernel


def picard(
    lo: int, hi: int, source: Array, target: Array, log_det: Array, forward: Arrays, *more: Any
) -> None:
    """The row kernel of the strategy picard, latent to data."""
    if len(more) >= len(Bound._fields):
        raise ValueError("strategy: expected steps for a flow with contexts, got picard")
    picard_rows(source[lo:hi], target[lo:hi], log_det[lo:hi], forward)
