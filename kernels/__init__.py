"""Compiled samplers, one module a family; nothing here knows of benchmarks."""

from seqgap.kernels import _sources as _sources  # before any kernel is read: it takes their digest
