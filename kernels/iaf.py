"""Inverse autoregressive flow: the layers of `maf` run the other way round, x_i = scale_i z_i + shift_i.

Kingma et al., "Improving variational inference with inverse autoregressive flow" (2016), equations 10 to 13.
The networks see z, so `forward`, the sampling direction, is one pass of each, and `inverse` takes D dependent
steps in each layer: with the same weights iaf.forward does what maf.inverse does, and maf.forward undoes it.
"""

from typing import Any

from seqgap.kernels import maf
from seqgap.kernels._core.family import Family
from seqgap.kernels._core.rows import WORTH_HEAVY
from seqgap.kernels._core.seeds import Seed
from seqgap.kernels._nets.affine import ROWS, masked_arrays
from seqgap.kernels._nets.context_tables import tables_of


class Params(maf.Params):
    """The fields of maf.Params, with layer 0 next to x: iaf.Params(*p) undoes the flow of a maf.Params p."""

    __slots__ = ()


def random_params(dim: int, seed: Seed = None, **options: Any) -> Params:
    """Those of maf.random_params, with its options."""
    return Params(*maf.random_params(dim, seed, **options))


_family = Family(
    Params, masked_arrays, ROWS.at_once, ROWS.by_feature, WORTH_HEAVY, ROWS.few.swapped(), tables_of
)
forward, inverse, log_prob, sample = _family.forward, _family.inverse, _family.log_prob, _family.sample
