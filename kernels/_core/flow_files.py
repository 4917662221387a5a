"""What a file holds of a flow, by names."""

import importlib
import importlib.util
from typing import Any

import numpy as np

from seqgap.kernels._core import check
from seqgap.kernels._core.check import Array
from seqgap.kernels._core.family import family_of

_FORMAT = "seqgap flow 1"
_NESTED = "levels"  # the field of a Params that holds a tuple of `Level`


def stored(stems: list[str], params: tuple[Any, ...], order: Array, context: Array | None) -> dict[str, Any]:
    """The fields of Params of families, the permutation, and the context that was folded in."""
    fields: dict[str, Any] = {"format": _FORMAT, "permutation": order, "families": np.array(stems)}
    for index, own in enumerate(params):
        fields |= _by_name(str(index), own)
    return fields if context is None else {**fields, "context": context}


def restored(fields: dict[str, Any]) -> tuple[list[Any], Array, Any]:
    """(Params, permutation, context) of what `stored` made; fields that files lack are as by default."""
    if str(fields.pop("format")) != _FORMAT:
        raise ValueError(f"expected the format {_FORMAT!r}")
    order, context = check.integers("permutation", fields.pop("permutation"), 1), fields.pop("context", None)
    parts = []
    for index, stem in enumerate(fields.pop("families").tolist()):
        parts.append(_from_names(str(index), _params_of(stem), fields))
    if fields:
        raise ValueError(f"expected no more fields, got {', '.join(fields)}")
    return parts, order, context


def _by_name(prefix: str, params: Any) -> dict[str, Any]:
    """The fields that are not None; of `levels` those of each, as levels.0.shift."""
    names: dict[str, Any] = {}
    for field, value in params._asdict().items():
        if field == _NESTED:
            for number, level in enumerate(value):
                names |= _by_name(f"{prefix}.{field}.{number}", level)
        elif value is not None:
            names[f"{prefix}.{field}"] = value
    return names


def _from_names(prefix: str, cls: Any, fields: dict[str, Any]) -> Any:
    """Undo `_by_name`; what is used leaves `fields`."""
    values = {}
    for field in cls._fields:
        name = f"{prefix}.{field}"
        if field == _NESTED:
            values[field] = _levels(name, cls, fields)
        elif name in fields or field not in cls._field_defaults:
            value = fields.pop(name)
            values[field] = value.item() if value.ndim == 0 else value
    return cls(**values)


def _levels(name: str, cls: Any, fields: dict[str, Any]) -> tuple[Any, ...]:
    """As many as there are fields of, of the class `Level` in the module of a Params."""
    level = importlib.import_module(cls.__module__).Level
    known = (key.removeprefix(f"{name}.") for key in fields if key.startswith(f"{name}."))
    count = len({key.partition(".")[0] for key in known})
    return tuple(_from_names(f"{name}.{number}", level, fields) for number in range(count))


def _params_of(stem: str) -> Any:
    """The Params of the family in a module of the kernels, by its name."""
    known = stem.isidentifier() and not stem.startswith("_")
    spec = importlib.util.find_spec(f"seqgap.kernels.{stem}") if known else None
    params = getattr(importlib.import_module(f"seqgap.kernels.{stem}"), "Params", None) if spec else None
    if params is None:
        raise ValueError(f"expected families of seqgap.kernels, got {stem!r}")
    return family_of("families", params).params
