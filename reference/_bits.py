"""The words that bits are drawn with."""

from seqgap.reference.normal import philox4x32


def words(row: int, dim: int, seed: int) -> list[int]:
    """The first `dim` words of a row of stream 0, four to a block."""
    key = [seed & 0xFFFFFFFF, seed >> 32]
    counters = [[block, row & 0xFFFFFFFF, row >> 32, 0] for block in range((dim + 3) // 4)]
    return [word for block in philox4x32(counters, key) for word in block][:dim]
