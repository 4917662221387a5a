"""Cases, measurement, tables, plots and the command line.

What a file of a case needs, see docs/own_sampler.md, is here by name.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqgap.bench.model.case import Call as Call
    from seqgap.bench.model.case import Case as Case
    from seqgap.bench.model.case import Cost as Cost
    from seqgap.bench.model.case import Operation as Operation
    from seqgap.bench.model.case import Tolerance as Tolerance
    from seqgap.bench.model.pair import pair as pair

__all__ = ["Call", "Case", "Cost", "Operation", "Tolerance", "pair"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'seqgap.bench' has no attribute {name!r}")
    module = "pair" if name == "pair" else "case"
    return getattr(importlib.import_module(f"seqgap.bench.model.{module}"), name)
