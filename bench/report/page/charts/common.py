"""What the charts share. They are Vega-Lite specifications (version 6); the page brings the data they name.

Parameters are what the reader chooses: `pair`, `dtype`, `threads`, `N`, `per` and `hidden`, the
implementations that were switched off. The page sets them with `view.signal`.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

Spec: TypeAlias = dict[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
SHAPES = (
    "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left",
)  # fmt: skip
ROW, MOST_ROWS = 15, 80  # pixels of a row with a label, and how many rows have one
CHOSEN = "datum.dtype == dtype && datum.threads == threads"
SHOWN = "indexof(hidden, datum.impl) < 0"
KNOWN = "isValid(datum.low)"  # of an interval
CONDITIONS = (("disturbed", "met other load"), ("rounds", "rounds"), ("processes", "processes"))
NO_GAP: Spec = {"data": {"values": [{}]}, "mark": {"type": "rule", "strokeDash": [4, 4], "aria": False}}
_UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def seconds_text(value: str) -> str:
    """A Vega expression: the value, in seconds, with a unit and three digits, as `report.text.si` has it."""
    texts = [f"format({value} / {scale}, '.3~r') + ' {unit}'" for scale, unit in _UNITS]
    cases = [f"{value} >= {scale} ? {text}" for (scale, _), text in zip(_UNITS[:-1], texts, strict=False)]
    return f"({value} == 0 ? '0' : {' : '.join(cases)} : {texts[-1]})"


def interval_text(field: str) -> str:
    """A Vega expression: 1.23 (1.1 to 1.4), three digits, without ends where there are none."""
    ends = "' (' + format(datum.low, '.3~r') + ' to ' + format(datum.high, '.3~r') + ')'"
    return f"format(datum.{field}, '.3~r') + ({KNOWN} ? {ends} : '')"


def chart(data: str, description: str, **parts: Any) -> Spec:
    """A chart as wide as the page. data: the name of its records."""
    return {
        "$schema": SCHEMA,
        "description": description,
        "data": {"name": data},
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **parts,
    }


def parameters(chosen: Spec, *names: str) -> list[Spec]:
    """Of a chart, with the values that it begins with."""
    return [{"name": name, "value": chosen[name]} for name in names]


def logarithmic(field: str, title: str, **scale: Any) -> Spec:
    """A field on a logarithmic axis."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "nice": False, **scale},
        "axis": {"tickCount": 8, "labelSeparation": 10},
    }


def seconds(field: str, title: str, steps: Sequence[int] = (1, 2, 5)) -> Spec:
    """Seconds on a logarithmic axis, with units. steps: the labels of each power of ten."""
    values = [float(f"{step}e{power}") for power in range(-10, 4) for step in steps]
    axis = {"values": values, "labelExpr": seconds_text("datum.value"), "labelSeparation": 10}
    return {**logarithmic(field, title), "axis": axis}


def size(axis: str) -> Spec:
    """D, or what else grows."""
    return {**logarithmic("D", axis, base=2), "axis": {"format": "d", "grid": False}}


def implementation(impls: Sequence[str]) -> Spec:
    """Colour and shape of an implementation; the page has a legend of its own."""
    shapes = [SHAPES[k % len(SHAPES)] for k in range(len(impls))]
    field = {"field": "impl", "type": "nominal", "legend": None}
    return {
        "color": {**field, "scale": {"domain": impls, "range": "category"}},
        "shape": {**field, "scale": {"domain": impls, "range": shapes}},
    }


def tooltip(*fields: tuple[str, str]) -> list[Spec]:
    """What is said of a mark: (field, title) each."""
    return [{"field": field, "type": "nominal", "title": title} for field, title in fields]


def ends(encoding: Spec) -> Spec:
    """The name of each implementation beside the last point of its curve, the upper one of two."""
    height = encoding["y"]["field"]
    return {
        "transform": [
            {"joinaggregate": [{"op": "max", "field": "D", "as": "last"}], "groupby": ["impl"]},
            {"filter": "datum.D == datum.last"},
            {"joinaggregate": [{"op": "max", "field": height, "as": "top"}], "groupby": ["impl"]},
            {"filter": f"datum.{height} == datum.top"},
        ],
        "mark": {"type": "text", "align": "left", "dx": 9},
        "encoding": {**encoding, "text": {"field": "impl"}},
    }
