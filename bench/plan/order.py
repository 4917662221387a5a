"""In which order a process measures its cells."""

from typing import TypeAlias

import numpy as np

from seqgap.bench.model.cell import Cell
from seqgap.bench.plan.cells import planned, too_slow
from seqgap.bench.plan.options import Options

Block: TypeAlias = list[Cell]


def blocks(options: Options, process: int) -> list[Block]:
    """The cells that are not too slow, those of one dtype, D, N and number of threads in one block.

    A ratio then compares neighbours in time. The order of the blocks, and of the cells in each, is random,
    drawn from the seed for each pair of processes: the second of a pair has the reverse order of the first,
    so that over the pair every cell has the same mean place. Blocks that differ in threads alone stay
    together.
    """
    cells = [cell for cell in planned(options) if not too_slow(cell, options)]
    random = np.random.default_rng((options.seed, process // 2))
    groups: dict[tuple[str, int, int], dict[int, Block]] = {}
    for index in random.permutation(len(cells)):
        cell = cells[index]
        of_size = groups.setdefault((cell.dtype, cell.dim, cell.batch), {})
        of_size.setdefault(cell.threads, []).append(cell)
    ordered = [block for of_size in groups.values() for block in of_size.values()]
    return ordered if process % 2 == 0 else [block[::-1] for block in ordered[::-1]]
