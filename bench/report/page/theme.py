"""Colours and letters of the charts, on light and on dark."""

from typing import Any

# Okabe and Ito's palette, legible with the common colour-vision deficiencies; yellow left out.
LIGHT = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7A486A"]
DARK = ["#56B4E9", "#FF8C42", "#2FC79A", "#E3A0C6", "#F0B429", "#8FD0F5", "#FFFFFF", "#C79BB8"]
_SIZE = 13  # pixels: 9.75 pt


def theme(*, dark: bool) -> dict[str, Any]:
    """The configuration of Vega-Lite."""
    ink, rule = ("#e8e8e8", "#4a4a4a") if dark else ("#1a1a1a", "#d8d8d8")
    letters = {"labelFontSize": _SIZE, "titleFontSize": _SIZE, "labelColor": ink, "titleColor": ink}
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "range": {"category": DARK if dark else LIGHT},
        "axis": {
            **letters,
            "titleFontWeight": "normal",
            "gridColor": rule,
            "domainColor": rule,
            "tickColor": rule,
        },
        "legend": letters,
        "text": {"fontSize": _SIZE, "color": ink},
        "rule": {"color": ink},
        "view": {"stroke": None},
    }
