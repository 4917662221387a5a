"""Flows trained elsewhere: `from_zuko` and `from_nflows` make a `Flow`, which samples and scores compiled."""

from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.nflows import from_nflows
from seqgap.kernels.interop.zuko import from_zuko

__all__ = ["Flow", "from_nflows", "from_zuko"]
