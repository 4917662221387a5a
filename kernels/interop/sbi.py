"""Posteriors and density estimators of sbi, sampled and scored compiled, rejected to their prior."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels._core.seeds import RNG, Seed, key_of
from seqgap.kernels._core.tensors import as_passed
from seqgap.kernels._core.within import Within, acceptance
from seqgap.kernels.interop.embedding import Embedding, numbers
from seqgap.kernels.interop.nflows import from_nflows
from seqgap.kernels.interop.parts import Parts, array, refuse
from seqgap.kernels.interop.zuko import from_zuko

_PARTS = (
    "sbi.inference.posteriors.direct_posterior.DirectPosterior",
    "sbi.inference.posteriors.ensemble_posterior.EnsemblePosterior",
    "sbi.neural_nets.estimators.nflows_flow.NFlowsFlow",
    "sbi.neural_nets.estimators.zuko_flow.ZukoFlow",
    "torch.distributions.independent.Independent",
    "torch.distributions.uniform.Uniform",
    "sbi.utils.torchutils.BoxUniform",
)
_ESTIMATORS = ("NFlowsFlow", "ZukoFlow")
_CORRECTION = 10_000  # accepted rows that the density within the prior is normalised by
_TRIES = 10_000
_Load = Callable[[Callable[..., Flow], Any], Flow]  # (from_nflows or from_zuko, net)


def from_sbi(posterior: Any, *, dtype: DTypeLike | None = None, check: bool = True) -> "Posterior":
    """The `Posterior` of a DirectPosterior, an EnsemblePosterior of those, or a density estimator of sbi.

    Estimators are those of nflows and zuko that `from_nflows` and `from_zuko` load; dtype, check: as there. A
    prior BoxUniform or Uniform is a box; of any other what sbi's `within_support` says of it is asked, rows
    at a time. An estimator alone has no prior: nothing is rejected. Embedding nets stay in PyTorch. Raises
    TypeError for anything else, posteriors by MCMC or variational inference among them, and ValueError naming
    the part that is not supported. `posterior` is left as it is.
    """
    parts = Parts(*_PARTS)

    def load(loader: Callable[..., Flow], net: Any) -> Flow:
        return loader(net, dtype=dtype, check=check)

    if parts.has(posterior, "EnsemblePosterior"):
        members = [_member(parts, f"posteriors[{i}]", p, load) for i, p in enumerate(posterior.posteriors)]
        return Posterior(members, array(posterior.weights), _support(parts, posterior.prior), posterior)
    if parts.has(posterior, "DirectPosterior"):
        member = _member(parts, "posterior", posterior, load)
        return Posterior([member], np.ones(1), _support(parts, posterior.prior), posterior)
    if parts.has(posterior, *_ESTIMATORS):
        return Posterior([_estimator(parts, "estimator", posterior, load)], np.ones(1), None, None)
    expected = "a DirectPosterior, an EnsemblePosterior, or an estimator of nflows or zuko, of sbi"
    raise TypeError(f"posterior: expected {expected}, got {type(posterior).__name__}")


class Member(NamedTuple):
    """One flow."""

    flow: Flow
    embedding: Embedding


class Support(NamedTuple):
    """Which rows a prior has a density for."""

    dim: int
    dtype: np.dtype[Any]
    tries: int
    check: Callable[[Array], Array]

    def holds(self, x: Array) -> Array:
        """(N,) bool."""
        return self.check(x)


def _member(parts: Parts, path: str, posterior: Any, load: _Load) -> Member:
    if not parts.has(posterior, "DirectPosterior"):
        refuse(path, "a DirectPosterior", type(posterior).__name__)
    return _estimator(parts, f"{path}.posterior_estimator", posterior.posterior_estimator, load)


def _estimator(parts: Parts, path: str, estimator: Any, load: _Load) -> Member:
    name = parts.name(path, estimator, *_ESTIMATORS)
    if len(estimator.input_shape) != 1:
        refuse(f"{path}.input_shape", "one dimension", tuple(estimator.input_shape))
    flow = load(from_nflows if name == "NFlowsFlow" else from_zuko, estimator.net)
    return Member(flow, Embedding(estimator.embedding_net, tuple(estimator.condition_shape), flow.dtype))


def _support(parts: Parts, prior: Any) -> Any:
    """(low, high) of a box, or the function that says which rows are within."""
    base = prior.base_dist if parts.has(prior, "Independent", "BoxUniform") else prior
    if parts.has(base, "Uniform") and type(base).__name__ == "Uniform":
        return array(base.low).ravel(), array(base.high).ravel()
    torch, within = sys.modules["torch"], sys.modules["sbi.utils.sbiutils"].within_support

    def holds(x: Array) -> Array:
        return np.asarray(array(within(prior, torch.from_numpy(x))).reshape(len(x)), np.bool_)

    return holds


class Posterior:
    """Samples and densities of flows, one or a mixture of several, within a prior.

    flows, embeddings: of each member; an embedding makes the contexts of observations. Observations and
    parameters may be arrays, or tensors of PyTorch: then results are tensors.
    """

    def __init__(self, members: list[Member], weights: Array, support: Any, origin: Any) -> None:
        dims = {member.flow.dim for member in members}
        if len(dims) != 1 or len(weights) != len(members):
            refuse(
                "posteriors",
                "members of one dimension, and a weight of each",
                f"{sorted(dims)}, {len(weights)}",
            )
        self.members, self.weights, self.dim = members, np.asarray(weights, float), dims.pop()
        self.dtype = members[0].flow.dtype
        self._support = support
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
        count, key = int(np.prod(sizes, dtype=int)), key_of(seed, rng)
        drawn = self._drawn(count, x, key, (first_context, max_tries, threads))[0]
        result = np.ascontiguousarray(drawn.swapaxes(0, 1)).reshape(*sizes, drawn.shape[0], self.dim)
        return as_passed(x, result)

    def _drawn(
        self, count: int, x: Any, key: np.uint64, limits: tuple[int, int, int], partial: bool = False
    ) -> tuple[Array, Array]:
        """(parameters (B, count, D), acceptance (B,)); limits: first_context, max_tries, threads."""
        first, tries, threads = limits
        if len(self.members) == 1:
            (flow, embedding), within = self.members[0], self._within(tries)
            context = embedding("x", x)
            drawn, taken = flow.accepted(
                within, np.arange(count), key, context=context, first_context=first, threads=threads
            )
            return drawn, acceptance(taken, tries, partial)
        owners, batch = self._owners(count, key), len(self.members[0].embedding.batch("x", x))
        drawn = np.empty((batch, count, self.dim), self.dtype)
        taken = np.empty((batch, count), np.int64)
        for index, (flow, embedding) in enumerate(self.members):
            rows, within = np.flatnonzero(owners == index), self._within(tries)
            drawn[:, rows], taken[:, rows] = flow.accepted(
                within, rows, key, context=embedding("x", x), first_context=first, threads=threads
            )
        return drawn, acceptance(taken, tries, partial)

    def _owners(self, count: int, key: np.uint64) -> Array:
        """Which member each row is of."""
        from seqgap.kernels._nets.components import fill_uniforms

        uniforms = np.empty(count)
        fill_uniforms(uniforms, np.int64(0), key, np.uint32(2**32 - 1))
        return np.searchsorted(np.cumsum(self.weights)[:-1], uniforms, side="right")

    def _within(self, tries: int) -> Any:
        if self._support is None:
            return Within.of(-np.inf, np.inf, self.dim, self.dtype, 1)
        if isinstance(self._support, tuple):
            return Within.of(self._support[0], self._support[1], self.dim, self.dtype, tries)
        return Support(self.dim, self.dtype, check.integer("max_tries", tries, 1, 2**22), self._support)

    def log_prob(
        self, theta: Any, x: Any = None, *, norm_posterior: bool = True, seed: Seed = 0, threads: int = 1
    ) -> Any:
        """(N,): log density of parameters (N, D) at one observation, -inf outside of the prior.

        norm_posterior: over the acceptance of 10,000 rows drawn within the prior, those of `seed`. Raises
        TypeError or ValueError for wrong arguments.
        """
        x = self._default if x is None else x
        rows = self._parameters(theta, 1)
        return as_passed(theta, self._density(rows, self._one(x), norm_posterior, seed, threads)[:, 0])

    def log_prob_batched(
        self, theta: Any, x: Any, *, norm_posterior: bool = True, seed: Seed = 0, threads: int = 1
    ) -> Any:
        """(S, B): of parameters (S, B, D), or (B, D) for S = 1, each at its own observation of x (B, ...)."""
        batch = len(self.members[0].embedding("x", x))
        rows = self._parameters(theta, batch)
        return as_passed(theta, self._density(rows, x, norm_posterior, seed, threads))

    def _parameters(self, theta: Any, batch: int) -> Array:
        """(S, B, D)."""
        rows = numbers("theta", theta, self.dtype)
        if rows.ndim == 0 or rows.shape[-1] != self.dim or rows.size % (batch * self.dim):
            raise ValueError(f"theta: expected shape (S, {batch}, {self.dim}), got {rows.shape}")
        return rows.reshape(-1, batch, self.dim)

    def _density(self, theta: Array, x: Any, norm: bool, seed: Seed, threads: int) -> Array:
        samples, batch, _ = theta.shape
        flat, index = theta.reshape(-1, self.dim), np.tile(np.arange(batch), samples)
        logs = [
            member.flow.log_prob(flat, context=member.embedding("x", x), index=index, threads=threads)
            for member in self.members
        ]
        weights = np.log(self.weights).astype(self.dtype)
        total = np.logaddexp.reduce([log + w for log, w in zip(logs, weights, strict=True)])
        if self._support is not None:
            total = np.where(self._within(1).holds(flat), total, -np.inf)
        result = total.reshape(samples, batch)
        if norm and self._support is not None:
            limits = (0, _TRIES, threads)
            rates = self._drawn(_CORRECTION, x, key_of(seed, None), limits, partial=True)[1]
            result = result - np.log(rates)
        return np.asarray(result, self.dtype)

    def likelihood(self, x: Any) -> Callable[..., Array]:
        """f(theta) = sum over rows of x (T, D) of log p(x | theta): (N,), of parameters theta (N, ...).

        For estimators of a likelihood, whose observations are `x` here and whose contexts are parameters.
        """
        (flow, embedding), *more = self.members
        if more or self._support is not None:
            raise ValueError("likelihood: expected an estimator, got a posterior")
        data = check.batch("x", numbers("x", x, self.dtype).reshape(-1, self.dim))

        def of(theta: Any, *, threads: int = 1) -> Any:
            contexts = embedding("theta", theta)
            rows = np.repeat(data, len(contexts), axis=0)
            index = np.tile(np.arange(len(contexts)), len(data)) if len(data) > 1 else None
            logs = flow.log_prob(rows, context=contexts, index=index, threads=threads)
            return as_passed(theta, logs.reshape(len(data), -1).sum(0))

        return of

    def _one(self, x: Any) -> Any:
        """One observation, as a batch."""
        if x is None:
            raise ValueError("x: expected an observation, since there is no default, got None")
        batch = self.members[0].embedding.batch("x", x)
        if len(batch) != 1:
            raise ValueError(f"x: expected one observation, got {len(batch)}; sample_batched takes several")
        return as_passed(x, batch)


def _sizes(shape: Any) -> tuple[int, ...]:
    items = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    return tuple(check.count(f"shape[{i}]", int(size)) for i, size in enumerate(items))
