"""What a file holds of a flow, by names."""

import importlib
import importlib.util
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import family_of

_FORMAT = "seqgap flow 1"


def stored(stems: list[str], params: tuple[Any, ...], order: Array, context: Array | None) -> dict[str, Any]:
    """The fields of Params of families, the permutation, and the context that was folded in."""
    fields: dict[str, Any] = {"format": _FORMAT, "permutation": order, "families": np.array(stems)}
    for index, own in enumerate(params):
        known = {name: value for name, value in own._asdict().items() if value is not None}
        fields |= {f"{index}.{name}": value for name, value in known.items()}
    return fields if context is None else {**fields, "context": context}


def restored(fields: dict[str, Any]) -> tuple[list[Any], Array, Any]:
    """(Params, permutation, context) of what `stored` made; fields that files lack are as by default."""
    if str(fields.pop("format")) != _FORMAT:
        raise ValueError(f"expected the format {_FORMAT!r}")
    order, context = check.integers("permutation", fields.pop("permutation"), 1), fields.pop("context", None)
    parts = []
    for index, stem in enumerate(fields.pop("families").tolist()):
        params = _params_of(stem)
        absent = {f for f in params._field_defaults if f"{index}.{f}" not in fields}
        values = {f: fields.pop(f"{index}.{f}") for f in params._fields if f not in absent}
        parts.append(params(**{field: v.item() if v.ndim == 0 else v for field, v in values.items()}))
    if fields:
        raise ValueError(f"expected no more fields, got {', '.join(fields)}")
    return parts, order, context


def _params_of(stem: str) -> Any:
    """The Params of the family in a module of the kernels, by its name."""
    known = stem.isidentifier() and not stem.startswith("_")
    spec = importlib.util.find_spec(f"seqgap.kernels.{stem}") if known else None
    params = getattr(importlib.import_module(f"seqgap.kernels.{stem}"), "Params", None) if spec else None
    if params is None:
        raise ValueError(f"expected families of seqgap.kernels, got {stem!r}")
    return family_of("families", params).params
