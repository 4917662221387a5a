"""What the reader of the page chooses: the pair, the size, the implementations."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from seqgap.bench.analysis.gap import gaps
from seqgap.bench.analysis.ladder import ladders
from seqgap.bench.analysis.ranking import peers_of, rankings
from seqgap.bench.analysis.run import Run
from seqgap.bench.analysis.verdict import pairs
from seqgap.bench.model.cell import Cell
from seqgap.bench.model.implementation import in_order
from seqgap.bench.report.page.records import pair_name

_KINDS = {"matched": "Same weights", "control": "Controls", "family": "Families: different models"}
_ALONE = "Operations without a pair"


class Option(NamedTuple):
    """One entry of a choice. group: its heading in the list, empty for none."""

    value: str | int
    text: str
    group: str = ""


class Choice(NamedTuple):
    """A list to choose from. name: of the parameter of the charts. value: what is chosen at first."""

    name: str
    label: str
    options: Sequence[Option]
    value: str | int

    @property
    def groups(self) -> list[tuple[str, list[Option]]]:
        """The options below their headings."""
        names = dict.fromkeys(option.group for option in self.options)
        return [(name, [option for option in self.options if option.group == name]) for name in names]


class Choices(NamedTuple):
    """All of a page. impls: those with a mark in some chart, in the order of their colours."""

    common: Sequence[Choice]
    ladder: Choice | None
    operation: Choice | None
    impls: Sequence[str]

    @property
    def values(self) -> dict[str, Any]:
        """What is chosen at first, by the name of the parameter."""
        every = [*self.common, *filter(None, (self.ladder, self.operation))]
        return {choice.name: choice.value for choice in every} | {"hidden": []}


def choices(run: Run) -> Choices:
    """Those of a run, which begins with its main pair where the gap is largest, on the fewest threads."""
    cells = list(run.measured)
    named = _pairs(run)
    operations = str(named[0].value).split(" / ")
    main = [cell for cell in cells if cell.name in operations] or cells
    dtypes = sorted({cell.dtype for cell in cells}, reverse=True)
    dtype = min((cell.dtype for cell in main), key=dtypes.index)
    common = [
        Choice("pair", "Pair", named, named[0].value),
        Choice("dtype", "Numbers", _options(dtypes), dtype),
        _sizes("threads", "Threads", (c.threads for c in cells), min(c.threads for c in main)),
        _sizes("N", "Samples a call", (c.batch for c in cells), _batch(run, main)),
        Choice("per", "Curves of", [Option("sample", "one sample"), Option("call", "one call")], "sample"),
    ]
    return Choices(common, _ladder(run), _operation(run), in_order(cell.impl for cell in run.measured))


def _batch(run: Run, main: Sequence[Cell]) -> int:
    """The N of the largest gap of the main pair; without one the largest N."""
    if not pairs(run):
        return max(cell.batch for cell in main)
    return max(pairs(run)[0].gaps, key=lambda gap: gap.ratio.middle).cell.batch


def _pairs(run: Run) -> list[Option]:
    """The matched pairs as the verdict has them, further comparisons, operations that are in none."""
    options: dict[str, Option] = {}
    for pair in pairs(run):
        name = " / ".join(pair.names)
        options[name] = Option(name, f"{pair.title}: {name}", _KINDS["matched"])
    for kind in ("control", "family"):
        for gap in gaps(run):
            if gap.kind == kind:
                name = pair_name(gap)
                options.setdefault(name, Option(name, name, _KINDS[kind]))
    paired = {operation for name in options for operation in name.split(" / ")}
    for cell in run.measured:
        if cell.name not in paired:
            options.setdefault(cell.name, Option(cell.name, cell.name, _ALONE))
    return list(options.values())


def _options(values: Iterable[str | int]) -> list[Option]:
    return [Option(value, str(value)) for value in values]


def _sizes(name: str, label: str, values: Iterable[int], value: int) -> Choice:
    return Choice(name, label, _options(sorted(set(values))), value)


def _ladder(run: Run) -> Choice | None:
    sizes = {ladder.cell.batch for ladder in ladders(run)}
    return _sizes("ladder_N", "Samples a call", sizes, max(sizes)) if sizes else None


def _operation(run: Run) -> Choice | None:
    """The operations that peers beside NumPy were timed for; None where there are none."""
    if not set(peers_of(rankings(run))) - {"numba", "numpy"}:
        return None
    names = dict.fromkeys(
        ranking.cell.name for ranking in rankings(run) if set(ranking.medians) - {"numba", "numpy"}
    )
    return Choice("operation", "Operation", _options(names), next(iter(names)))
