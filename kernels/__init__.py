"""Compiled samplers, one module a family; nothing here knows of benchmarks."""
