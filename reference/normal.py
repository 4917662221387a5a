"""Standard normals from a counter, in Python integers; see seqgap.kernels.normal for the layout."""

import math

from seqgap.reference._plain import Matrix, round32


def philox4x32(counter: list[list[int]], key: list[int]) -> list[list[int]]:
    """The four words of Philox4x32-10 for each counter of four words under a key of two."""
    return [_philox(row, key) for row in counter]


def _philox(counter: list[int], key: list[int]) -> list[int]:
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1 = (right >> 32) ^ c1 ^ k0, right & 0xFFFFFFFF
        c2, c3 = (left >> 32) ^ c3 ^ k1, left & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return [c0, c1, c2, c3]


def standard_normal(
    n: int, dim: int, seed: int, *, first_row: int = 0, stream: int = 0, dtype: str = "float64"
) -> Matrix:
    """Rows first_row to first_row + n - 1 of N(0, 1) values; dtype names the layout of the words."""
    return [_row(row, dim, seed, stream, str(dtype)) for row in range(first_row, first_row + n)]


def _row(row: int, dim: int, seed: int, stream: int, dtype: str) -> list[float]:
    key = [seed & 0xFFFFFFFF, seed >> 32]
    width = 4 if dtype == "float32" else 2
    values: list[float] = []
    for block in range((dim + width - 1) // width):
        w = _philox([block, row & 0xFFFFFFFF, row >> 32, stream], key)
        values += _pair32(w[0], w[1]) + _pair32(w[2], w[3]) if width == 4 else _pair64(w)
    return values[:dim]


def _pair64(w: list[int]) -> list[float]:
    u = (((w[0] << 32 | w[1]) >> 11) + 1) / 2**53
    v = ((w[2] << 32 | w[3]) >> 11) / 2**53
    return _box_muller(u, v)


def _pair32(w0: int, w1: int) -> list[float]:
    u = round32(round32(w0) / 2**32 + 2**-33)
    v = round32(w1 - 2**32 if w1 >= 2**31 else w1) / 2**32
    return _box_muller(u, v)


def _box_muller(u: float, v: float) -> list[float]:
    radius = math.sqrt(-2 * math.log(u))
    return [radius * math.cos(2 * math.pi * v), radius * math.sin(2 * math.pi * v)]
