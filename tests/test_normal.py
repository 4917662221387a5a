"""The generator: published words, exact bits before the transform, distribution."""

import numpy as np
import pytest
from scipy import stats

from seqgap.bench.model.case import Dtype
from seqgap.kernels import normal
from seqgap.reference import normal as reference

# Known answers for philox4x32-10 that Random123 publishes (kat_vectors): counter, key, result.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter: list[int], key: list[int], expected: list[int]) -> None:
    assert normal.philox4x32([counter], key).tolist() == [expected]
    assert reference.philox4x32([counter], key) == [expected]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
def test_uniforms_behind_the_normals_are_exact(seed: int) -> None:
    """u and v recovered from the pair agree with the words to what the transform leaves of them."""
    x, y = normal.standard_normal(50, 2, seed, first_row=2**32 - 25, stream=7).T
    rows = np.arange(2**32 - 25, 2**32 + 25)
    counter = np.column_stack([0 * rows, rows % 2**32, rows // 2**32, 0 * rows + 7])
    w = normal.philox4x32(counter, [seed % 2**32, seed // 2**32]).astype(object)
    u = np.array([int(((a << 32 | b) >> 11) + 1) / 2**53 for a, b, *_ in w])
    v = np.array([int((c << 32 | d) >> 11) / 2**53 for *_, c, d in w])
    np.testing.assert_allclose(np.exp(-0.5 * (x * x + y * y)), u, rtol=1e-13)
    np.testing.assert_allclose(np.arctan2(y, x) / (2 * np.pi) % 1, v, rtol=1e-13)


def test_elements_depend_on_seed_stream_row_and_column_alone(dtype: Dtype) -> None:
    whole = normal.standard_normal(40, 23, 5, dtype=dtype)
    for n, dim, first in ((7, 23, 3), (1, 1, 39), (20, 9, 11), (5, 22, 0)):
        part = normal.standard_normal(n, dim, 5, first_row=first, dtype=dtype)
        assert part.tobytes() == whole[first : first + n, :dim].tobytes()
    others = [{"seed": 6}, {"seed": 5 + 2**32}, {"stream": 1}, {"first_row": 2**32}]
    for change in others:
        other = normal.standard_normal(40, 23, **{"seed": 5, "dtype": dtype, **change})
        assert not np.any(other == whole)


def test_distribution(dtype: Dtype) -> None:
    n = 2**20
    x = normal.standard_normal(n // 16, 16, 9, dtype=dtype).astype(float)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15)):
        values = x.ravel() ** power
        assert values.mean() == pytest.approx(moment, abs=5 * values.std() / np.sqrt(n))
    assert stats.kstest(x.ravel(), "norm").pvalue > 1e-4
    for limit in (2, 3, 4):
        expected = 2 * stats.norm.sf(limit) * n
        assert np.sum(np.abs(x) > limit) == pytest.approx(expected, abs=5 * np.sqrt(expected))
    correlation = np.corrcoef(x.T) - np.eye(16)
    assert np.abs(correlation).max() < 5 / np.sqrt(n / 16)


def test_streams_and_seeds_are_uncorrelated(dtype: Dtype) -> None:
    n = 2**16
    draws = [
        normal.standard_normal(n, 1, seed, stream=stream, dtype=dtype).ravel()
        for seed, stream in ((1, 0), (1, 1), (2, 0), (2**32 + 1, 0))
    ]
    assert np.abs(np.corrcoef(draws) - np.eye(4)).max() < 5 / np.sqrt(n)


def test_no_infinity_at_the_ends_of_the_uniforms() -> None:
    """The smallest and largest words, through the pair functions of the kernel."""
    from seqgap.kernels._core.philox import _pair32, _pair64

    top = np.uint32(2**32 - 1)
    for words in ((0, 0, 0, 0), (top, top, top, top), (0, 0, top, top), (top, top, 0, 0)):
        w = [np.uint32(word) for word in words]
        pair = _pair64(*w)
        assert np.all(np.isfinite(pair))
        assert max(map(abs, pair)) <= 8.6
        pair = _pair32(w[0], w[2])
        assert np.all(np.isfinite(pair))
        assert max(map(abs, pair)) <= 6.8
