"""What changed between two runs: the new times over the old ones, cell by cell."""

from collections import Counter
from collections.abc import Sequence

from seqgap.bench.analysis.compare import CHANGE_MARGIN, CORRECTION, VERDICTS, Change, change_table, changes
from seqgap.bench.analysis.run import Run
from seqgap.bench.report.plots.labels import DotRow, draw_rows, limits_of, ratio_ticks
from seqgap.bench.report.plots.style import COLOURS, GREY, LIGHT, Picture, captioned, cut, sheet

_MOST, _ROW = 40, 0.2  # cells; inches of each
_COLOURS = {"slower": COLOURS[1], "faster": COLOURS[0], "same": GREY, "undecided": LIGHT}
_WORDS = {"slower": "orange", "faster": "blue", "same": "dark grey", "undecided": "light grey"}


def picture(old: Run, new: Run) -> Picture | None:
    """The cells that changed most; None where no cell is in both, or one has a single process."""
    if min(old.processes, new.processes) < 2 or not old.measured.keys() & new.measured.keys():
        return None
    changed = changes(old, new)
    shown = _most_changed(changed)
    figure = sheet(1.9 + _ROW * max(len(shown), 5))
    axes = figure.subplots()
    draw_rows(axes, [DotRow(_name(c), c.ratio, _COLOURS[c.verdict]) for c in shown])
    limits = limits_of([change.ratio for change in shown])
    axes.set_xlim(limits)
    axes.axvspan(1 / (1 + CHANGE_MARGIN), 1 + CHANGE_MARGIN, color=LIGHT, alpha=0.25, linewidth=0, zorder=0)
    ratio_ticks(axes.xaxis, *limits)
    axes.set_xlabel("new time over old time")
    counts = Counter(change.verdict for change in changed)
    parts = [f"{counts[verdict]} {verdict} ({_WORDS[verdict]})" for verdict in VERDICTS]
    figure.suptitle(f"{len(changed)} cells in both runs: what changed\n{', '.join(parts)}")
    more = len(changed) - len(shown)
    rest = f" {more} cells that changed less: change.csv." if more else ""
    note = f"Line: interval; grey band: up to {CHANGE_MARGIN:.0%}, which does not matter. {CORRECTION}.{rest}"
    return captioned(figure, change_table(old, new, changed), [old, new], note)


def _most_changed(changed: Sequence[Change]) -> list[Change]:
    """Those that are slower or faster first, then by the size of their change; from slower to faster."""

    def rank(change: Change) -> tuple[bool, float]:
        ratio = change.ratio.middle
        return change.verdict not in ("slower", "faster"), -max(ratio, 1 / ratio)

    return sorted(sorted(changed, key=rank)[:_MOST], key=lambda change: -change.ratio.middle)


def _name(change: Change) -> str:
    cell = change.cell
    threads = f", {cell.threads} threads" if cell.threads > 1 else ""
    dtype = "" if cell.dtype == "float64" else f", {cell.dtype}"
    return f"{cut(cell.name, 26)}, {cut(cell.impl, 14)}, {cell.dim}, N = {cell.batch}{threads}{dtype}"
