"""Inverse autoregressive flow: the layers of maf the other way round."""

from typing import Any

from seqgap.reference import maf


class Params(maf.Params):
    """The fields of maf.Params, with layer 0 next to x."""

    __slots__ = ()


def random_params(dim: int, seed: int, **options: Any) -> Params:
    """Those of maf.random_params, with its options."""
    return Params(*maf.random_params(dim, seed, **options))


family = maf.family.reversed()
forward, inverse, log_prob, sample = family.forward, family.inverse, family.log_prob, family.sample
