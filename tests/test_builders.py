"""Flows as the constructors of other libraries make them: fresh, trained and moved, in both dtypes."""

import importlib.util
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from builders import MODELS, built_estimator, data, doubled, flow_of, jittered, sbi_libraries
from seqgap import Flow
from seqgap.kernels.interop import evaluation, from_nflows, from_sbi, from_zuko
from seqgap.kernels.normal import standard_normal
from torchflows import begun

NAMES = ("torch", "sbi", "lampe", "glasflow", "nessai", "pocomc")
MISSING = [name for name in NAMES if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"without {', '.join(MISSING)}"),
    pytest.mark.filterwarnings("ignore"),  # what they warn of is their own affair
]
STATES = ("fresh", "trained", "moved")
STEPS = 100


class Subject(NamedTuple):
    """A flow of PyTorch, its loader, and the net that makes its contexts."""

    net: Any
    load: Callable[[], Flow]
    embedding: Callable[[Any], Any] = lambda x: x


class Values(NamedTuple):
    """What a flow makes of parameters, and of normals in `sample`; float64 or float32."""

    log_prob: Any
    latent: Any
    sample: Any


def sbi_cases() -> Iterator[tuple[str, int, int, bool, str]]:
    """Each model at each D and K once; each state and embedding meets each D, and each K."""
    for m, (d, dim), (k, columns) in itertools.product(
        range(len(MODELS)), enumerate((1, 2, 5, 15)), enumerate((1, 20, 200))
    ):
        yield MODELS[m], dim, columns, (m + d + k) % 2 == 0, STATES[(m + d + k) % 3]


def trained(net: Any, loss: Callable[[], Any]) -> None:
    """Some hundred steps of Adam."""
    torch, _ = sbi_libraries()
    steps = torch.optim.Adam(net.train().parameters(), lr=1e-3)
    for _ in range(STEPS):
        steps.zero_grad()
        loss().backward()
        steps.step()


def put(net: Any, state: str, loss: Callable[[], Any]) -> None:
    """A flow in one of the states, in evaluation."""
    begun(net)  # BatchNorm and ActNorm start without statistics, which no flow that is used does
    if state == "trained":
        trained(net, loss)
    elif state == "moved":
        jittered(net)
    net.eval()


def density(net: Any, theta: Any, context: Any) -> Any:
    """log_prob past the embedding."""
    if not hasattr(net, "_transform"):
        return net(context).log_prob(theta)
    z, log_det = net._transform(theta, context=context)
    return net._distribution.log_prob(z) + log_det


def of_library(net: Any, theta: Any, context: Any, z: Any) -> Values:
    torch, _ = sbi_libraries()
    with torch.no_grad():
        if hasattr(net, "_transform"):
            latent = net._transform(theta, context=context)[0]
            sample = net._transform.inverse(z, context=context)[0]
        else:
            transform = net(context).transform
            latent, sample = transform(theta), transform.inv(z)
        return Values(*(v.numpy() for v in (density(net, theta, context), latent, sample)))


def of_seqgap(flow: Flow, theta: Any, context: Any, z: Any) -> Values:
    theta, z = theta.numpy(), z.numpy()
    options = {"context": context.numpy()} if flow.context_dim else {}
    return Values(
        flow.log_prob(theta, **options), flow.inverse(theta, **options)[0], flow.forward(z, **options)[0]
    )


def errors(values: Values, truth: Values, theta: Any, z: Any) -> Values:
    """Of each row, relative to the terms that it is a sum of."""
    pairs = (truth.latent, theta.numpy()), (truth.sample, z.numpy())
    sizes = [np.maximum(1, np.maximum(np.abs(a), np.abs(b)).max(1)) for a, b in pairs]
    terms = 1 + np.sum(truth.latent**2, 1) / 2 + np.abs(truth.log_prob)
    apart = [np.abs(a - b).reshape(len(z), -1).max(1) for a, b in zip(values, truth, strict=True)]
    relative = (error / size for error, size in zip(apart, (terms, *sizes), strict=True))
    return Values(*(np.where(np.isfinite(error), error, np.inf) for error in relative))


def assert_equal(subject: Subject, theta: Any, x: Any) -> None:
    """Both dtypes against the library in float64; errors of float32 against the library's in float32."""
    torch, _ = sbi_libraries()
    net, z = subject.net, torch.from_numpy(standard_normal(*theta.shape, 4, dtype=np.float32))
    with torch.no_grad():
        given = theta, None if x is None else subject.embedding(x), z
    single, theirs = of_seqgap(subject.load(), *given), of_library(net, *given)
    assert single.latent.dtype == np.float32
    doubled(net, theta.shape[1])
    given = tuple(None if tensor is None else tensor.double() for tensor in given)
    truth = of_library(net, *given)
    flow = subject.load()
    assert flow.dtype == np.float64
    for name, error in errors(of_seqgap(flow, *given), truth, given[0], given[2])._asdict().items():
        assert error.max() < 1e-10, name
    own, library = (errors(v, truth, given[0], given[2])._asdict() for v in (single, theirs))
    for name in own:
        assert_no_worse(own[name], library[name])


def assert_no_worse(own: Any, library: Any) -> None:
    """Errors in float32: at most twice, in the mean and of the worst tenth; a single worst one is chance.

    Where the library overflows nothing is asked: pocomc's MAFs of 12 layers do so before they are trained.
    """
    evaluation.check_float32(own, library, evaluation.Library("the library", id, id))
    finite = np.isfinite(library)
    assert np.quantile(own[finite], 0.9) <= 2 * np.quantile(library[finite], 0.9) + 2.0**-21
    assert own[finite].max() <= 6 * library[finite].max() + 2.0**-21


@pytest.mark.parametrize(("model", "dim", "columns", "embedded", "state"), list(sbi_cases()))
def test_flows_of_sbi(model: str, dim: int, columns: int, embedded: bool, state: str) -> None:
    theta, x = data(dim, columns)
    built = built_estimator(model, dim, columns, embedded)
    put(built, state, lambda: built.loss(theta + x[:, :1], x).mean())
    load = lambda: from_sbi(built).members[0].flow  # noqa: E731
    assert_equal(Subject(built.net, load, built.embedding_net), theta, x)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dim", [2, 5, 15])
@pytest.mark.parametrize("name", ["MAF", "NSF"])
def test_flows_of_lampe(name: str, dim: int, state: str) -> None:
    import zuko
    from lampe.inference import NPE

    sbi_libraries()[0].manual_seed(dim)
    theta, x = (tensor - tensor.mean() for tensor in data(dim, 20))
    estimator = NPE(dim, 20, build=getattr(zuko.flows, name))
    put(estimator, state, lambda: -estimator(theta + x[:, :1], x).mean())
    assert_equal(Subject(estimator.flow, lambda: from_zuko(estimator.flow)), theta, x)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("dim", [2, 5, 15])
@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("glasflow", "realnvp.RealNVP"), ("glasflow", "nsf.CouplingNSF"),
        ("nessai", "realnvp.RealNVP"), ("nessai", "nsf.NeuralSplineFlow"),
        ("nessai", "maf.MaskedAutoregressiveFlow"),
        *(("pocomc", name) for name in ("maf3", "maf6", "maf12", "nsf6")),
    ],
)  # fmt: skip
def test_flows_without_context(library: str, name: str, dim: int, state: str) -> None:
    net = flow_of(library, name, dim)
    theta = data(dim, 1)[0]
    theta = (theta - theta.mean(0)) / theta.std(0) + 0.3 * theta[:, :1]
    load = from_zuko if library == "pocomc" else from_nflows
    put(net, state, lambda: -density(net, theta, None).mean())
    assert_equal(Subject(net, lambda: load(net)), theta, None)
