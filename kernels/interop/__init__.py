"""What was trained elsewhere, to be sampled and scored compiled.

`from_zuko`, `from_nflows` and `from_normflows` (images) make a `Flow`, `from_sbi` the `Posterior` of flows
within a prior, and `from_torch_mlp` the `Perceptron` of samplers with steps in time.
"""

from seqgap.kernels._core.flow import Flow
from seqgap.kernels.interop.nflows import from_nflows
from seqgap.kernels.interop.normflows import from_normflows
from seqgap.kernels.interop.sbi import from_sbi
from seqgap.kernels.interop.torch_mlp import from_torch_mlp
from seqgap.kernels.interop.zuko import from_zuko

__all__ = ["Flow", "from_nflows", "from_normflows", "from_sbi", "from_torch_mlp", "from_zuko"]
