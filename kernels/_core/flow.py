"""A stack of transforms over a standard normal base, and its file."""

import functools
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seqgap.kernels import maf, realnvp, rq_spline
from seqgap.kernels._core import check
from seqgap.kernels._core.check import FLOAT32, FLOAT64, Array
from seqgap.kernels._core.family import add_base
from seqgap.kernels._core.normals import standard_normal
from seqgap.kernels._nets.layers import STRATEGIES
from seqgap.kernels._nets.mlp import choice, orders

FAMILIES: dict[str, ModuleType] = {"maf": maf, "realnvp": realnvp, "rq_spline": rq_spline}
_FORMAT = "seqgap flow 1"


class Step(NamedTuple):
    """The layers of one family."""

    family: str  # a key of FAMILIES
    params: Any  # its Params


@dataclass(frozen=True)
class Flow:
    """Steps from the latent to the data, over N(0, I); `interop.from_zuko` and `from_nflows` make them.

    permutation: (D,), column j of the latent is feature permutation[j] of what the first step takes. The
    arrays of the steps are of one dtype, that of `sample`; the other verbs return the dtype of the batch,
    float64 for integers. Raises TypeError or ValueError for steps that do not fit.
    """

    steps: tuple[Step, ...]
    permutation: Array

    def __post_init__(self) -> None:
        order = check.integers("permutation", self.permutation, 1)
        orders(order[None], check.count("permutation", order.size, 1))
        if not self.steps:
            raise ValueError("steps: expected at least 1, got none")
        for family, params in self.steps:
            if family not in FAMILIES:
                raise ValueError(f"steps: expected families of {', '.join(FAMILIES)}, got {family!r}")
            FAMILIES[family]._verbs.plan("inverse", params, self.dim, self.dtype)

    @property
    def dim(self) -> int:
        """D."""
        return len(self.permutation)

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return FLOAT32 if np.asarray(self.steps[0].params.bias_out).dtype == FLOAT32 else FLOAT64

    def forward(
        self, z: ArrayLike, *, strategy: str = "incremental", threads: int = 1
    ) -> tuple[Array, Array]:
        """Latent to data: (x, log_det), shapes (N, D) and (N,).

        strategy: as in `maf.forward`, for steps of maf and rq_spline. Raises TypeError or ValueError for
        wrong arguments.
        """
        choice("strategy", strategy, STRATEGIES)
        x = self._columns("z", z)[:, self._places]
        log_det = np.zeros(len(x), x.dtype)
        for family, params in self.steps:
            options = {} if family == "realnvp" else {"strategy": strategy}
            x, added = FAMILIES[family].forward(x, params, threads=threads, **options)
            log_det += added
        return x, log_det

    def inverse(self, x: ArrayLike, *, threads: int = 1) -> tuple[Array, Array]:
        """Data to latent: (z, log_det), shapes (N, D) and (N,). Errors as `forward`."""
        z = self._columns("x", x)
        log_det = np.zeros(len(z), z.dtype)
        for family, params in reversed(self.steps):
            z, added = FAMILIES[family].inverse(z, params, threads=threads)
            log_det += added
        return np.ascontiguousarray(z[:, self.permutation]), log_det

    def log_prob(self, x: ArrayLike, *, threads: int = 1) -> Array:
        """log p(x) = log N(z; 0, I) + log_det of `inverse`, shape (N,). Errors as `forward`."""
        z, log_det = self.inverse(x, threads=threads)
        add_base(z, log_det)
        return log_det

    def sample(
        self, n: int, seed: int, *, first_row: int = 0, strategy: str = "incremental", threads: int = 1
    ) -> Array:
        """`forward` of the normals of `seed`: rows first_row to first_row + n - 1, (n, D). Errors as it."""
        z = standard_normal(n, self.dim, seed, first_row=first_row, dtype=self.dtype, threads=threads)
        return self.forward(z, strategy=strategy, threads=threads)[0]

    @functools.cached_property
    def _places(self) -> Array:
        return np.argsort(self.permutation)

    def _columns(self, name: str, value: Any) -> Array:
        batch = check.batch(name, value)
        if batch.shape[1] != self.dim:
            raise ValueError(f"{name}: expected {self.dim} columns, got shape {batch.shape}")
        return batch

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the flow to a file of NumPy's npz format, whole or not at all; no pickle in it."""
        stored: dict[str, Any] = {"format": _FORMAT, "permutation": self.permutation}
        stored["families"] = np.array([family for family, _ in self.steps])
        for index, (_, params) in enumerate(self.steps):
            stored |= {f"{index}.{name}": value for name, value in params._asdict().items()}
        target = Path(path)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with open(part, "wb") as file:
                np.savez(file, **stored)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Flow":
        """The flow of a file that `save` wrote. Raises OSError, or ValueError for a file that is none."""
        try:
            with open(path, "rb") as data, np.load(data, allow_pickle=False) as file:
                return cls._of({name: file[name] for name in file.files})
        except (ValueError, TypeError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"path: expected a file of Flow.save, got {os.fspath(path)!r}: {error}"
            ) from None

    @classmethod
    def _of(cls, stored: dict[str, Any]) -> "Flow":
        if str(stored.pop("format")) != _FORMAT:
            raise ValueError(f"expected the format {_FORMAT!r}")
        permutation, steps = stored.pop("permutation"), []
        for index, name in enumerate(stored.pop("families").tolist()):
            kind = FAMILIES[name].Params
            values = {field: stored.pop(f"{index}.{field}") for field in kind._fields}
            plain = {field: v.item() if v.ndim == 0 else v for field, v in values.items()}
            steps.append(Step(name, kind(**plain)))
        if stored:
            raise ValueError(f"expected no more fields, got {', '.join(stored)}")
        return cls(tuple(steps), permutation)
