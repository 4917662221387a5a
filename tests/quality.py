"""Statistical checks of the generator by name; run as a script, writes docs/quality.md (some minutes).

Each check takes a number of chunks of 2**22 words or normals and returns p-values by name. All seeds
are fixed, so that a result is the same on every run.
"""

import functools
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike
from scipy import special, stats

from battery import CHUNK, battery, chi, jit, normal_scores, numbered, poker, tally, weight
from seqgap.kernels._core import philox
from seqgap.kernels.normal import standard_normal

SEED = 20240229
philox = philox.philox


@jit
def _words(
    out: Any, blocks: Any, first: Any, base: Any, seed_step: Any, stream_step: Any, row_step: Any
) -> None:
    """Blocks 0 to blocks - 1 of items first, first + 1, ...: seeds, streams or rows."""
    at = 0
    item = np.uint64(first)
    while at < out.shape[0]:
        seed = np.uint64(base) * np.uint64(1 - seed_step) + item * np.uint64(seed_step)
        row = item * np.uint64(row_step)
        k0, k1 = np.uint32(seed), np.uint32(seed >> np.uint64(32))
        r0, r1 = np.uint32(row), np.uint32(row >> np.uint64(32))
        stream = np.uint32(item * np.uint64(stream_step))
        for block in range(blocks):
            out[at], out[at + 1], out[at + 2], out[at + 3] = philox(np.uint32(block), r0, r1, stream, k0, k1)
            at += 4
        item += np.uint64(1)


def _source(blocks: int, which: str) -> Callable[[int], dict[str, float]]:
    steps = [np.int64(name == which) for name in ("seed", "stream", "row")]

    def fill(number: int, out: Any) -> None:
        _words(out, blocks, np.int64(number * (CHUNK // (4 * blocks))), np.int64(SEED), *steps)

    return lambda chunks: battery(numbered(fill, chunks))


def poker_again(chunks: int) -> dict[str, float]:
    """The poker test for eight more seeds; docs/quality.md says why."""
    found = {}
    out = np.empty(CHUNK, np.uint32)
    steps = np.int64(0), np.int64(0), np.int64(1)
    for seed in range(SEED + 1, SEED + 9):
        test = poker()
        for number in range(chunks):
            _words(out, 64, np.int64(number * (CHUNK // 256)), np.int64(seed), *steps)
            test.feed(out)
        found[f"poker, seed {seed}"] = test.result()["poker"]
    return found


@jit
def _avalanche(first: Any, counts: Any, weights: Any) -> None:
    """Each bit of counter and key flipped; small rows, blocks, streams and seeds, as they are used."""
    inputs, output, other = np.empty(6, np.uint32), np.empty(4, np.uint32), np.empty(4, np.uint32)
    for item in range(first, first + 4096):
        inputs[0], inputs[1], inputs[2] = item & 15, item >> 4, 0
        inputs[3], inputs[4], inputs[5] = item & 3, item % 1009, 0
        output[0], output[1], output[2], output[3] = philox(
            inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5]
        )
        for flip in range(192):
            inputs[flip >> 5] ^= np.uint32(1) << np.uint32(flip & 31)
            other[0], other[1], other[2], other[3] = philox(
                inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], inputs[5]
            )
            inputs[flip >> 5] ^= np.uint32(1) << np.uint32(flip & 31)
            changed = 0
            for word in range(4):
                difference = output[word] ^ other[word]
                changed += weight(difference)
                for bit in range(32):
                    counts[flip, 32 * word + bit] += (difference >> np.uint32(bit)) & np.uint32(1)
            weights[flip >> 5, changed] += 1


def avalanche(chunks: int) -> dict[str, float]:
    """4096 counters for each chunk."""
    counts, weights = np.zeros((192, 128), np.int64), np.zeros((6, 129), np.int64)
    for number in range(chunks):
        _avalanche(4096 * number, counts, weights)
    n = 4096 * chunks
    scores = (counts - n / 2) / math.sqrt(n / 4)
    found = {}
    for k, name in enumerate(("block", "row, low", "row, high", "stream", "seed, low", "seed, high")):
        found[f"each output bit, {name}"] = normal_scores(scores[32 * k : 32 * (k + 1)])
        expected = 32 * n * stats.binom.pmf(np.arange(129), 128, 0.5)
        usual = expected >= 5
        score = np.sum((weights[k] - expected)[usual] ** 2 / expected[usual])
        found[f"bits changed, {name}"] = float(stats.chi2.sf(score, usual.sum() - 1))
    return found


WIDTH, SPAN = 2.0**-8, 9  # of a histogram cell; cells from -SPAN to SPAN


@jit
def _describe(x: Any, sums: Any, cells: Any, tails: Any) -> None:
    for i in range(x.shape[0]):
        value = np.float64(x[i])
        power = 1.0
        for k in range(8):
            power *= value
            sums[k] += power
        cells[np.int64(np.floor(value / WIDTH)) + np.int64(SPAN / WIDTH)] += 1
        size = abs(value)
        for k in range(6):
            tails[k] += size > k + 1


def _drawn(dtype: DTypeLike, chunks: int, rows: int, columns: int, seed: int) -> Iterator[Any]:
    """Batches of so many rows, one after another, as float64."""
    for first in range(0, chunks * rows, rows):
        yield standard_normal(rows, columns, seed, first_row=first, dtype=dtype).astype(float)


def distribution(dtype: DTypeLike, chunks: int) -> dict[str, float]:
    """Moments, histogram, Kolmogorov-Smirnov, tails: rows of 64."""
    sums, tails = np.zeros(8), np.zeros(6, np.int64)
    cells = np.zeros(int(2 * SPAN / WIDTH), np.int64)
    for x in _drawn(dtype, chunks, CHUNK // 64, 64, SEED):
        part = np.zeros(8)
        _describe(x.ravel(), part, cells, tails)
        sums += part
    n, p_values = chunks * CHUNK, {}
    raw = [0.0 if k % 2 else float(special.factorial2(k - 1)) for k in range(1, 17)]
    for k in range(1, 9):
        z = (sums[k - 1] / n - raw[k - 1]) / math.sqrt((raw[2 * k - 1] - raw[k - 1] ** 2) / n)
        p_values[f"moment {k}"] = 2 * float(stats.norm.sf(abs(z)))
    edges = np.arange(len(cells) + 1) * WIDTH - SPAN
    lower = special.ndtr(edges)
    upper = special.ndtr(-edges)
    p = np.where(edges[1:] > 0, upper[:-1] - upper[1:], lower[1:] - lower[:-1])
    usual = n * p >= 10
    seen, expected = (np.append(a[usual], a[~usual].sum()) for a in (cells, n * p))
    score = np.sum((seen - expected) ** 2 / expected)
    p_values["histogram"] = float(stats.chi2.sf(score, seen.size - 1))
    largest = np.abs(np.cumsum(cells) / n - lower[1:]).max()
    p_values["Kolmogorov-Smirnov"] = float(stats.kstwobign.sf(largest * math.sqrt(n)))
    for k in range(6):
        q = 2 * float(stats.norm.sf(k + 1))
        middle = float(stats.binom.cdf(tails[k], n, q) - 0.5 * stats.binom.pmf(tails[k], n, q))
        p_values[f"tail beyond {k + 1} sigma"] = 2 * min(middle, 1 - middle)
    return p_values


ROOT = math.sqrt(2 / math.pi)
FORMS: dict[str, Callable[[Any], Any]] = {
    "values": lambda x: x,
    "squares": lambda x: (x * x - 1) / math.sqrt(2),
    "sizes": lambda x: (np.abs(x) - ROOT) / math.sqrt(1 - ROOT**2),
}
LAGS = 32


@jit
def _lags(x: Any, along: Any, across: Any) -> None:
    for lag in range(1, LAGS + 1):
        for i in range(x.shape[0]):
            total = 0.0
            for j in range(x.shape[1] - lag):
                total += x[i, j] * x[i, j + lag]
            along[lag - 1] += total
        for i in range(x.shape[0] - lag):
            total = 0.0
            for j in range(x.shape[1]):
                total += x[i, j] * x[i + lag, j]
            across[lag - 1] += total


def _correlations(batches: Iterable[Any]) -> dict[str, Any]:
    """Sums of products at lags 1 to 32 (along rows, between rows), by form of the values."""
    sums = {name: np.zeros((2, LAGS)) for name in FORMS}
    for x in batches:
        for name, form in FORMS.items():
            _lags(form(x), *sums[name])
    return sums


def serial(dtype: DTypeLike, chunks: int) -> dict[str, float]:
    """Correlation at lags 1 to 32 along rows of 64, and between rows."""
    rows, columns, lag = CHUNK // 64, 64, np.arange(1, LAGS + 1)
    counts = {"along a row": rows * (columns - lag), "between rows": columns * (rows - lag)}
    return {
        f"{name} {where}": normal_scores(total / np.sqrt(chunks * count))
        for name, sums in _correlations(_drawn(dtype, chunks, rows, columns, SEED + 1)).items()
        for total, (where, count) in zip(sums, counts.items(), strict=True)
    }


def odd(dtype: DTypeLike, chunks: int) -> dict[str, float]:
    """Odd D, whose last block is cut: correlation at lags 1 to 32 in the order of memory."""
    rows, p_values = CHUNK // 8, {}
    for dim in (1, 3, 5, 7):
        count = chunks * (rows * dim - np.arange(1, LAGS + 1))
        batches = (x.reshape(1, -1) for x in _drawn(dtype, chunks, rows, dim, SEED + 2))
        for name, (along, _) in _correlations(batches).items():
            p_values[f"{name}, D = {dim}"] = normal_scores(along / np.sqrt(count))
    return p_values


def cross(dtype: DTypeLike, chunks: int) -> dict[str, float]:
    """Correlation of 16 seeds, of seeds that differ above 32 bits, of streams, of neighbouring rows."""
    n = CHUNK // 16
    draw = functools.partial(standard_normal, dtype=dtype)
    sources: dict[str, Callable[[int, int], Any]] = {
        "seeds": lambda k, i: draw(n, 1, k, first_row=i * n),
        "high words of seeds": lambda k, i: draw(n, 1, k << 32, first_row=i * n),
        "streams": lambda k, i: draw(n, 1, SEED, stream=k, first_row=i * n),
        "rows": lambda k, i: draw(1, n, SEED, first_row=16 * i + k),
        "high words of rows": lambda k, i: draw(n, 1, SEED, first_row=(k << 32) + i * n),
    }
    p_values = {}
    for source, part in sources.items():
        sums = {name: np.zeros((16, 16)) for name in FORMS}
        for i in range(chunks):
            x = np.stack([part(k, i).ravel() for k in range(16)]).astype(float)
            for name, form in FORMS.items():
                values = form(x)
                sums[name] += values @ values.T
        pairs = np.triu_indices(16, 1)
        for name in FORMS:
            p_values[f"{name}, {source}"] = normal_scores(sums[name][pairs] / math.sqrt(chunks * n))
    return p_values


def pairs(dtype: DTypeLike, chunks: int) -> dict[str, float]:
    """Neighbours (of one pair of the transform, and of two) in 64 x 64 cells; radius against angle."""
    counts = np.zeros((3, 64 * 64), np.int64)
    for x in _drawn(dtype, chunks, CHUNK // 64, 64, SEED + 3):
        u = np.minimum(special.ndtr(x) * 64, 63).astype(np.int64)
        a, b = x[:, ::2], x[:, 1::2]
        radius = np.minimum(np.exp(-0.5 * (a * a + b * b)) * 64, 63).astype(np.int64)
        angle = np.minimum((np.arctan2(b, a) / (2 * np.pi) % 1) * 64, 63).astype(np.int64)
        joint = (u[:, ::2], u[:, 1::2]), (u[:, 1::4], u[:, 2::4]), (radius, angle)
        for count, (first, second) in zip(counts, joint, strict=True):
            tally(count, (64 * first + second).ravel())
    names = "cos and sin of one pair", "sin and the next cos", "radius and angle"
    return chi(*names)(counts, chunks)


# Chunks of the full run, and the check.
CHECKS: dict[str, tuple[int, Callable[[int], dict[str, float]]]] = {
    "words of rows of 64 blocks": (256, _source(64, "row")),
    "words of rows of 1 block": (64, _source(1, "row")),
    "words of neighbouring seeds": (64, _source(1, "seed")),
    "words of neighbouring streams": (64, _source(1, "stream")),
    "words of eight more seeds, poker alone": (256, poker_again),
    "avalanche": (64, avalanche),
}
for _name in ("float64", "float32"):
    for _title, _chunks, _check in (
        ("distribution", 256, distribution),
        ("serial correlation", 64, serial),
        ("odd D", 16, odd),
        ("seeds, streams and rows against each other", 16, cross),
        ("pairs", 32, pairs),
    ):
        CHECKS[f"normals, {_name}: {_title}"] = (_chunks, functools.partial(_check, _name))


def report() -> str:
    """All checks in full, as Markdown tables."""
    parts = []
    for title, (chunks, check) in CHECKS.items():
        sys.stderr.write(f"{title}\n")
        digits = {name: f"{p:.4f}" if p >= 0.001 else f"{p:.1e}" for name, p in check(chunks).items()}
        rows = "\n".join(f"| {name} | {p} |" for name, p in digits.items())
        size = f"{chunks} chunks of 2^22" if title != "avalanche" else f"{chunks * 4096} counters"
        parts.append(f"### {title} ({size})\n\n| test | p |\n| --- | --- |\n{rows}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "quality.md"
    head = page.read_text().partition("<!-- results -->")[0]
    page.write_text(f"{head}<!-- results -->\n\n{report()}")
