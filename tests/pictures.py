"""What every picture has to keep to, for their tests."""

from collections.abc import Iterator
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from seqgap.bench.report.plots.style import Picture, house_style, shown_points

LEAST = 9  # points, where a README shows the picture


def laid_out(picture: Picture) -> Any:
    """The figure as it is saved, all its texts in their places."""
    figure = picture.figure
    figure.set_dpi(130)
    with house_style():
        FigureCanvasAgg(figure)
        figure.draw_without_rendering()
    return figure


def texts(figure: Any) -> Iterator[Text]:
    """Every text that is seen, those of ticks and legends too."""
    unseen = set(_unseen(figure))
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and text not in unseen:
            yield text


def _unseen(figure: Any) -> Iterator[Text]:
    """Texts of hidden panels, and of ticks beyond the ends of an axis."""
    for axes in figure.axes:
        if not axes.get_visible():
            yield from axes.findobj(Text)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.majorTicks, *axis.minorTicks):
                if not low - 1e-9 * abs(low) <= tick.get_loc() <= high + 1e-9 * abs(high):
                    yield from (tick.label1, tick.label2)


def faults(picture: Picture) -> list[str]:
    """What is too small to read, cut off at an edge, or wider than 1200 pixels."""
    figure = laid_out(picture)
    width, whole = figure.get_figwidth(), figure.bbox.padded(2)
    found = [f"{width * 130:.0f} pixels wide"] if width * 130 > 1200.5 else []
    for text in texts(figure):
        if shown_points(float(text.get_fontsize()), width) < LEAST:
            found.append(f"{text.get_fontsize()} points: {text.get_text()!r}")
        box = Text.get_window_extent(text)
        if whole.count_contains(box.corners()) < 4:
            found.append(f"outside: {text.get_text()!r} {box}")
    return found
