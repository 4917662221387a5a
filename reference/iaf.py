"""Inverse autoregressive flow: the layers of maf the other way round."""

from functools import partial

from seqgap.reference import maf


class Params(maf.Params):
    """The fields of maf.Params, with layer 0 next to x."""

    __slots__ = ()


def random_params(
    dim: int,
    seed: int,
    *,
    layers: int = 1,
    depth: int = 1,
    width: int = 128,
    activation: str = "relu",
    scale: str = "softclip",
    residual: bool = False,
    dtype: str = "float64",
) -> Params:
    """Those of maf; in float64 whatever the dtype."""
    draw = partial(maf.random_params, dim, seed, layers=layers, depth=depth, width=width)
    return Params(*draw(activation=activation, scale=scale, residual=residual))


family = maf.family.reversed()
forward, inverse = family.forward, family.inverse
log_prob, sample = family.log_prob, family.sample
