"""Long chains, mixtures and metrics against the libraries that people use: one thread unless it says more.

`python docs/performance_long.py` prints the rows, about 3 minutes; a library that is missing is left out.
"""

import contextlib
import importlib.util
import io
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from timing import Report, Thunks, Work, installed, on_one_thread

from seqgap import Chain
from seqgap.bench.machine.variables import restart_without
from seqgap.bench.model.registry import cases
from seqgap.kernels import ar_process, bigram, diversity, langevin, mixture, rnn_ar
from seqgap.kernels.normal import standard_normal

FLOAT64 = np.dtype(np.float64)
STATES, LONG = 27, 10**6


def tokens() -> Iterator[Work]:
    """Chains of 27 tokens: one of a million, 256 of 1000, and the score of a million."""
    params = bigram.random_params(STATES, 1)
    samplers = {method: bigram.Sampler(params, method) for method in ("alias", "inverse")}
    out = np.empty((1, LONG), np.int32)
    thunks: Thunks = {
        "blocks": partial(samplers["alias"].sample, 1, 1, length=LONG, strategy="blocks", out=out)
    }
    for method, sampler in samplers.items():
        thunks[f"steps, {method}"] = partial(sampler.sample, 1, 1, length=LONG, strategy="steps", out=out)
    steps = min(thunks, key=lambda name: name != "steps, alias")
    targets = [f"{steps} / blocks >= 2.5", "steps, inverse / blocks >= 2.5"]
    yield from _libraries(f"bigram, one chain of {LONG} tokens", thunks, targets, 1, LONG, {"jax": 1000})
    many = {"numba": partial(samplers["alias"].sample, 256, 1, length=1000)}
    yield from _libraries("bigram, 256 chains of 1000 tokens", many, [], 256, 1000, {"numpy": 20})
    if importlib.util.find_spec("hmmlearn"):
        short = partial(samplers["alias"].sample, 1, 1, length=10_000)
        thunks = {"numba": short, "hmmlearn": partial(_hidden_markov(params).sample, 10_000)}
        yield "bigram, one chain of 10000 tokens", thunks, ["hmmlearn / numba >= 1000"]
    x = samplers["alias"].sample(1, 1, length=LONG).astype(np.int64)
    yield f"bigram.log_prob of {LONG} tokens, int64", {"numba": partial(bigram.log_prob, x, params)}, []


def _hidden_markov(params: bigram.Params) -> Any:
    """The chain as hmmlearn has it: hidden states that are seen as they are."""
    from hmmlearn.hmm import CategoricalHMM

    model = CategoricalHMM(STATES, n_features=STATES)
    model.startprob_, model.transmat_, model.emissionprob_ = *params[:2], np.eye(STATES)
    return model


def _libraries(
    work: str, ours: Thunks, wanted: list[str], count: int, length: int, limits: dict[str, int]
) -> Iterator[Work]:
    """With the peers that have a limit."""
    operation, thunks = cases()["bigram"].operation("sample"), dict(ours)
    call, first = operation.inputs(length, count, FLOAT64, 1), next(iter(ours))
    for library, limit in limits.items():
        if library in installed():
            thunks[library] = operation.implementations[library](call, length, FLOAT64)
            wanted.append(f"{library} / {first} >= {limit}")
    yield work, thunks, wanted


def series() -> Iterator[Work]:
    """Chains of numbers that forget: z is given."""
    z = standard_normal(1, 2**20, 1)
    params = rnn_ar.Params(np.array([[0.9]]), np.zeros(1), np.array([0.5]))
    thunks: Thunks = {
        "steps": partial(rnn_ar.forward, z, params, strategy="steps"),
        "blocks": partial(rnn_ar.forward, z, params, strategy="blocks"),
        "2 threads": partial(rnn_ar.forward, z, params, strategy="blocks", threads=2),
    }
    yield "rnn_ar, D = 1, 2^20 steps", thunks, ["steps / blocks >= 4", "blocks / 2 threads >= 1.7"]
    autoregressive = ar_process.Params(np.array([0.9]), 0.0, 1.0)
    for power in (16, 20):
        z = standard_normal(1, 2**power, 1)
        out, verb = np.empty_like(z), partial(ar_process.forward, z, autoregressive)
        thunks = {name: partial(verb, strategy=name, out=out) for name in ("recurrence", "blocks", "scan")}
        thunks["copy"] = partial(np.copyto, out, z)
        targets = ["recurrence / blocks >= 2", "blocks / copy <= 1.3"]
        yield f"ar_process, phi = 0.9, 2^{power} steps", thunks, targets


def walks() -> Iterator[Work]:
    """One long chain of Langevin steps, all of whose states are kept."""
    for adjust in (False, True):
        params = langevin.random_params(2, 3, steps=200_000, step_size=0.2)
        chain, start = Chain(params, adjust=adjust), np.zeros((1, 2))
        thunks: Thunks = {
            name: partial(chain.trajectory, start, 5, strategy=name) for name in ("steps", "blocks")
        }
        thunks["2 threads"] = partial(chain.trajectory, start, 5, strategy="blocks", threads=2)
        kind = "adjusted" if adjust else "unadjusted"
        yield f"langevin, {kind}, mixture of 3, D = 2, 200000 steps", thunks, ["steps / blocks >= 2.5"]


def mixtures() -> Iterator[Work]:
    """Steps of EM and samples, against scikit-learn."""
    if importlib.util.find_spec("sklearn") is None:
        return
    from sklearn.mixture import GaussianMixture

    for full, limit in ((False, 20), (True, 30)):
        params = mixture.random_params(10, 1, components=5, full=full)
        x, kind = mixture.sample(20_000, params, 2), "full" if full else "diag"
        theirs = GaussianMixture(
            5, covariance_type=kind, max_iter=1, init_params="random_from_data", random_state=1
        )
        with contextlib.suppress(Warning):
            theirs.fit(x)

        def step(theirs: Any = theirs, x: Any = x) -> None:
            theirs._m_step(x, theirs._e_step(x)[1])

        thunks: Thunks = {"numba": partial(mixture.em_step, x, params), "sklearn": step}
        yield f"step of EM, {kind}, 20000 x 10, 5 components", thunks, [f"sklearn / numba >= {limit}"]
        thunks = {
            "numba": partial(mixture.sample, 100_000, params, 1),
            "sklearn": partial(theirs.sample, 100_000),
        }
        yield f"mixture.sample, {kind}, 100000 x 10", thunks, ["sklearn / numba >= 5"]


def metrics() -> Iterator[Work]:
    """Precision, recall, density and coverage, against the package of that name."""
    if importlib.util.find_spec("prdc") is None:
        return
    import prdc

    real, fake = (standard_normal(1000, 64, seed) for seed in (1, 2))

    def theirs() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints sizes
            prdc.compute_prdc(real, fake, 5)

    thunks: Thunks = {"numba": partial(diversity.prdc, real, fake, 5), "prdc": theirs}
    yield "prdc, 1000 against 1000, D = 64", thunks, ["prdc / numba >= 5"]


if __name__ == "__main__":
    restart_without()
    with on_one_thread():
        report = Report()
        for works in (tokens(), series(), walks(), mixtures(), metrics()):
            report.compare(FLOAT64, works)
