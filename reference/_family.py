"""The verbs of a flow, written once for all families."""

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from seqgap.reference._plain import HALF_LOG_2_PI, Matrix, Vector
from seqgap.reference.normal import standard_normal

P = TypeVar("P")  # the family's Params
RowMap: TypeAlias = Callable[[Vector, P], tuple[Vector, float]]  # (row, params) -> (row, log_det)


class Family(Generic[P]):
    """forward, inverse, log_prob and sample from what either direction makes of a row.

    dim(params): the columns of a sample, unless `sample` is told another number.
    """

    def __init__(self, forward: RowMap[P], inverse: RowMap[P], dim: Callable[[P], int]) -> None:
        self._to_data, self._to_latent, self._dim = forward, inverse, dim

    def reversed(self) -> "Family[P]":
        """The flow whose latent and data spaces are those of this flow the other way round."""
        return Family(self._to_latent, self._to_data, self._dim)

    def forward(self, z: Matrix, params: P) -> tuple[Matrix, Vector]:
        """Latent to data: (x, log_det)."""
        pairs = [self._to_data(row, params) for row in z]
        return [x for x, _ in pairs], [log_det for _, log_det in pairs]

    def inverse(self, x: Matrix, params: P) -> tuple[Matrix, Vector]:
        """Data to latent: (z, log_det)."""
        pairs = [self._to_latent(row, params) for row in x]
        return [z for z, _ in pairs], [log_det for _, log_det in pairs]

    def log_prob(self, x: Matrix, params: P) -> Vector:
        """log N(z; 0, I) + log_det of the inverse."""
        pairs = [self._to_latent(row, params) for row in x]
        return [log_det - sum(0.5 * v * v + HALF_LOG_2_PI for v in z) for z, log_det in pairs]

    def sample(
        self,
        n: int,
        params: P,
        seed: int,
        *,
        dim: int | None = None,
        first_row: int = 0,
        dtype: str = "float64",
    ) -> Matrix:
        """Forward of the normals of `seed`, which are laid out as for `dtype`."""
        columns = self._dim(params) if dim is None else dim
        z = standard_normal(n, columns, seed, first_row=first_row, dtype=dtype)
        return self.forward(z, params)[0]
