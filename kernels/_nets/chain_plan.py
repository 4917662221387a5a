"""What a chain of steps x <- a x + b f(x, t) + c eps is: its table, its method, its row kernels."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core.check import Array


class Tableau(NamedTuple):
    """An explicit Runge-Kutta method of S stages (Hairer, Norsett and Wanner, 1993, section II.1)."""

    nodes: Array  # (S,): at which part of a step each stage is
    stages: Array  # (S, S), strictly lower: what earlier stages count for in the input of each
    weights: Array  # (S,): what each counts for in the step


EULER = Tableau(np.zeros(1), np.zeros((1, 1)), np.ones(1))


class Steps(NamedTuple):
    """T steps of a chain, in the order in which they are done; float64 until they are bound to a dtype.

    clean = clean_x x + clean_f f, clipped to [-limit, limit], and then
    x <- keep x + pull clean + push f + noise eps, where f is the weighted mean of the stages' values and each
    stage is evaluated at x + push (stages @ values). Without a limit, pull is 0.
    """

    table: Array  # (T, 6): clean_x, clean_f, keep, pull, push, noise
    streams: Array  # (T,) uint32: of the normals of each step
    tableau: Tableau = EULER
    limit: float = np.inf


class Rows(NamedTuple):
    """The row kernels of chains with one kind of f; `chain_rows.rows_of` makes them."""

    many: Callable[..., None]
    few: Callable[..., None]
    most: Callable[[int], int] = lambda lanes: 3 * lanes // 8  # rows that `few` does faster
    picard: Callable[..., None] | None = None  # as `picard.picard_rows` makes it
    composed: Callable[..., Any] | None = None  # (steps, field) -> (gain, offset), weights of the noise
    blocks: Any = None  # a `coalescence.Series`, of an f that no step changes
    uniforms: int = 0  # that a step draws besides its normals
    work: Callable[[Any], int] = lambda field: 0  # of f for a row, in normals that take as long


class Bound(NamedTuple):
    """A chain in one dtype."""

    steps: tuple[Any, ...]
    field: Any  # what the row kernels read of f
    most: int  # rows that are done one by one


class Plan(NamedTuple):
    """What a family makes of its Params and of the options of its chains."""

    rows: Rows
    field: Callable[[np.dtype[Any]], Any]  # what the row kernels read of f in a dtype
    steps: Steps
    alike: bool = False  # all steps do the same: the chain can go in blocks
