"""Charts of how steady the run was: the host, the processes, the rounds of a cell."""

from seqgap.bench.report.page.charts.common import Spec, chart, logarithmic, seconds_text, tooltip

_PROCESS = {"field": "process", "type": "nominal", "title": "process"}
_COLOUR = {**_PROCESS, "scale": {"range": "category"}}


def probes() -> Spec:
    """A fixed piece of work against the clock: how steady the host was."""
    return chart(
        "probes",
        "The time of a fixed piece of work over its median, against the minutes of the run.",
        height=180,
        mark={"type": "point", "size": 14},
        encoding={
            "x": {"field": "minute", "type": "quantitative", "title": "minutes since the first cell"},
            "y": logarithmic("ratio", "time over its median"),
            "color": _COLOUR,
        },
    )


def offsets() -> Spec:
    """What the intervals are made of: the medians of each process about the means of their cells."""
    title = "median of a process over the mean of its cell"
    x = {"type": "quantitative", "title": title, "scale": {"zero": False}}
    said = tooltip(*((field, field) for field in ("process", "cells", "p5", "p25", "p50", "p75", "p95")))
    shared = {"y": _PROCESS, "tooltip": said}
    return chart(
        "offsets",
        "The medians of each process over the means of their cells: the middle 90% and 50% of the cells.",
        height={"step": 26},
        layer=[
            {"mark": "rule", "encoding": {"x": {**x, "field": "p5"}, "x2": {"field": "p95"}, **shared}},
            {
                "mark": {"type": "bar", "height": 10, "color": "#0072B2"},
                "encoding": {"x": {**x, "field": "p25"}, "x2": {"field": "p75"}, **shared},
            },
            {
                "mark": {"type": "tick", "thickness": 3, "height": 16, "color": "#D55E00"},
                "encoding": {"x": {**x, "field": "p50"}, **shared},
            },
        ],
    )


def rounds() -> Spec:
    """Every round of one cell, by process."""
    return chart(
        "rounds",
        "Seconds of one call for every round of the cell, by process.",
        height=240,
        mark={"type": "point", "size": 18},
        encoding={
            "x": {
                "field": "round",
                "type": "quantitative",
                "title": "round, one process after the other",
                "axis": {"format": "d", "tickMinStep": 1},
            },
            "y": {
                "field": "seconds",
                "type": "quantitative",
                "title": "one call",
                "scale": {"zero": False},
                "axis": {"labelExpr": seconds_text("datum.value")},
            },
            "color": _COLOUR,
            "shape": _PROCESS,
        },
    )
