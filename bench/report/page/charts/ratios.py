"""Charts of ratios: the gap against the size, all compiled ratios, before and after."""

from collections.abc import Sequence

from seqgap.bench.report.page.charts.common import (
    CHOSEN,
    CONDITIONS,
    KNOWN,
    MOST_ROWS,
    NO_GAP,
    ROW,
    SHOWN,
    Spec,
    chart,
    ends,
    implementation,
    interval_text,
    logarithmic,
    parameters,
    seconds_text,
    size,
    tooltip,
)

_THIN_ROW = 4  # pixels of a row without a label
_TITLE = "times as long, one at a time"
_TEXTS = [
    {"calculate": interval_text("ratio"), "as": "ratio text"},
    {"calculate": seconds_text("datum.sequential"), "as": "sequential text"},
    {"calculate": seconds_text("datum.parallel"), "as": "parallel text"},
]
_TOOLTIP = tooltip(
    ("cell", "cell"), ("ratio text", "ratio"), ("sequential text", "sample, one at a time"),
    ("parallel text", "sample, all at once"), *CONDITIONS,
)  # fmt: skip
_VERDICTS = ["faster", "slower", "same", "undecided"]


def gap(impls: Sequence[str], axis: str, chosen: Spec) -> Spec:
    """How many times as long one at a time takes, against D: a line an implementation, ribbons of 95%."""
    ratio, look = logarithmic("ratio", _TITLE), {"x": size(axis), **implementation(impls)}
    line = {"x": look["x"], "y": ratio, "color": look["color"]}
    ribbon = {**line, "y": {**ratio, "field": "low"}, "y2": {"field": "high"}}
    point = {"type": "point", "filled": True, "size": 70, "opacity": 1, "cursor": "pointer"}
    return chart(
        "gaps",
        "How many times as long one step at a time takes, against the size, for each implementation.",
        height=320,
        params=parameters(chosen, "pair", "dtype", "threads", "N", "hidden"),
        transform=[{"filter": f"datum.pair == pair && {CHOSEN} && datum.N == N && {SHOWN}"}, *_TEXTS],
        layer=[
            {**NO_GAP, "encoding": {"y": {"datum": 1, "type": "quantitative"}}},
            {"transform": [{"filter": KNOWN}], "mark": {"type": "area", "opacity": 0.22}, "encoding": ribbon},
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": line},
            {"name": "gap_points", "mark": point, "encoding": {**look, "y": ratio, "tooltip": _TOOLTIP}},
            ends(line),
        ],
    )


def forest(rows: int, impls: Sequence[str], chosen: Spec) -> Spec:
    """Every compiled ratio with its interval, sorted: how sure, in one look. rows: the most there can be."""
    named = rows <= MOST_ROWS
    y, ratio, look = _sorted("label", named), logarithmic("ratio", _TITLE), implementation(impls)
    interval = {"y": y, "x": {**ratio, "field": "low"}, "x2": {"field": "high"}, "color": look["color"]}
    point = {"type": "point", "filled": True, "size": 45 if named else 12, "opacity": 1, "cursor": "pointer"}
    return chart(
        "compiled",
        "Every ratio of the compiled samplers with its interval, the largest on top.",
        height={"step": ROW if named else _THIN_ROW},
        params=parameters(chosen, "dtype", "threads", "hidden"),
        transform=[{"filter": f"{CHOSEN} && {SHOWN}"}, *_TEXTS],
        layer=[
            {**NO_GAP, "encoding": {"x": {"datum": 1, "type": "quantitative"}}},
            {"transform": [{"filter": KNOWN}], "mark": {"type": "rule"}, "encoding": interval},
            {
                "name": "forest_points",
                "mark": point,
                "encoding": {"y": y, "x": ratio, **look, "tooltip": _TOOLTIP},
            },
        ],
    )


def changes(rows: int) -> Spec:
    """New over old of every cell with its interval, the slowest on top. rows: how many there are."""
    named = rows <= MOST_ROWS
    y, ratio = _sorted("cell", named), logarithmic("ratio", "new time over old time")
    verdict = {"field": "verdict", "type": "nominal", "title": "is", "scale": {"domain": _VERDICTS}}
    look = {"color": verdict, "shape": verdict}
    interval = {"y": y, "x": {**ratio, "field": "low"}, "x2": {"field": "high"}, "color": verdict}
    said = tooltip(("cell", "cell"), ("ratio text", "new over old"), ("verdict", "is"))
    point = {"type": "point", "filled": True, "size": 40 if named else 10, "opacity": 1, "cursor": "pointer"}
    return chart(
        "changes",
        "New time over old time of every cell with its interval, the slowest on top.",
        height={"step": ROW if named else 2},
        transform=[{"calculate": interval_text("ratio"), "as": "ratio text"}],
        layer=[
            {**NO_GAP, "encoding": {"x": {"datum": 1, "type": "quantitative"}}},
            {
                "transform": [{"filter": KNOWN}],
                "mark": {"type": "rule", "opacity": 0.6},
                "encoding": interval,
            },
            {"mark": point, "encoding": {"y": y, "x": ratio, **look, "tooltip": said}},
        ],
    )


def _sorted(field: str, named: bool) -> Spec:
    """Rows in the order of their ratios, with labels where there is room for them."""
    axis = {"labelLimit": 260, "title": None} if named else None
    return {
        "field": field, "type": "nominal", "sort": {"field": "ratio", "order": "descending"}, "axis": axis,
    }  # fmt: skip
