"""The functions that the module of a family of chains has."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.seeds import RNG, Seed
from seqgap.kernels._core.summary import summary
from seqgap.kernels._nets.chain import FAMILIES, Chain
from seqgap.kernels._nets.chain_plan import Plan


class ChainFamily:
    """sample, run and trajectory of one family of chains.

    params: the class of its parameters, which has `dim` and `dtype`. plan(params, **options) checks both.
    """

    def __init__(self, params: type[Any], plan: Callable[..., Plan]) -> None:
        self.params, self.plan = params, plan
        FAMILIES[params] = self
        params.__repr__ = summary  # type: ignore[assignment]  # mypy takes it for one that is bound

    def sample(
        self, n: int, params: Any, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1, **options: Any,
    ) -> Array:  # fmt: skip
        """n states after all steps from standard normals: (n, D), dtype of params.

        Rows first_row to first_row + n - 1, so that a sample can be drawn in parts; seed, rng: as in the
        `sample` of a flow. strategy: steps, blocks, picard or scan, as in `Chain.run`. options: those of the
        module; `Chain(params, **options)` prepares them once. Raises TypeError or ValueError for wrong ones.
        """
        check.instance("params", params, self.params)
        draw = Chain(params, **options).sample
        return draw(n, seed, strategy=strategy, rng=rng, first_row=first_row, out=out, threads=threads)

    def run(
        self, x: ArrayLike, params: Any, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, out: Array | None = None, threads: int = 1, **options: Any,
    ) -> Array:  # fmt: skip
        """The states after all steps from x: (N, D), dtype of x. out may be x itself. Else as `sample`.

        strategy: steps, blocks, picard or scan, as in `Chain.run`.
        """
        check.instance("params", params, self.params)
        run = Chain(params, **options).run
        return run(x, seed, strategy=strategy, rng=rng, first_row=first_row, out=out, threads=threads)

    def trajectory(
        self, x: ArrayLike, params: Any, seed: Seed = None, *, strategy: str = "steps", rng: RNG = None,
        first_row: int = 0, threads: int = 1, **options: Any,
    ) -> Array:  # fmt: skip
        """The states from x (N, D) on: (T + 1, N, D), dtype of x. Else as `sample`.

        strategy: steps or blocks, as in `Chain.trajectory`.
        """
        check.instance("params", params, self.params)
        path = Chain(params, **options).trajectory
        return path(x, seed, strategy=strategy, rng=rng, first_row=first_row, threads=threads)
