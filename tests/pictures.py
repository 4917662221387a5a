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
    """Every text that is seen, those of ticks and legends too; only ticks inside the limits."""
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and _shown(text):
            yield text


def _shown(text: Text) -> bool:
    axes = text.axes
    if axes is None:
        return True
    if not axes.get_visible():
        return False
    for axis in (axes.xaxis, axes.yaxis):
        if any(text in (tick.label1, tick.label2) for tick in (*axis.majorTicks, *axis.minorTicks)):
            drawn = axis.get_ticklabels(minor=False) + axis.get_ticklabels(minor=True)
            return text in drawn
    return True


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
