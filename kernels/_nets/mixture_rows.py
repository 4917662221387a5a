"""The row kernels of mixtures of Gaussians: log p(x), its gradient, responsibilities, samples."""

from typing import Any

from seqgap.kernels._core.jit import jit_inline
from seqgap.kernels._core.rows import WORTH_HEAVY, RowKernel
from seqgap.kernels._core.simd import lanes, scratch
from seqgap.kernels._nets.blocks import Work, block_rows, tile_rows
from seqgap.kernels._nets.components import sample_rows
from seqgap.kernels._nets.dense import address
from seqgap.kernels._nets.mixture_tables import mixture_of
from seqgap.kernels._nets.mixtures import evaluate, log_density, scratch_rows


@jit_inline
def _log_prob_block(work: Any, arrays: Any) -> None:
    mixture, pitch = mixture_of(arrays), work.first.shape[1]
    log_density(mixture, address(work.first, 0), address(work.sums, 0), address(work.sums, pitch), pitch)


@jit_inline
def _score_block(work: Any, arrays: Any) -> None:
    mixture, pitch = mixture_of(arrays), work.first.shape[1]
    tile, score, density = address(work.first, 0), address(work.second, 0), address(work.sums, 0)
    evaluate(mixture, tile, score, density, address(work.sums, pitch), pitch)


@jit_inline
def _share_block(work: Any, arrays: Any) -> None:
    mixture, pitch = mixture_of(arrays), work.first.shape[1]
    log_density(mixture, address(work.first, 0), address(work.sums, 0), address(work.second, 0), pitch)


@jit_inline
def _share_workspace(arrays: Any, pitch: Any, source: Any) -> Any:
    """The second tile begins with the K rows of the responsibilities."""
    tile = scratch(source.shape[1] + lanes(source), pitch, source)
    shares = scratch(scratch_rows(mixture_of(arrays)) + lanes(source), pitch, source)
    return Work(tile, shares, scratch(1, pitch, source))


_sums = jit_inline(lambda arrays: scratch_rows(mixture_of(arrays)))
LOG_PROB = RowKernel(block_rows(_log_prob_block, _sums), WORTH_HEAVY)
SCORE = RowKernel(block_rows(_score_block, _sums, in_place=False), WORTH_HEAVY)
RESPONSIBILITIES = RowKernel(tile_rows(_share_block, _share_workspace, in_place=False), WORTH_HEAVY)
SAMPLE = RowKernel(sample_rows, WORTH_HEAVY)
