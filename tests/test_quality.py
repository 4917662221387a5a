"""The generator's statistics, and that the tests of them find bad generators."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import quality
from battery import CHUNK, battery, jit, numbered
from quality import CHECKS, distribution, serial
from seqgap.kernels.normal import philox4x32

LIMIT = 1e-6  # seeds are fixed: a p-value below it is a defect, not bad luck


def assert_good(found: dict[str, float]) -> None:
    bad = {name: p for name, p in found.items() if not LIMIT <= p <= 1 - LIMIT}
    assert not bad


@pytest.mark.quality
@pytest.mark.parametrize("title", CHECKS)
def test_full(title: str) -> None:
    chunks, check = CHECKS[title]
    assert_good(check(chunks))


@pytest.mark.slow
@pytest.mark.parametrize("title", CHECKS)
def test_short(title: str) -> None:
    assert_good(CHECKS[title][1](1))


@jit
def short_philox(number: Any, rounds: Any, rows: Any, out: Any) -> None:
    """Philox of fewer rounds; rows of 64 blocks, or neighbouring seeds."""
    mask, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    for i in range(out.shape[0] // 4):
        item = np.uint64(number * (out.shape[0] // 4) + i)
        c0, c1, k0 = np.uint64(0), np.uint64(0), item
        if rows:
            c0, c1, k0 = item & np.uint64(63), item >> np.uint64(6), np.uint64(1)
        c2, c3, k1 = np.uint64(0), np.uint64(0), np.uint64(0)
        for _ in range(rounds):
            left, right = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
            c0, c1, c2, c3 = (
                (right >> high) ^ c1 ^ k0, right & mask, (left >> high) ^ c3 ^ k1, left & mask
            )  # fmt: skip
            k0, k1 = (k0 + np.uint64(0x9E3779B9)) & mask, (k1 + np.uint64(0xBB67AE85)) & mask
        out[4 * i], out[4 * i + 1], out[4 * i + 2], out[4 * i + 3] = c0, c1, c2, c3


@jit
def recurrence(kind: Any, number: Any, out: Any) -> None:
    """0: RANDU. 1: 69069 x + 1. 2: xorshift of 32 bits. Each chunk has a seed of its own."""
    x = np.uint32(12345 + 2 * number)
    for i in range(out.shape[0]):
        if kind == 0:
            x = np.uint32(x * np.uint32(65539)) & np.uint32(0x7FFFFFFF)
            out[i] = x << np.uint32(1)
        elif kind == 1:
            x = np.uint32(x * np.uint32(69069) + np.uint32(1))
            out[i] = x
        else:
            x ^= np.uint32(x << np.uint32(13))
            x ^= x >> np.uint32(17)
            x ^= np.uint32(x << np.uint32(5))
            out[i] = x


def repeats(number: int, out: Any) -> None:
    """A good generator whose counter has 16 bits."""
    out[:] = np.resize(np.random.Generator(np.random.SFC64(1)).integers(0, 2**32, 2**18, np.uint32), CHUNK)


def biased(number: int, out: Any) -> None:
    """A good generator, one bit of which is set in 50.3 % of the words."""
    generator = np.random.Generator(np.random.SFC64(number))
    out[:] = generator.integers(0, 2**32, CHUNK, np.uint32)
    out[generator.random(CHUNK) < 0.006] |= np.uint32(2**20)


BAD: dict[str, Callable[[int, Any], None]] = {
    "Philox of 2 rounds, rows": lambda number, out: short_philox(number, 2, True, out),
    "Philox of 3 rounds, rows": lambda number, out: short_philox(number, 3, True, out),
    "Philox of 2 rounds, seeds": lambda number, out: short_philox(number, 2, False, out),
    "RANDU": lambda number, out: recurrence(0, number, out),
    "69069 x + 1": lambda number, out: recurrence(1, number, out),
    "xorshift of 32 bits": lambda number, out: recurrence(2, number, out),
    "16-bit counter": repeats,
    "biased bit": biased,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_bad_generators_fail(name: str) -> None:
    found = battery(numbered(BAD[name], 1))
    assert min(found.values()) < LIMIT**2


@pytest.mark.slow
def test_a_good_generator_of_another_kind_passes() -> None:
    """SFC64, a chaotic generator: the expected counts are right, whatever Philox does."""

    def fill(number: int, out: Any) -> None:
        out[:] = np.random.Generator(np.random.SFC64(number)).integers(0, 2**32, CHUNK, np.uint32)

    assert_good(battery(numbered(fill, 8)))


@pytest.mark.slow
def test_short_philox_of_ten_rounds_is_the_generator() -> None:
    """So that what fails above is the rounds, not the loop."""
    out = np.empty(4 * 256, np.uint32)
    short_philox(0, 10, True, out)
    item = np.arange(256)
    counter = np.column_stack([item % 64, item // 64, 0 * item, 0 * item])
    assert out.reshape(-1, 4).tolist() == philox4x32(counter, [1, 0]).tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "check"),
    [
        (lambda x: x * np.float64(1.003), distribution),
        (lambda x: np.clip(x, -4, 4), distribution),
        (lambda x: x + 0.004 * np.roll(x, 1, axis=1), serial),
        (lambda x: x + 0.004 * np.roll(x, 3, axis=0), serial),
    ],
    ids=["scale", "tail", "row", "column"],
)
def test_harmed_normals_fail(
    harm: Callable[[Any], Any], check: Callable[..., dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def harmed(*arguments: Any, out: Any = None, **options: Any) -> Any:
        made = harm(quality_normal(*arguments, **options))
        if out is None:
            return made
        out[:] = made
        return out

    quality_normal = quality.standard_normal
    monkeypatch.setattr(quality, "standard_normal", harmed)
    assert min(check("float64", 2).values()) < LIMIT
