"""Flows within a prior, one or a mixture of several, sampled and scored at observations."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.tensors import as_passed
from seqgap.kernels._core.within import Within, acceptance
from seqgap.kernels._nets.components import fill_uniforms
from seqgap.kernels.interop.embedding import Embedding, numbers
from seqgap.kernels.interop.parts import refuse

_CORRECTION = 10_000  # accepted rows that the density within the prior is normalised by
_TRIES = 10_000


class Member(NamedTuple):
    """One flow."""

    flow: Flow
    embedding: Embedding
    support: Any = None  # (low, high) of a box, or the function that says which rows are within


class Support(NamedTuple):
    """Which rows a prior has a density for."""

    dim: int
    dtype: np.dtype[Any]
    tries: int
    check: Callable[[Array], Array]

    def holds(self, x: Array) -> Array:
        """(N,) bool."""
        return self.check(x)


class Posterior:
    """Samples and densities of flows, one or a mixture of several, within a prior.

    members: those of a weight above 0, their flows and embeddings; an embedding makes the contexts of
    observations. Observations and parameters may be arrays, or tensors of PyTorch: then results are tensors.
    """

    def __init__(self, members: list[Member], weights: Array, origin: Any) -> None:
        dims = {member.flow.dim for member in members}
        if len(dims) != 1 or len(weights) != len(members):
            refuse(
                "posteriors",
                "members of one dimension, and a weight of each",
                f"{sorted(dims)}, {len(weights)}",
            )
        dtypes = {member.flow.dtype.name for member in members}
        if len(dtypes) != 1:
            refuse("posteriors", "members of one dtype, as dtype= makes them", " and ".join(sorted(dtypes)))
        own = np.asarray(weights, float)
        if not (own >= 0).all() or not math.isclose(own.sum(), 1, rel_tol=1e-3):
            refuse("weights", "numbers from 0 on whose sum is 1", own)
        self.members = [member for member, weight in zip(members, own, strict=True) if weight > 0]
        self.weights, self.dim, self.dtype = own[own > 0], dims.pop(), members[0].flow.dtype
        self._default = getattr(origin, "_x", None)

    def sample(
        self, shape: Any = (), x: Any = None, seed: Seed = None, *, rng: RNG = None, max_tries: int = _TRIES,
        threads: int = 1,
    ) -> Any:  # fmt: skip
        """Parameters of the posterior at one observation: (*shape, D).

        x: an observation; None: the default of the posterior it was made of. Rows outside of the prior are
        drawn again, up to max_tries times each. seed, rng: as of `Flow.sample`. Raises TypeError or
        ValueError for wrong arguments, also where tries were too few.
        """
        x = self._default if x is None else x
        drawn = self.sample_batched(shape, self._one(x), seed, rng=rng, max_tries=max_tries, threads=threads)
        return drawn[..., 0, :]

    def sample_batched(
        self, shape: Any, x: Any, seed: Seed = None, *, rng: RNG = None, first_context: int = 0,
        max_tries: int = _TRIES, threads: int = 1,
    ) -> Any:  # fmt: skip
        """(*shape, B, D), of B observations: those of x[b] are as if it were alone, first_context b."""
        sizes = _sizes(shape)
        count, key = check.integer("shape", math.prod(sizes), 0, 2**40), key_of(seed, rng)
        drawn = self._drawn(count, x, key, (first_context, max_tries, threads))
        result = np.ascontiguousarray(drawn.swapaxes(0, 1)).reshape(*sizes, drawn.shape[0], self.dim)
        return as_passed(x, result)

    def _drawn(self, count: int, x: Any, key: np.uint64, limits: tuple[int, int, int]) -> Array:
        """Parameters (B, count, D); limits: first_context, max_tries, threads."""
        if len(self.members) == 1:
            drawn, tries = self._accepted(self.members[0], np.arange(count), x, key, limits)
        else:
            owners, batch = self._owners(count, key), len(self.members[0].embedding.batch("x", x))
            drawn = np.empty((batch, count, self.dim), self.dtype)
            tries = np.empty((batch, count), np.int64)
            for index, member in enumerate(self.members):
                rows = np.flatnonzero(owners == index)
                drawn[:, rows], tries[:, rows] = self._accepted(member, rows, x, key, limits)
        if count:
            acceptance(tries, limits[1], partial=False)
        return drawn

    def _accepted(
        self, member: Member, rows: Array, x: Any, key: np.uint64, limits: tuple[int, int, int]
    ) -> tuple[Array, Array]:
        """What a member draws, and after how many tries, as of `Flow.accepted`."""
        first, most, threads = limits
        within, context = self._within(member, most), member.embedding("x", x)
        return member.flow.accepted(within, rows, key, context=context, first_context=first, threads=threads)

    def _owners(self, count: int, key: np.uint64) -> Array:
        """Which member each row is of."""
        uniforms = np.empty(count)
        fill_uniforms(uniforms, np.int64(0), key, np.uint32(2**32 - 1))
        return np.searchsorted(np.cumsum(self.weights)[:-1], uniforms, side="right")

    def _within(self, member: Member, tries: int) -> Any:
        if member.support is None:
            check.integer("max_tries", tries, 1, 2**22)
            return Within.of(-np.inf, np.inf, self.dim, self.dtype, 1)
        if isinstance(member.support, tuple):
            low, high = member.support
            return Within.of(low, high, self.dim, self.dtype, tries)
        return Support(self.dim, self.dtype, check.integer("max_tries", tries, 1, 2**22), member.support)

    def log_prob(
        self, theta: Any, x: Any = None, *, norm_posterior: bool = True, seed: Seed = 0, threads: int = 1
    ) -> Any:
        """(N,): log density of parameters (N, D) at one observation, -inf outside of the prior.

        norm_posterior: over the acceptance of 10,000 rows drawn within the prior, those of `seed`. Raises
        TypeError or ValueError for wrong arguments.
        """
        x = self._default if x is None else x
        rows = numbers("theta", theta, self.dtype)
        if rows.shape[-1:] != (self.dim,) or rows.ndim > 2:
            raise ValueError(f"theta: expected shape (N, {self.dim}), got {rows.shape}")
        rows = rows.reshape(-1, 1, self.dim)
        return as_passed(theta, self._density(rows, self._one(x), norm_posterior, seed, threads)[:, 0])

    def log_prob_batched(
        self, theta: Any, x: Any, *, norm_posterior: bool = True, seed: Seed = 0, threads: int = 1
    ) -> Any:
        """(S, B): of parameters (S, B, D), or (B, D) for S = 1, each at its own observation of x (B, ...)."""
        batch, rows = len(self.members[0].embedding.batch("x", x)), numbers("theta", theta, self.dtype)
        if rows.shape[-2:] != (batch, self.dim) or rows.ndim > 3:
            raise ValueError(f"theta: expected shape (S, {batch}, {self.dim}), got {rows.shape}")
        rows = rows.reshape(len(rows) if rows.ndim == 3 else 1, batch, self.dim)
        return as_passed(theta, self._density(rows, x, norm_posterior, seed, threads))

    def _density(self, theta: Array, x: Any, norm: bool, seed: Seed, threads: int) -> Array:
        samples, batch, _ = theta.shape
        flat, index = theta.reshape(-1, self.dim), np.tile(np.arange(batch), samples)
        normalised, logs = check.flag("norm_posterior", norm), list[Array]()
        for member, log_weight in zip(self.members, np.log(self.weights), strict=True):
            context = member.embedding("x", x)
            log = member.flow.log_prob(flat, context=context, index=index, threads=threads)
            if member.support is not None:
                log = np.where(self._within(member, 1).holds(flat), log, -np.inf)
            log = log.reshape(samples, batch) + log_weight
            if normalised and member.support is not None:
                log = log - np.log(self._rates(member, x, seed, threads))
            logs.append(log)
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            return np.asarray(np.logaddexp.reduce(logs), self.dtype)

    def _rates(self, member: Member, x: Any, seed: Seed, threads: int) -> Array:
        """(B,): the part of a member that is within its prior."""
        limits, rows = (0, _TRIES, threads), np.arange(_CORRECTION)
        tries = self._accepted(member, rows, x, key_of(seed, None), limits)[1]
        rates = acceptance(tries, _TRIES, partial=True)
        if not rates.all():
            expected = "samples within the prior, which the density is normalised by"
            got = f"none of {_CORRECTION * _TRIES} for observation {np.argmin(rates)}"
            raise ValueError(f"norm_posterior: expected {expected}, got {got}; False takes none")
        return rates

    def likelihood(self, x: Any) -> Callable[..., Any]:
        """f(theta) = sum over rows of x (T, D) of log p(x | theta): (N,), of parameters theta (N, ...).

        For estimators of a likelihood, whose observations are `x` here and whose contexts are parameters.
        """
        if len(self.members) > 1 or self.members[0].support is not None:
            raise ValueError("likelihood: expected an estimator, got a posterior")
        data = numbers("x", x, self.dtype)
        if data.shape[-1:] != (self.dim,):
            raise ValueError(f"x: expected shape (T, {self.dim}), got {data.shape}")
        return functools.partial(self._likelihood, data.reshape(-1, self.dim))

    def _likelihood(self, data: Array, theta: Any, *, threads: int = 1) -> Any:
        contexts = self.members[0].embedding("theta", theta)
        rows = np.repeat(data, len(contexts), axis=0)
        index = np.tile(np.arange(len(contexts)), len(data)) if len(data) != 1 else None
        logs = self.members[0].flow.log_prob(rows, context=contexts, index=index, threads=threads)
        return as_passed(theta, logs.reshape(len(data), len(contexts)).sum(0))

    def _one(self, x: Any) -> Any:
        """One observation, as a batch."""
        if x is None:
            raise ValueError("x: expected an observation, since there is no default, got None")
        batch = self.members[0].embedding.batch("x", x)
        if len(batch) != 1:
            raise ValueError(f"x: expected one observation, got {len(batch)}; sample_batched takes several")
        return as_passed(x, batch)


def _sizes(shape: Any) -> tuple[int, ...]:
    items = (shape,) if isinstance(shape, int | np.integer) else shape
    sizes = check.integers("shape", items, 1).tolist()
    return tuple(check.count(f"shape[{i}]", size) for i, size in enumerate(sizes))
