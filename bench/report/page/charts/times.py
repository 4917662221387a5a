"""Charts of times: what each cause takes, seconds against the size, other libraries."""

from collections.abc import Sequence

from seqgap.bench.report.page.charts.common import (
    CHOSEN,
    CONDITIONS,
    KNOWN,
    SHOWN,
    Spec,
    chart,
    ends,
    implementation,
    interval_text,
    logarithmic,
    parameters,
    seconds,
    seconds_text,
    size,
    tooltip,
)

_LABELLED = 1.7  # a factor whose piece of a bar has room for it


def causes(names: Sequence[str], chosen: Spec) -> Spec:
    """What made the slowest way slow: a bar a model from the slowest to the best, a piece a cause."""
    x = seconds("to", "seconds of one sample", steps=(1,))
    y = {"field": "model", "type": "nominal", "title": None, "axis": {"labelLimit": 180}}
    colour = {
        "field": "cause", "type": "nominal", "scale": {"domain": names, "range": "category"},
        "legend": {"orient": "bottom", "columns": 2, "title": None, "labelLimit": 300},
    }  # fmt: skip
    said = tooltip(
        ("model", "model"), ("rung", "step"), ("cause", "takes away"), ("factor text", "factor"),
        ("from text", "before"), ("to text", "after"),
    )  # fmt: skip
    piece = {"x": x, "x2": {"field": "from"}, "y": y, "color": colour, "tooltip": said}
    return chart(
        "causes",
        "The time of one sample from the slowest way to the best; each piece of a bar is one cause.",
        height={"step": 46},
        params=parameters(chosen, "dtype", "ladder_N"),
        transform=[
            {"filter": "datum.dtype == dtype && datum.N == ladder_N"},
            {"calculate": interval_text("factor"), "as": "factor text"},
            {"calculate": seconds_text("datum.from"), "as": "from text"},
            {"calculate": seconds_text("datum.to"), "as": "to text"},
            {"calculate": "format(datum.factor, datum.factor < 10 ? '.2~r' : '.0f')", "as": "label"},
            {"calculate": "sqrt(datum.from * datum.to)", "as": "centre"},
        ],
        layer=[
            {
                "name": "cause_pieces",
                "transform": [{"filter": "datum.factor >= 1"}],
                "mark": {"type": "bar", "height": 24, "stroke": "white", "strokeWidth": 1},
                "encoding": piece,
            },
            {
                "transform": [{"filter": "datum.factor < 1"}],
                "mark": {"type": "bar", "height": 7, "yOffset": 17},
                "encoding": piece,
            },
            {
                "transform": [{"filter": f"datum.factor >= {_LABELLED}"}],
                "mark": {"type": "text", "fontWeight": "bold", "color": "black"},
                "encoding": {
                    "x": {**x, "field": "centre"},
                    "y": y,
                    "text": {"field": "label"},
                    "tooltip": said,
                },
            },
        ],
    )


def curves(impls: Sequence[str], axis: str, chosen: Spec) -> Spec:
    """Seconds against the size of both directions of a pair; filled: one at a time, open: all at once.

    A ladder's rungs, which are timed at one size, are left out where others have curves.
    """
    y = seconds("y", "seconds")
    look = {"x": size(axis), "y": y, **implementation(impls), "detail": {"field": "operation"}}
    line = {key: look[key] for key in ("x", "y", "color", "detail")}
    dashes = {"condition": {"test": "datum.direction == 'parallel'", "value": [5, 4]}, "value": [1, 0]}
    interval = {
        "x": look["x"],
        "y": {**y, "field": "y low"},
        "y2": {"field": "y high"},
        "color": look["color"],
    }
    of_pair = "indexof(split(pair, ' / '), datum.operation) >= 0"
    return chart(
        "cells",
        "Seconds against the size for both directions of a pair, for each implementation.",
        height=360,
        params=parameters(chosen, "pair", "dtype", "threads", "N", "per", "hidden"),
        transform=[
            {"filter": f"{of_pair} && {CHOSEN} && datum.N == N && {SHOWN}"},
            {"joinaggregate": [{"op": "count", "as": "points"}], "groupby": ["operation", "impl"]},
            {"joinaggregate": [{"op": "max", "field": "points", "as": "most points"}]},
            {"filter": "datum.points > 1 || datum['most points'] == 1"},
            *_times_of_a_cell(),
        ],
        layer=[
            {
                "mark": {"type": "line", "strokeWidth": 1.5},
                "encoding": {**line, "strokeDash": dashes},
            },
            {"transform": [{"filter": KNOWN}], "mark": {"type": "rule"}, "encoding": interval},
            _points("sequential", look, filled=True),
            _points("parallel", look, filled=False),
            ends({key: look[key] for key in ("x", "y", "color")}),
        ],
    )


def _times_of_a_cell() -> list[Spec]:
    """What is drawn (`y` and its ends, of a sample or a call) and what is said of it."""
    both = f"{seconds_text('datum.low')} + ' to ' + {seconds_text('datum.high')}"
    values = {
        "count": "per == 'sample' ? datum.N : 1",
        "y": "datum.seconds / datum.count",
        "y low": "datum.low / datum.count",
        "y high": "datum.high / datum.count",
        "sample text": seconds_text("(datum.seconds / datum.N)"),
        "call text": seconds_text("datum.seconds"),
        "ends text": f"{KNOWN} ? {both} : 'unknown'",
    }
    return [{"calculate": expression, "as": name} for name, expression in values.items()]


def _points(direction: str, look: Spec, *, filled: bool) -> Spec:
    said = tooltip(
        ("cell", "cell"),
        ("sample text", "sample"),
        ("call text", "call"),
        ("ends text", "95% of it"),
        *CONDITIONS,
    )
    return {
        "name": f"{direction}_points",
        "transform": [{"filter": f"datum.direction == '{direction}'"}],
        "mark": {
            "type": "point",
            "size": 60,
            "opacity": 1,
            "cursor": "pointer",
            "filled": filled,
            "strokeWidth": 2,
        },
        "encoding": {**look, "tooltip": said},
    }


def peers(impls: Sequence[str], axis: str, chosen: Spec) -> Spec:
    """The time of every implementation over that of the fastest, against the size, of one operation."""
    relative = logarithmic("relative", "times the time of the fastest")
    look = {"x": size(axis), "y": relative, **implementation(impls)}
    line = {key: look[key] for key in ("x", "y", "color")}
    said = tooltip(
        ("operation", "operation"), ("impl", "implementation"), ("seconds text", "time of a call"),
        ("relative text", "times the fastest"), ("fastest", "which is"),
    )  # fmt: skip
    return chart(
        "peers",
        "The time of every implementation of an operation over that of the fastest, against the size.",
        height=300,
        params=parameters(chosen, "operation", "dtype", "threads", "N", "hidden"),
        transform=[
            {"filter": f"datum.operation == operation && {CHOSEN} && datum.N == N && {SHOWN}"},
            {"calculate": seconds_text("datum.seconds"), "as": "seconds text"},
            {"calculate": "format(datum.relative, '.3~r')", "as": "relative text"},
        ],
        layer=[
            {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": line},
            {
                "name": "peer_points",
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                "encoding": {**look, "tooltip": said},
            },
            ends(line),
        ],
    )
