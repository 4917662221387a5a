"""The implementations of an operation: what they are written in, what they need, how fast they are."""

import importlib.util
import shutil
from collections.abc import Iterable
from typing import Literal, NamedTuple

from seqgap.bench.model.case import DTYPES

OWN = "own"  # of a sampler from outside, where its file names no other
_INSTALL = "pip install 'seqgap[peers]'"
_COMPILERS = ("c++", "g++", "clang++")  # what torch.compile looks for


class Implementation(NamedTuple):
    """One row of the table; rates are rough on purpose, an order of magnitude is enough."""

    name: str
    rate: float = 5e-11  # seconds for each floating-point operation: BLAS, or loops that a compiler fused
    library: str = ""  # optional package that it runs in
    built_on: str = ""  # optional package that the library builds on
    full_passes: Literal["", "sequential", "always"] = ""  # does D times the work: of operations of D steps
    threads: bool = True  # it has a notion of threads
    dtypes: tuple[str, ...] = DTYPES
    peer: bool = True  # what users would pick instead, not what we wrote to explain or to compare
    normal: float = 0.0  # seconds for each normal that it draws, where they matter

    @property
    def language(self) -> str:
        """What it is written in; `numba-naive` is a way of `numba`."""
        return self.name.partition("-")[0]

    def takes(self, dtype: str, threads: int) -> bool:
        """Whether it computes in the dtype, on so many threads."""
        return dtype in self.dtypes and (threads == 1 or self.threads)

    @property
    def runs_in(self) -> str:
        """The library whose settings hold for it, empty for none."""
        return self.built_on or self.library

    @property
    def remedy(self) -> str | None:
        """What to do about an implementation that cannot run here, or None."""
        needed = {self.library, self.built_on} - {""}
        if any(importlib.util.find_spec(library) is None for library in needed):
            return _INSTALL
        if self.name == "torch-compile" and not any(map(shutil.which, _COMPILERS)):
            return "needs a C++ compiler"
        return None


def _engine(library: str) -> Implementation:
    return Implementation(
        library,
        library=library,
        built_on="onnx",
        full_passes="sequential",
        threads=False,
        dtypes=("float32",),
    )


_TABLE = {
    row.name: row
    for row in (
        # The random words behind a normal are products of Python's integers.
        Implementation("python", 6e-8, threads=False, peer=False, normal=2e-6),
        Implementation("numpy", 1.5e-10),
        Implementation("numpy-passes", 1.5e-10, full_passes="always", peer=False),
        Implementation("numba", 2.5e-11, peer=False),
        Implementation("numba-plain", 5e-10, threads=False, peer=False),
        Implementation("numba-naive", 2.5e-11, full_passes="always", peer=False),
        Implementation(OWN, peer=False),
        Implementation("scipy"),
        Implementation("torch", library="torch"),
        Implementation("torch-compile", library="torch"),
        Implementation("jax", library="jax"),
        Implementation("zuko", library="zuko", built_on="torch", full_passes="sequential"),
        Implementation("nflows", library="nflows", built_on="torch", full_passes="sequential"),
        Implementation("normflows", library="normflows", built_on="torch"),
        Implementation("diffusers", library="diffusers", built_on="torch", dtypes=("float32",)),
        Implementation("torchdiffeq", library="torchdiffeq", built_on="torch"),
        Implementation("blackjax", library="blackjax", built_on="jax"),
        Implementation("diffrax", library="diffrax", built_on="jax"),
        Implementation("sklearn", library="sklearn"),
        Implementation("prdc", library="prdc"),
        Implementation("flowjax", library="flowjax", built_on="jax", full_passes="sequential"),
        _engine("onnxruntime"),
        _engine("openvino"),
    )
}
PEERS = tuple(name for name, row in _TABLE.items() if row.peer)
MAIN = ("python", "numpy", "numba", OWN)  # what users know, from slow to fast as far as anyone can tell


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once: MAIN first, in its order, then the others by the alphabet."""
    return sorted(set(names), key=lambda name: (MAIN.index(name) if name in MAIN else len(MAIN), name))


def implementation(name: str) -> Implementation:
    """The row of a name; one that is not in the table is our own way of what its name begins with."""
    if name in _TABLE:
        return _TABLE[name]
    known = _TABLE.get(name.partition("-")[0])
    return known._replace(name=name, peer=False) if known else Implementation(name)


def left_out(names: Iterable[str]) -> dict[str, list[str]]:
    """Which of the implementations cannot run here: what to do about it -> their names."""
    remedies = {name: implementation(name).remedy for name in names}
    return {
        remedy: [name for name in remedies if remedies[name] == remedy]
        for remedy in remedies.values()
        if remedy is not None
    }
