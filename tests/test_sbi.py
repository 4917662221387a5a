"""Posteriors of sbi: its own builders' flows, samples within the prior, densities; skipped without sbi."""

import copy
import functools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from assembly import libraries
from bits import assert_same_bits
from builders import MODELS, data, doubled, estimator, sbi_libraries
from seqgap import Flow
from seqgap.kernels.interop import from_sbi
from seqgap.kernels.interop.posterior import Posterior
from seqgap.kernels.normal import standard_normal

pytest.importorskip("sbi", reason="pip install 'seqgap[sbi]' for sbi")
pytestmark = pytest.mark.filterwarnings("ignore")  # what sbi warns of is its own affair


def theirs(built: Any, theta: Any, x: Any) -> Any:
    torch, _ = sbi_libraries()
    with torch.no_grad():
        return built.log_prob(torch.from_numpy(theta)[None], torch.from_numpy(x))[0].numpy()


def latent(net: Any, theta: Any, context: Any) -> Any:
    """z of a flow of nflows or zuko."""
    if hasattr(net, "_transform"):
        return net._transform(theta, context=context)[0]
    return net(context).transform(theta)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("dim", "columns", "embedded"), [(1, 1, False), (2, 20, True), (5, 1, False)])
def test_flows_of_the_builder(model: str, dim: int, columns: int, embedded: bool) -> None:
    """log_prob in float32, and forward and inverse in float64, against the library."""
    torch, _ = sbi_libraries()
    built = estimator(model, dim, columns, embedded)
    loaded = from_sbi(built)
    theta, x = (tensor.numpy() for tensor in data(dim, columns))
    single = theirs(built, theta, x)
    ours = loaded.log_prob_batched(theta, x)[0]
    doubled(built.net, dim)
    truth = theirs(built.double(), theta.astype(float), x.astype(float))
    error, own = (np.abs(value - truth) for value in (single, ours))
    assert np.median(own) <= 2 * np.median(error) + 1e-6
    exact = from_sbi(built)
    np.testing.assert_allclose(exact.log_prob_batched(theta, x)[0], truth, rtol=1e-10, atol=1e-10)
    flow, context = exact.members[0].flow, exact.members[0].embedding("x", x)
    z, log_det = flow.inverse(theta.astype(float), context=context)
    back, other = flow.forward(z, context=context)
    np.testing.assert_allclose(back, theta, rtol=1e-7)
    np.testing.assert_allclose(other, -log_det, rtol=1e-6, atol=1e-8)
    given = (torch.from_numpy(array).double() for array in (theta, context))
    with torch.no_grad():
        noise = latent(built.net, *given)
    np.testing.assert_allclose(z, noise.numpy(), rtol=1e-10, atol=1e-10)


def box(low: Any = (1.0, 2.0), high: Any = (4.0, 6.0)) -> Any:
    torch, _ = sbi_libraries()
    from sbi.utils import BoxUniform

    return BoxUniform(torch.tensor(low), torch.tensor(high))


def posterior_of(built: Any, prior: Any) -> Any:
    from sbi.inference.posteriors import DirectPosterior

    return DirectPosterior(built, prior)


def ensemble(*members: Any, weights: Any = None) -> Any:
    from sbi.inference.posteriors import EnsemblePosterior

    return EnsemblePosterior(list(members), weights=weights)


@functools.cache
def direct(model: str = "maf") -> Any:
    """A posterior of sbi whose flow leaks out of its box."""
    return posterior_of(estimator(model, 2, 3), box())


@pytest.fixture
def posterior() -> Posterior:
    return from_sbi(direct())


def observations(count: int) -> Any:
    return standard_normal(count, 3, 5, dtype=np.float32) / 2 - 1


def test_samples_of_a_posterior(posterior: Posterior) -> None:
    x = observations(6)
    drawn = posterior.sample_batched((50,), x, seed=3)
    assert drawn.shape == (50, 6, 2)
    assert drawn.dtype == np.float32
    assert ((drawn >= [1, 2]) & (drawn <= [4, 6])).all()
    assert_same_bits(posterior.sample((50,), x[0], seed=3), np.ascontiguousarray(drawn[:, 0]))
    alone = posterior.sample_batched((50,), x[4:5], seed=3, first_context=4)
    assert_same_bits(alone[:, 0], drawn[:, 4])
    assert posterior.sample((2, 3), x[0], seed=1).shape == (2, 3, 2)
    assert posterior.sample((), x[0], seed=1).shape == (2,)


def test_samples_have_the_law_of_the_library(posterior: Posterior) -> None:
    from scipy import stats

    torch, _ = sbi_libraries()
    x = observations(1)
    torch.manual_seed(3)
    library = direct().sample((4000,), x=torch.from_numpy(x), show_progress_bars=False).numpy()
    ours = posterior.sample((4000,), x, seed=3)
    for d in range(2):
        assert stats.ks_2samp(library[:, d], ours[:, d]).pvalue > 1e-3


def test_densities_of_a_posterior(posterior: Posterior) -> None:
    torch, _ = sbi_libraries()
    x, theta = observations(1), np.array([[2.0, 3], [3, 5], [0, 3], [2, 7]], np.float32)
    with torch.no_grad():
        plain = direct().log_prob(torch.from_numpy(theta), torch.from_numpy(x), norm_posterior=False).numpy()
        normed = direct().log_prob(torch.from_numpy(theta), torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(
        posterior.log_prob(theta, x, norm_posterior=False), plain, rtol=1e-4, atol=1e-5
    )
    assert np.isneginf(plain).tolist() == [False, False, True, True]
    np.testing.assert_allclose(posterior.log_prob(theta, x)[:2], normed[:2], atol=0.06)
    both = observations(2)
    batched = posterior.log_prob_batched(np.stack([theta, theta], 1), both, norm_posterior=False)
    assert batched.shape == (4, 2)
    for b in range(2):
        expected = posterior.log_prob(theta, both[b], norm_posterior=False)
        assert_same_bits(np.ascontiguousarray(batched[:, b]), expected)


def test_tensors_come_back_as_tensors(posterior: Posterior) -> None:
    torch, _ = sbi_libraries()
    x = torch.from_numpy(observations(2))
    assert isinstance(posterior.sample_batched((3,), x, seed=1), torch.Tensor)
    assert isinstance(posterior.sample((3,), x[0], seed=1), torch.Tensor)
    theta = torch.ones(2, 2)
    assert isinstance(posterior.log_prob_batched(theta, x, norm_posterior=False), torch.Tensor)
    with pytest.raises(TypeError, match=r"^theta: .* requires_grad"):
        posterior.log_prob(theta.requires_grad_(), x[0])


def test_a_prior_that_is_no_box(posterior: Posterior) -> None:
    torch, _ = sbi_libraries()
    from sbi.inference.posteriors import DirectPosterior

    normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    loaded = from_sbi(DirectPosterior(direct().posterior_estimator, normal))
    flow = posterior.members[0].flow
    context = posterior.members[0].embedding("x", observations(1)[0])
    assert_same_bits(loaded.sample((20,), observations(1), seed=2), flow.sample(20, 2, context=context[0]))


def test_ensembles() -> None:
    torch, _ = sbi_libraries()
    from sbi.inference.posteriors import EnsemblePosterior

    members, x = [direct(), direct("zuko_maf")], observations(2)
    mixed = from_sbi(EnsemblePosterior(members, weights=torch.tensor([0.25, 0.75])))
    drawn = mixed.sample_batched((4000,), x, seed=3)
    parts = [from_sbi(member).sample_batched((4000,), x, seed=3) for member in members]
    second = (drawn == parts[1]).all(2)
    assert ((drawn == parts[0]).all(2) | second).all()
    assert abs(second[:, 0].mean() - 0.75) < 0.04
    theta = drawn[:10, 0]
    logs = [from_sbi(m).log_prob(theta, x[0], norm_posterior=False) for m in members]
    expected = np.logaddexp(np.log(0.25) + logs[0], np.log(0.75) + logs[1])
    np.testing.assert_allclose(mixed.log_prob(theta, x[0], norm_posterior=False), expected, rtol=1e-5)


def test_members_are_normalised_by_their_own_acceptance() -> None:
    """sum of w_i p_i / acceptance_i: the density of what is drawn, and the library's."""
    torch, _ = sbi_libraries()
    members, x = [direct(), direct("zuko_maf")], observations(1)
    rates = [
        from_sbi(m)
        .members[0]
        .flow.sample_within([1, 2], [4, 6], 10_000, 0, context=from_sbi(m).members[0].embedding("x", x)[0])[1]
        for m in members
    ]
    assert max(rates) > 5 * min(rates)
    theta = np.array([[2.0, 3], [3, 5]], np.float32)
    mixed = from_sbi(ensemble(*members)).log_prob(theta, x)
    parts = [
        from_sbi(m).log_prob(theta, x, norm_posterior=False) - np.log(2 * rate)
        for m, rate in zip(members, rates, strict=True)
    ]
    np.testing.assert_allclose(mixed, np.logaddexp(*parts), rtol=1e-5)
    theirs = ensemble(*members).log_prob(torch.from_numpy(theta), torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(mixed, theirs, atol=0.1)


def test_members_have_priors_of_their_own() -> None:
    torch, _ = sbi_libraries()
    built, x = direct().posterior_estimator, observations(1)
    far = box((10.0, 10.0), (14.0, 14.0))
    theirs = ensemble(direct(), posterior_of(built, far))
    ours, theta = from_sbi(theirs), np.array([[2.0, 3], [11, 12], [7, 8]], np.float32)
    expected = theirs.log_prob(torch.from_numpy(theta), torch.from_numpy(x), norm_posterior=False).numpy()
    np.testing.assert_allclose(ours.log_prob(theta, x, norm_posterior=False), expected, rtol=1e-4)
    assert np.isfinite(expected).tolist() == [True, True, False]
    assert (ours.sample((200,), x, seed=1) >= 10).all(1).any()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_members_without_rows(count: int) -> None:
    """One member at least draws none of so few."""
    x = observations(2)
    for weights in ([0.5, 0.5], [1.0, 0.0], [0.0, 1.0]):
        mixed = from_sbi(ensemble(direct(), direct("zuko_maf"), weights=weights))
        assert mixed.sample_batched((count,), x, seed=1).shape == (count, 2, 2)
    assert_same_bits(
        mixed.sample((count,), x[0], seed=1), from_sbi(direct("zuko_maf")).sample((count,), x[0], seed=1)
    )
    theta = np.array([[2.0, 3]], np.float32)
    density = from_sbi(direct("zuko_maf")).log_prob(theta, x[0], norm_posterior=False)
    assert_same_bits(mixed.log_prob(theta, x[0], norm_posterior=False), density)


def test_no_observations(posterior: Posterior) -> None:
    for loaded in (posterior, from_sbi(ensemble(direct(), direct("zuko_maf")))):
        assert loaded.sample_batched((3,), observations(0), seed=1).shape == (3, 0, 2)
        none = np.zeros((4, 0, 2))
        assert loaded.log_prob_batched(none, observations(0), norm_posterior=False).shape == (4, 0)
    likelihood = from_sbi(estimator("maf", 2, 3)).likelihood
    assert likelihood(np.zeros((5, 2)))(observations(0)).shape == (0,)
    assert likelihood(np.zeros((0, 2)))(observations(4)).tolist() == [0] * 4


def test_a_prior_that_nothing_is_within(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqgap.kernels.interop import posterior

    monkeypatch.setattr(posterior, "_TRIES", 5)
    monkeypatch.setattr(posterior, "_CORRECTION", 10)
    far = from_sbi(posterior_of(direct().posterior_estimator, box((90.0, 90.0), (91.0, 91.0))))
    theta = np.full((2, 2), 90.5)
    with pytest.raises(ValueError, match=r"^norm_posterior: .* got none of 50 for observation 0"):
        far.log_prob(theta, observations(1))
    assert np.isfinite(far.log_prob(theta, observations(1), norm_posterior=False)).all()


@pytest.mark.filterwarnings("error")
def test_parameters_that_are_no_numbers(posterior: Posterior) -> None:
    """NaN is not within a box; without one its density is NaN. Too large a number is infinite."""
    theta, x = np.array([[np.nan, 3], [1e300, 3]]), observations(1)
    assert np.isneginf(posterior.log_prob(theta, x, norm_posterior=False)).all()
    assert np.isnan(from_sbi(estimator("maf", 2, 3)).log_prob(theta[:1], x)).all()


def test_pickles(posterior: Posterior) -> None:
    torch, _ = sbi_libraries()
    normal = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    x = observations(1)
    for loaded in (posterior, from_sbi(posterior_of(direct().posterior_estimator, normal))):
        for other in (pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded)):
            assert_same_bits(other.sample((3,), x, seed=1), loaded.sample((3,), x, seed=1))
    likelihood = from_sbi(estimator("maf", 2, 3)).likelihood(np.zeros(2))
    assert_same_bits(pickle.loads(pickle.dumps(likelihood))(x), likelihood(x))


def test_an_embedding_with_a_hook_is_run() -> None:
    """One that only standardises is done without PyTorch; not so where it does more."""
    built, (theta, x) = estimator("zuko_maf", 2, 3), (value.numpy() for value in data(2, 3))
    plain = from_sbi(built).log_prob_batched(theta, x)[0]
    for part in (built.embedding_net, built.embedding_net[0]):
        handle = part.register_forward_pre_hook(lambda module, values: (values[0] * 1.5,))
        hooked = from_sbi(built).log_prob_batched(theta, x)[0]
        np.testing.assert_allclose(hooked, theirs(built, theta, x), rtol=1e-3, atol=1e-3)
        assert np.abs(hooked - plain).max() > 0.05
        handle.remove()


def test_likelihoods() -> None:
    """x is what the flow makes, and parameters are its context: 20 of them a call."""
    built = estimator("maf", 5, 3)
    prepared = from_sbi(built).likelihood(standard_normal(1, 5, 3, dtype=np.float32)[0])
    theta = standard_normal(20, 3, 4, dtype=np.float32)
    x = np.repeat(standard_normal(1, 5, 3, dtype=np.float32), 20, 0)
    np.testing.assert_allclose(prepared(theta), theirs(built, x, theta), rtol=1e-3, atol=1e-4)
    trials = standard_normal(3, 5, 3, dtype=np.float32)
    summed = from_sbi(built).likelihood(trials)(theta)
    each = sum(from_sbi(built).likelihood(row)(theta) for row in trials)
    np.testing.assert_allclose(summed, each, rtol=1e-5)


def test_a_flow_at_one_observation_needs_no_torch(posterior: Posterior, tmp_path: Any) -> None:
    member, x = posterior.members[0], observations(1)
    member.flow.condition(member.embedding("x", x)[0]).save(tmp_path / "one.npz")
    loaded = Flow.load(tmp_path / "one.npz")
    inside = loaded.sample_within([1, 2], [4, 6], 30, 3)[0]
    assert_same_bits(inside, posterior.sample((30,), x, seed=3))


WRONG: list[tuple[type[Exception], str, Callable[[Posterior], Any]]] = [
    (ValueError, "x: expected an observation, since there is no default", lambda p: p.sample((3,), seed=1)),
    (ValueError, "x: expected one observation, got 2", lambda p: p.sample((3,), observations(2), seed=1)),
    (ValueError, r"x: expected shape \(3,\)", lambda p: p.sample((3,), np.zeros(4), seed=1)),
    (ValueError, "x: expected finite values", lambda p: p.sample((3,), np.full(3, np.nan), seed=1)),
    (TypeError, "x: expected numbers", lambda p: p.sample((3,), ["a"] * 3, seed=1)),
    (ValueError, "theta: expected shape", lambda p: p.log_prob(np.zeros((4, 3)), observations(1))),
    (ValueError, r"theta: expected shape \(N, 2\)",
     lambda p: p.log_prob(np.zeros((3, 4, 2)), observations(1))),
    (ValueError, "theta: expected shape", lambda p: p.log_prob_batched(np.zeros((6, 2)), observations(2))),
    (ValueError, "theta: expected shape", lambda p: p.log_prob_batched(np.zeros((3, 4, 2)), observations(2))),
    (TypeError, "norm_posterior: expected True",
     lambda p: p.log_prob(np.zeros(2), observations(1), norm_posterior=0)),
    (TypeError, "x: expected numbers, got None", lambda p: p.sample_batched((3,), None, seed=1)),
    (TypeError, "x: expected an array without a mask",
     lambda p: p.sample((3,), np.ma.masked_array([1.0, 2, 3], [1, 0, 0]), seed=1)),
    (TypeError, "x: expected numbers", lambda p: p.sample((3,), ["1", "2", "3"], seed=1)),
    (TypeError, "x: expected numbers", lambda p: p.sample((3,), np.ones(3) + 1j, seed=1)),
    (TypeError, "x: expected numbers", lambda p: p.sample((3,), [10**400] * 3, seed=1)),
    (TypeError, "x: expected an array of numbers", lambda p: p.sample((3,), tensor("sparse"), seed=1)),
    (TypeError, "x: expected an array of numbers", lambda p: p.sample((3,), tensor("meta"), seed=1)),
    (TypeError, "x: expected an array of numbers", lambda p: p.sample((3,), tensor("negative"), seed=1)),
    (TypeError, "x: expected an array of numbers", lambda p: p.sample((3,), tensor("bfloat16"), seed=1)),
    (TypeError, "shape: expected integers", lambda p: p.sample((3.5,), observations(1), seed=1)),
    (TypeError, "shape: expected integers", lambda p: p.sample("34", observations(1), seed=1)),
    (TypeError, "shape: expected integers", lambda p: p.sample(None, observations(1), seed=1)),
    (TypeError, "shape: expected integers", lambda p: p.sample(True, observations(1), seed=1)),
    (ValueError, "shape: expected an integer", lambda p: p.sample((2**32, 2**32), observations(1), seed=1)),
    (ValueError, r"shape\[0\]: expected an integer", lambda p: p.sample(-1, observations(1), seed=1)),
    (ValueError, r"x: expected shape \(T, 2\)",
     lambda p: from_sbi(estimator("maf", 2, 3)).likelihood(np.zeros((2, 4)))),
    (ValueError, "max_tries: expected",
     lambda p: from_sbi(estimator("maf", 2, 3)).sample((2,), observations(1), seed=1, max_tries=0)),
    (ValueError, r"observations: expected what the embedding net takes, got shape \(2, 3\)",
     lambda p: from_sbi(estimator("maf", 2, 4, True)).members[0].flow.embed(np.zeros((2, 3)))),
    (ValueError, "max_tries: expected", lambda p: p.sample((3,), observations(1), seed=1, max_tries=0)),
    (ValueError, "likelihood: expected an estimator", lambda p: p.likelihood(np.zeros(2))),
]  # fmt: skip


def tensor(kind: str) -> Any:
    torch, _ = sbi_libraries()
    kinds = {
        "sparse": lambda: torch.ones(3).to_sparse(),
        "meta": lambda: torch.ones(3, device="meta"),
        "negative": lambda: torch.imag(torch.ones(3, dtype=torch.complex64).conj()),
        "bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    }
    return kinds[kind]()


@pytest.mark.parametrize(("error", "message", "call"), WRONG)
def test_what_is_refused(
    error: type[Exception], message: str, call: Callable[[Posterior], Any], posterior: Posterior
) -> None:
    with pytest.raises(error, match=rf"^{message}"):
        call(posterior)


def test_what_is_not_loaded() -> None:
    with pytest.raises(TypeError, match=r"^posterior: expected a DirectPosterior, .* got int"):
        from_sbi(3)
    for model in ("mdn", "made"):
        with pytest.raises((TypeError, ValueError), match="expected"):
            from_sbi(estimator(model, 2, 3))
    double = posterior_of(estimator("zuko_maf", 2, 3).double(), box())
    with pytest.raises(ValueError, match=r"^posteriors: expected members of one dtype.* float32 and float64"):
        from_sbi(ensemble(direct(), double))
    assert from_sbi(ensemble(direct(), double), dtype=np.float32).dtype == np.float32
    for weights in ([-1.0, 2.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match=r"^weights: expected numbers from 0 on"):
            from_sbi(ensemble(direct(), direct("zuko_maf"), weights=weights))


def test_posteriors_that_override_what_they_do() -> None:
    from sbi.inference.posteriors import DirectPosterior

    class Halved(DirectPosterior):  # type: ignore[misc]
        def log_prob(self, *arguments: Any, **options: Any) -> Any:
            return super().log_prob(*arguments, **options) - 1

    halved = Halved(direct().posterior_estimator, box())
    with pytest.raises(ValueError, match=r"^posterior: .* Halved that overrides log_prob"):
        from_sbi(halved)
    patched = posterior_of(direct().posterior_estimator, box())
    patched.sample = lambda *arguments, **options: None
    with pytest.raises(ValueError, match=r"^posteriors\[1\]: .* overrides sample"):
        from_sbi(ensemble(direct(), patched))


def test_priors_that_are_no_box_of_the_parameters() -> None:
    """A subclass of Uniform may have a support of its own: it is asked."""
    torch, _ = sbi_libraries()
    distributions, built = torch.distributions, direct().posterior_estimator

    class Uniform(distributions.Uniform):  # type: ignore[misc,name-defined]
        @property
        def support(self) -> Any:
            return distributions.constraints.interval(self.low + 1, self.high)

    from sbi.inference.posteriors import DirectPosterior

    narrow = distributions.Independent(Uniform(*(torch.tensor(v) for v in ([1.0, 2.0], [4.0, 6.0]))), 1)
    loaded = from_sbi(DirectPosterior(built, narrow, enable_transform=False))
    theta = np.array([[1.5, 4], [3, 4]], np.float32)
    density = loaded.log_prob(theta, observations(1), norm_posterior=False)
    assert np.isneginf(density).tolist() == [True, False]
    with pytest.raises(
        ValueError, match=r"^posterior.prior: expected bounds of 2 parameters, got shape \(3,\)"
    ):
        from_sbi(posterior_of(built, box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))))


def test_estimators_that_were_changed() -> None:
    for name, value in {"_condition_shape": 3, "_input_shape": None}.items():
        built = copy.deepcopy(direct().posterior_estimator)
        object.__setattr__(built, name, value)
        with pytest.raises(ValueError, match=rf"^estimator.{name[1:]}: expected"):
            from_sbi(built)
    built = copy.deepcopy(direct().posterior_estimator)
    del built.net._embedding_net
    with pytest.raises(ValueError, match=r"^estimator: expected an estimator as sbi makes them"):
        from_sbi(built)


def test_flows_of_equal_shapes_compile_nothing_more() -> None:
    """A catalogue's, or one that is trained again: the machine code of the first serves all."""
    x, theta = observations(4), np.ones((3, 2), np.float32)

    def use() -> None:
        loaded = from_sbi(estimator("maf", 2, 3))
        loaded.sample_batched((20,), x, seed=1)
        loaded.log_prob(theta, x[0])

    use()
    before = len(list(libraries()))
    use()
    assert len(list(libraries())) == before
