"""Two variables, 2000 samples, plain Python: one after the other against both at once.

python examples/two_variables.py
"""

import math
import random
import statistics
import sys
import time
from collections.abc import Callable

Point = tuple[float, float]
Sampler = Callable[[], Point]

COUNT, SEED, ROUNDS = 2000, 25, 9


def autoregressive() -> Point:
    """x2 waits for x1, since its mean is made of it."""
    x1 = random.gauss(0.7, 1.1)
    x2 = random.gauss(1.35 * x1 - 0.4, 0.55)
    return x1, x2


def coupling() -> Point:
    """z1 and z2 are there at once; x1 is z1."""
    z1, z2 = random.gauss(0, 1), random.gauss(0, 1)
    scale, shift = math.exp(0.8 * z1 - 0.25), 1.35 * z1 + 0.4
    return z1, z2 * scale + shift


def sample(sampler: Sampler) -> list[Point]:
    """The samples of the seed, the same in every run."""
    random.seed(SEED)
    return [sampler() for _ in range(COUNT)]


def facts(points: list[Point]) -> str:
    """Means, standard deviations and correlation."""
    first, second = zip(*points, strict=True)
    means = ", ".join(f"{statistics.fmean(values):.3f}" for values in (first, second))
    deviations = ", ".join(f"{statistics.pstdev(values):.3f}" for values in (first, second))
    return f"means {means}; deviations {deviations}; correlation {statistics.correlation(first, second):.3f}"


def milliseconds(sampler: Sampler) -> list[float]:
    """Of all samples, round after round."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        sample(sampler)
        times.append((time.perf_counter() - start) * 1e3)
    return times


if __name__ == "__main__":
    for draw in (autoregressive, coupling):
        times = milliseconds(draw)
        middle, low, high = statistics.median(times), min(times), max(times)
        sys.stdout.write(
            f"{draw.__name__}: {facts(sample(draw))}\n"
            f"    {middle:.1f} ms for {COUNT} samples, {low:.1f} to {high:.1f} in {ROUNDS} rounds\n"
        )
