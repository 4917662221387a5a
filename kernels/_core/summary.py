"""What the parameters of a family are, on one line, without their arrays."""

from typing import Any


def summary(params: Any) -> str:
    """`linear_ar.Params(D=64, float64)`, with the sizes of its `layout` if it has one."""
    cls = type(params)
    try:
        dim = "any D" if params.dim is None else f"D={params.dim}"
        sizes = [f"{name}={size}" for name, size in getattr(params, "layout", {}).items()]
        content = ", ".join([dim, str(params.dtype), *sizes])
    except (TypeError, ValueError) as error:  # arrays that no kernel would take
        content = str(error)
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}({content})"
