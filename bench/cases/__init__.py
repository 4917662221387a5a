"""One module a family, each with a `CASE`; found by the registry, never listed."""
