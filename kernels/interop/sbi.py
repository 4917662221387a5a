"""Posteriors and density estimators of sbi: their flows, embedding nets and priors."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from seqgap.kernels._core.check import Array
from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.embedding import Embedding
from seqgap.kernels.interop.nflows import from_nflows
from seqgap.kernels.interop.parts import Parts, array, refuse
from seqgap.kernels.interop.posterior import Member, Posterior
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
_Load = Callable[[Callable[..., Flow], Any], Flow]  # (from_nflows or from_zuko, net)


def from_sbi(posterior: Any, *, dtype: DTypeLike | None = None, check: bool = True) -> Posterior:
    """The `Posterior` of a DirectPosterior, an EnsemblePosterior of those, or a density estimator of sbi.

    Estimators are those of nflows and zuko that `from_nflows` and `from_zuko` load; dtype, check: as there. A
    prior BoxUniform or Uniform is a box; of any other what sbi's `within_support` says of it is asked, rows
    at a time; each member of an ensemble has its own. An estimator alone has no prior: nothing is rejected.
    Embedding nets stay in PyTorch. Raises TypeError for anything else, posteriors by MCMC or variational
    inference among them, and ValueError naming the part that is not supported. `posterior` is left as it is.
    """
    parts = Parts(*_PARTS)

    def load(loader: Callable[..., Flow], net: Any) -> Flow:
        return loader(net, dtype=dtype, check=check)

    if parts.has(posterior, "EnsemblePosterior"):
        members = [_member(parts, f"posteriors[{i}]", p, load) for i, p in enumerate(posterior.posteriors)]
        parts.name("posterior", posterior, "EnsemblePosterior")
        return Posterior(members, array(posterior.weights), posterior)
    if parts.has(posterior, "DirectPosterior"):
        return Posterior([_member(parts, "posterior", posterior, load)], np.ones(1), posterior)
    if parts.has(posterior, *_ESTIMATORS):
        return Posterior([_estimator(parts, "estimator", posterior, load)], np.ones(1), None)
    expected = "a DirectPosterior, an EnsemblePosterior, or an estimator of nflows or zuko, of sbi"
    raise TypeError(f"posterior: expected {expected}, got {type(posterior).__name__}")


def _member(parts: Parts, path: str, posterior: Any, load: _Load) -> Member:
    parts.name(path, posterior, "DirectPosterior")
    member = _estimator(parts, f"{path}.posterior_estimator", posterior.posterior_estimator, load)
    return member._replace(support=_support(parts, f"{path}.prior", posterior.prior, member.flow.dim))


def _estimator(parts: Parts, path: str, estimator: Any, load: _Load) -> Member:
    name = parts.name(path, estimator, *_ESTIMATORS)
    if absent := [n for n in ("net", "embedding_net") if not hasattr(estimator, n)]:
        refuse(path, "an estimator as sbi makes them", f"one without {absent[0]}")
    flow = load(from_nflows if name == "NFlowsFlow" else from_zuko, estimator.net)
    if estimator.input_shape != (flow.dim,):
        refuse(f"{path}.input_shape", f"({flow.dim},)", estimator.input_shape)
    if not isinstance(estimator.condition_shape, tuple):
        refuse(f"{path}.condition_shape", "a shape", estimator.condition_shape)
    return Member(flow, Embedding(estimator.embedding_net, tuple(estimator.condition_shape), flow.dtype))


def _support(parts: Parts, path: str, prior: Any, dim: int) -> Any:
    """(low, high) of a box, or the function that says which rows are within."""
    wrapped = parts.known.get(type(prior)) in ("Independent", "BoxUniform")
    base = prior.base_dist if wrapped else prior
    if parts.known.get(type(base)) == "Uniform":  # a subclass may have another support
        if base.low.shape != (dim,):
            refuse(path, f"bounds of {dim} parameters", f"shape {tuple(base.low.shape)}")
        return array(base.low), array(base.high)
    return functools.partial(_holds, sys.modules["sbi.utils.sbiutils"].within_support, prior)


def _holds(within_support: Callable[..., Any], prior: Any, x: Array) -> Array:
    inside = within_support(prior, sys.modules["torch"].from_numpy(x))
    if inside.shape != (len(x),):
        raise ValueError(f"prior: expected one that says of each row of {x.shape} whether it is within")
    return np.asarray(array(inside), np.bool_)
