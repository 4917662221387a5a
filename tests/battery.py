"""Statistical tests of a stream of 32-bit words, in chunks; docs/quality.md says what each one does.

Most of TestU01's SmallCrush and some of Crush, written for this project: every test
takes one chunk of words at a time, keeps counts, and turns them into p-values at the end.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from scipy import special, stats

CHUNK = 2**22  # words; 16 MiB

jit = njit(error_model="numpy")


def chi_square(counts: Any, probabilities: Any) -> float:
    """Upper tail of the chi-square of counts.

    Cells that expect fewer than 5 are taken as one, with the next rarest until that one expects 10.
    """
    counts, expected = np.ravel(counts), np.ravel(probabilities) * np.sum(counts)
    if not counts.any():
        return 0.0  # what should have come thousands of times never came
    order = np.argsort(expected, kind="stable")
    counts, expected = counts[order], expected[order]
    rare = int(np.sum(expected < 5))
    if rare:
        while rare < expected.size and expected[:rare].sum() < 10:
            rare += 1
        counts = np.append(counts[rare:], counts[:rare].sum())
        expected = np.append(expected[rare:], expected[:rare].sum())
    return float(stats.chi2.sf(np.sum((counts - expected) ** 2 / expected), counts.size - 1))


def normal_scores(scores: Any) -> float:
    """Upper tail of the sum of squares of independent standard normals."""
    return float(stats.chi2.sf(np.sum(np.square(scores)), np.size(scores)))


def poisson(count: float, mean: float) -> float:
    """Half the probability of the count itself, and that of all larger ones."""
    return float(stats.poisson.sf(count, mean) + 0.5 * stats.poisson.pmf(count, mean))


@jit
def weight(w: Any) -> Any:
    """Bits set in a word."""
    w = np.uint32(w)
    w = w - ((w >> np.uint32(1)) & np.uint32(0x55555555))
    w = (w & np.uint32(0x33333333)) + ((w >> np.uint32(2)) & np.uint32(0x33333333))
    w = (w + (w >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return np.int64((np.uint32(w * np.uint32(0x01010101))) >> np.uint32(24))


PValues: TypeAlias = Callable[[Any, int], dict[str, float]]  # (counts, chunks) -> p-values by name


@dataclass
class Counts:
    """Counts over chunks: `count(words, counts)` adds a chunk."""

    count: Callable[..., None]
    p: PValues
    counts: Any
    chunks: int = 0

    def feed(self, words: Any) -> None:
        """Take one chunk."""
        self.count(words, self.counts)
        self.chunks += 1

    def result(self) -> dict[str, float]:
        """p-values by name."""
        return self.p(self.counts, self.chunks)


TESTS: list[Callable[[], Any]] = []  # each makes a fresh test, in the order of the results


def counted(p: PValues, *shape: int) -> Callable[..., Callable[[], Counts]]:
    """Makes of a counting function what starts its test."""

    def register(count: Callable[..., None]) -> Callable[[], Counts]:
        TESTS.append(lambda: Counts(count, p, np.zeros(shape, np.int64)))
        return TESTS[-1]

    return register


def chi(*names: str, p: Any = None) -> PValues:
    """Chi-square of the counts under each name; p: probabilities of the cells, equal where there are none."""

    def of(counts: Any, chunks: int) -> dict[str, float]:
        rows = counts.reshape(len(names), -1)
        uniform = np.full(rows.shape[1], 1 / rows.shape[1])
        cells = np.broadcast_to(uniform if p is None else p, rows.shape)
        return {name: chi_square(*row) for name, *row in zip(names, rows, cells, strict=True)}

    return of


def tally(counts: Any, cells: Any) -> None:
    """Add one to the count of each of the numbered cells."""
    counts += np.bincount(cells, minlength=counts.size).reshape(counts.shape)


def _bits_p(c: Any, chunks: int) -> dict[str, float]:
    n = chunks * CHUNK
    total = (c.sum() - 16 * n) / math.sqrt(8 * n)
    return {
        "frequency of ones": float(stats.norm.sf(total)),
        "frequency of each bit": normal_scores((c - n / 2) / math.sqrt(n / 4)),
    }


@counted(_bits_p, 32)
def _bits(w: Any, c: Any) -> None:
    for b in range(32):
        c[b] += np.count_nonzero(w & np.uint32(1 << b))


@counted(chi("16 high bits", "16 low bits"), 2, 65536)
def _halves(w: Any, c: Any) -> None:
    tally(c[0], w >> 16)
    tally(c[1], w & 0xFFFF)


def _pairs(values: Any) -> Iterator[tuple[Any, Any]]:
    """Neighbours, and those four apart; each value in one pair."""
    yield values[::2], values[1::2]
    first, second = values.reshape(-1, 2, 4).swapaxes(0, 1)
    yield first.ravel(), second.ravel()


_PAIRED = [f"pairs {apart}, {half} bits" for apart in ("of words", "4 apart") for half in ("high", "low")]


@counted(chi(*_PAIRED), 4, 65536)
def _serial(w: Any, c: Any) -> None:
    for k, (a, b) in enumerate(_pairs(w)):
        tally(c[2 * k], a >> 24 << 8 | b >> 24)
        tally(c[2 * k + 1], (a & 255) << 8 | b & 255)


@counted(chi("triples of words"), 64**3)
def _triples(w: Any, c: Any) -> None:
    tally(c, (w[: w.size // 3 * 3].reshape(-1, 3) >> 26) @ (4096, 64, 1))


def _lags_p(name: str, lags: Any) -> Callable[[Any, int], dict[str, float]]:
    def p(c: Any, chunks: int) -> dict[str, float]:
        bits = 32.0 * chunks * (CHUNK - lags)
        return {name: normal_scores((c - bits / 2) / np.sqrt(bits / 4))}

    return p


@counted(_lags_p("bits at lags 1 to 32", 1), 32)
def _bit_lags(w: Any, c: Any) -> None:
    pairs = w[1:].astype(np.uint64) << 32 | w[:-1]
    for lag in range(1, 33):
        c[lag - 1] += np.bitwise_count((pairs ^ pairs >> lag).astype(np.uint32)).sum(dtype=np.int64)


WORD_LAGS = np.array([*range(2, 33), 48, 64, 96, 128, 256, 512, 1024])


@counted(_lags_p("words at lags 2 to 1024", WORD_LAGS), len(WORD_LAGS))
def _word_lags(w: Any, c: Any) -> None:
    for k, lag in enumerate(WORD_LAGS):
        c[k] += np.bitwise_count(w[:-lag] ^ w[lag:]).sum(dtype=np.int64)


WEIGHTS = stats.binom.pmf(np.arange(33), 32, 0.5)
LOW, HIGH = 11, 21  # weights below and above are taken as one
_CELLS = np.concatenate([[WEIGHTS[: LOW + 1].sum()], WEIGHTS[LOW + 1 : HIGH], [WEIGHTS[HIGH:].sum()]])
PAIR_WEIGHTS = np.outer(_CELLS, _CELLS).ravel()


@counted(chi("weight of a word", p=WEIGHTS), 33)
def _weights(w: Any, c: Any) -> None:
    tally(c, np.bitwise_count(w))


@counted(chi("weights of neighbours", "weights of words 4 apart", p=PAIR_WEIGHTS), 2, PAIR_WEIGHTS.size)
def _weight_pairs(w: Any, c: Any) -> None:
    classes = np.clip(np.bitwise_count(w), LOW, HIGH) - LOW
    for k, (a, b) in enumerate(_pairs(classes)):
        tally(c[k], len(_CELLS) * a + b)


@counted(chi("weight of a block", p=stats.binom.pmf(np.arange(129), 128, 0.5)), 129)
def _block_weights(w: Any, c: Any) -> None:
    tally(c, np.bitwise_count(w).reshape(-1, 4).sum(axis=1, dtype=np.int64))


POKER = [math.perm(16, r) * special.stirling2(8, r, exact=True) / 16**8 for r in range(9)]


@counted(chi("poker", p=POKER), 9)
def poker(w: Any, c: Any) -> None:
    seen = np.zeros(w.shape, np.uint32)
    for digit in range(8):
        seen |= np.uint32(1) << (w >> 4 * digit & 15)
    tally(c, np.bitwise_count(seen))


GAPS, COUPONS, RUNS = 60, 70, 7
GAP = np.array([0.125 * 0.875**r for r in range(GAPS)] + [0.875**GAPS])


def _closing(r: int) -> float:
    """That the last of eight coupons is the r-th."""
    return float(math.factorial(8) * special.stirling2(r - 1, 7, exact=True) / 8**r)


COUPON = [0.0] * 8 + [_closing(r) for r in range(8, COUPONS)]
COUPON.append(1 - sum(COUPON))
RUN = [0.0] + [r / math.factorial(r + 1) for r in range(1, RUNS)] + [1 / math.factorial(RUNS)]


@counted(chi("gaps, high bits", "gaps, low bits", p=GAP), 2, GAPS + 1)
@jit
def _gaps(w: Any, c: Any) -> None:
    """A fixed number of gaps, so that the end of a chunk does not prefer short ones."""
    for k in range(2):
        shift, mask = np.uint32(29 if k == 0 else 0), np.uint32(7)
        length, closed, enough = 0, 0, np.int64(w.shape[0] / 8 * 0.95)
        for i in range(w.shape[0]):
            if (w[i] >> shift) & mask:
                length += 1
            else:
                c[k, min(length, GAPS)] += 1
                length = 0
                closed += 1
                if closed == enough:
                    break


@counted(chi("coupon collector", p=COUPON), COUPONS + 1)
@jit
def _coupons(w: Any, c: Any) -> None:
    seen, length, closed, enough = 0, 0, 0, np.int64(w.shape[0] / 21.75 * 0.95)
    for i in range(w.shape[0]):
        seen |= 1 << (w[i] >> np.uint32(29))
        length += 1
        if seen == 255:
            c[min(length, COUPONS)] += 1
            seen, length = 0, 0
            closed += 1
            if closed == enough:
                break


@counted(chi("runs up", p=RUN), RUNS + 1)
@jit
def _runs(w: Any, c: Any) -> None:
    """Rising runs; the word after each is left out, which makes their lengths independent (Knuth)."""
    length, closed, enough, i = 1, 0, np.int64(w.shape[0] / 2.72 * 0.95), 1
    while i < w.shape[0] and closed < enough:
        if w[i] > w[i - 1]:
            length += 1
            i += 1
        else:
            c[min(length, RUNS)] += 1
            closed += 1
            length = 1
            i += 2


@counted(chi("orders of five"), 120)
def _orders(w: Any, c: Any) -> None:
    five = w[: w.size // 5 * 5].reshape(-1, 5)
    index = np.zeros(len(five), np.int64)
    for a in range(4):
        index = index * (5 - a) + (five[:, a + 1 :] < five[:, a : a + 1]).sum(axis=1)
    tally(c, index)


@counted(chi("largest of eight"), 1024)
def _largest(w: Any, c: Any) -> None:
    u = (w.reshape(-1, 8).max(axis=1) + 0.5) * 2.0**-32
    tally(c, (u**8 * 1024).astype(np.int64))


BIRTHDAYS = 4096


def _equal_spacings(days: Any) -> Any:
    spacings = np.sort(np.diff(np.sort(days)))
    return np.sum(spacings[1:] == spacings[:-1])


def _birthdays_p(c: Any, chunks: int) -> dict[str, float]:
    mean = chunks * 16 * BIRTHDAYS**3 / 2**34
    return {f"birthday spacings, {name}": poisson(c[k], mean) for k, name in ((0, "words"), (1, "swapped"))}


@counted(_birthdays_p, 2)
def _birthdays(w: Any, c: Any) -> None:
    """16 years of 2**32 days in a chunk, as many of the words with their halves swapped."""
    years = w[: 32 * BIRTHDAYS].reshape(16, 2, BIRTHDAYS)
    for first, second in years:
        c += _equal_spacings(first), _equal_spacings(second << 16 | second >> 16)


def _long_birthdays_p(c: Any, chunks: int) -> dict[str, float]:
    return {"birthday spacings, 64 bits": poisson(c[0], chunks * (CHUNK / 2) ** 3 / 2**66)}


@counted(_long_birthdays_p, 1)
def _long_birthdays(w: Any, c: Any) -> None:
    c += _equal_spacings(w.view(np.uint64))


def _collisions_p(c: Any, chunks: int) -> dict[str, float]:
    n, k = 2.0**20, 2.0**26
    empty = math.exp(n * math.log1p(-1 / k))
    mean = n - k * -math.expm1(n * math.log1p(-1 / k))
    both = math.expm1(n * (math.log1p(-2 / k) - 2 * math.log1p(-1 / k)))  # relative to empty squared
    variance = k * empty * (1 - empty) + k * (k - 1) * empty**2 * both
    scores = (c - chunks * mean) / math.sqrt(chunks * variance)
    return {
        f"collisions, {name} bits": float(stats.norm.sf(z))
        for name, z in zip(("high", "low"), scores, strict=True)
    }


@counted(_collisions_p, 2)
def _collisions(w: Any, c: Any) -> None:
    """2**20 pairs of 13 bits into 2**26 cells: of the high bits, then of the low ones."""
    for k, halves in enumerate((w[: 2**21] >> 19, w[2**21 : 2**22] & 8191)):
        seen = np.zeros(2**26, bool)
        seen[halves[::2] << 13 | halves[1::2]] = True
        c[k] += 2**20 - np.count_nonzero(seen)


@jit
def _rank(rows: Any, columns: Any) -> Any:
    """Rank over GF(2); rows (n, words of 32 bits), changed in place."""
    n, rank = rows.shape[0], 0
    for column in range(columns):
        word, bit = column >> 5, np.uint32(1) << np.uint32(column & 31)
        pivot = rank
        while pivot < n and not rows[pivot, word] & bit:
            pivot += 1
        if pivot == n:
            continue
        for j in range(word, rows.shape[1]):
            rows[rank, j], rows[pivot, j] = rows[pivot, j], rows[rank, j]
        for i in range(pivot + 1, n):
            if rows[i, word] & bit:
                for j in range(word, rows.shape[1]):
                    rows[i, j] ^= rows[rank, j]
        rank += 1
        if rank == n:
            break
    return rank


def rank_probabilities(n: int) -> list[float]:
    """That a random n x n matrix lacks 0, 1, 2, 3 or more of its full rank."""
    found = []
    for r in range(n, n - 3, -1):
        product = math.prod((1 - 2.0 ** (i - n)) ** 2 / (1 - 2.0 ** (i - r)) for i in range(r))
        found.append(2.0 ** (-((n - r) ** 2)) * product)
    return [*found, 1 - sum(found)]


@counted(chi("rank 32 x 32", "rank 512 x 512", p=[rank_probabilities(n) for n in (32, 512)]), 2, 4)
@jit
def _ranks(w: Any, c: Any) -> None:
    """A quarter of the words as matrices of 32 x 32, and 32 matrices of 512 x 512."""
    small = w.copy().reshape(-1, 32, 1)
    for i in range(0, small.shape[0], 4):
        c[0, min(32 - _rank(small[i], 32), 3)] += 1
    large = w[: 32 * 8192].copy().reshape(32, 512, 16)
    for i in range(32):
        c[1, min(512 - _rank(large[i], 512), 3)] += 1


@jit
def linear_complexity(bits: Any) -> Any:
    """Length of the shortest linear feedback register that makes these bits (Berlekamp, Massey)."""
    n = bits.shape[0]
    size = n // 64 + 2
    one = np.uint64(1)
    c, b, window = np.zeros(size, np.uint64), np.zeros(size, np.uint64), np.zeros(size, np.uint64)
    c[0] = b[0] = one
    length, last = 0, -1
    for i in range(n):
        for j in range(size - 1, 0, -1):  # the newest bit is bit 0
            window[j] = (window[j] << one) | (window[j - 1] >> np.uint64(63))
        window[0] = (window[0] << one) | np.uint64(bits[i])
        parity = np.uint64(0)
        for j in range(size):
            parity ^= c[j] & window[j]
        for shift in (32, 16, 8, 4, 2, 1):
            parity ^= parity >> np.uint64(shift)
        if parity & one:
            move = i - last
            words, rest = move >> 6, np.uint64(move & 63)
            old = c.copy()
            for j in range(size - 1, words - 1, -1):
                value = b[j - words] << rest
                if rest and j > words:
                    value |= b[j - words - 1] >> (np.uint64(64) - rest)
                c[j] ^= value
            if 2 * length <= i:
                length, last = i + 1 - length, i
                b = old
    return length


def _complexity_probabilities() -> list[float]:
    n = 512
    by_length = [2.0 ** (min(2 * n - 2 * length, 2 * length - 1) - n) for length in range(1, n + 1)]
    found = [0.0] * 10
    found[0] = 2.0**-n
    for length, p in enumerate(by_length, 1):
        found[min(max(length - 256, -4), 5) + 4] += p
    return found


@counted(chi("linear complexity", p=_complexity_probabilities()), 10)
@jit
def _complexities(w: Any, c: Any) -> None:
    """Sequences of 512 values of one bit; each position 64 times in a chunk."""
    bits = np.empty(512, np.uint32)
    for k in range(2048):
        for i in range(512):
            bits[i] = (w[k * 512 + i] >> np.uint32(k & 31)) & np.uint32(1)
        c[min(max(linear_complexity(bits) - 256, -4), 5) + 4] += 1


class Spectrum:
    """Periodograms of 2**16 words, summed over all stretches."""

    LENGTH = 2**16

    def __init__(self) -> None:
        self.power = np.zeros(self.LENGTH // 2 - 1)
        self.stretches = 0

    def feed(self, words: Any) -> None:
        """All of the chunk."""
        u = words.reshape(-1, self.LENGTH) * 2.0**-32 - (0.5 - 2.0**-33)
        spectrum = np.fft.rfft(u, axis=1)[:, 1:-1]
        self.power += np.sum(spectrum.real**2 + spectrum.imag**2, axis=0) * (12 / self.LENGTH)
        self.stretches += len(u)

    def result(self) -> dict[str, float]:
        """That no frequency has too much, and that all powers are distributed as they should be."""
        p = stats.gamma.sf(self.power, self.stretches)
        return {
            "spectrum, largest": float(-np.expm1(p.size * np.log1p(-p.min()))),
            "spectrum, distribution": float(stats.kstest(p, "uniform").pvalue),
        }


TESTS.append(Spectrum)


def battery(chunks: Iterable[Any]) -> dict[str, float]:
    """p-values of all tests on chunks of CHUNK words."""
    chosen = [start() for start in TESTS]
    for words in chunks:
        assert words.shape == (CHUNK,)
        for test in chosen:
            test.feed(words)
    return {name: p for test in chosen for name, p in test.result().items()}


def numbered(fill: Callable[[int, Any], None], count: int) -> Iterator[Any]:
    """Chunks 0 to count - 1, each written by fill(number, words)."""
    for number in range(count):
        words = np.empty(CHUNK, np.uint32)
        fill(number, words)
        yield words
