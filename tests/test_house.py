"""The house: who may import whom, which folders are packages, and that families are found, never listed."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# To the right only, from the command line to what knows no model; flows are found by families at run time.
ORDER = (
    {"cli"}, {"report", "audit", "measure"}, {"analysis"}, {"results"}, {"plan", "machine"}, {"cases"},
    {"peers"}, {"model"}, {"interop", "reference"}, {"families"}, {"_nets"}, {"_core"},
)  # fmt: skip
RANKS = {part: rank for rank, parts in enumerate(ORDER) for part in parts}
KERNELS = {"interop", "families", "_nets", "_core"}
NEVER = {
    "measure": {"analysis", "report"},
    "analysis": KERNELS | {"cases"},
    "report": KERNELS | {"cases"},
    "reference": KERNELS,
}
STEMS = {path.stem for path in (ROOT / "kernels").glob("*.py") if not path.stem.startswith("_")}


def files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def part(module: str) -> str:
    """What a dotted name below seqgap belongs to: a room of bench or kernels, or a package."""
    _, package, *rooms = module.split(".")
    room = rooms[0] if rooms else ""
    if package == "kernels":
        return room if room in KERNELS else "families"
    return room if package == "bench" else package


def imported(tree: ast.Module) -> Iterator[str]:
    """The dotted names below seqgap that a file imports, inside functions too."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        yield from (prefix + name for name in names if (prefix + name).startswith("seqgap."))


def wrong_imports(name: str, source: str) -> list[str]:
    """Those of a file, `bench/plan/order.py` say, that go to the left or where it never may."""
    here = part(f"seqgap.{name.removesuffix('.py').replace('/', '.')}")
    return [
        f"{name}: {module}"
        for module in imported(ast.parse(source))
        if (there := part(module)) != here
        and (there in NEVER.get(here, ()) or RANKS.get(there, -1) <= RANKS.get(here, -1))
    ]


def test_imports_go_to_the_right_only() -> None:
    found = [
        line
        for path in files("kernels", "reference", "bench")
        for line in wrong_imports(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("kernels/_core/flow.py", "from seqgap.kernels import maf"),
        ("kernels/_core/flow.py", "from seqgap.kernels._nets import mlp"),
        ("kernels/_nets/mlp.py", "def f():\n    import seqgap.kernels.maf"),
        ("bench/plan/order.py", "from seqgap.bench.analysis import ladder"),
        ("bench/machine/environment.py", "from seqgap.bench.measure.cell import measure"),
        ("bench/measure/parent.py", "from seqgap.bench.analysis.gap import gaps"),
        ("bench/results/run.py", "from seqgap.bench.analysis.run import Run"),
        ("bench/report/tables.py", "from seqgap.bench import cases"),
        ("bench/analysis/gap.py", "from seqgap.kernels.normal import standard_normal"),
        ("bench/report/plots/curves.py", "from seqgap.bench.audit import judge"),
        ("reference/maf.py", "from seqgap.kernels import maf"),
    ],
)
def test_a_wrong_import_is_seen(name: str, source: str) -> None:
    assert len(wrong_imports(name, source)) == 1


def test_packages_are_the_folders_with_python_files() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT).parts for path in files("kernels", "reference", "bench")}
    assert sorted(listed) == sorted(["seqgap", *(".".join(("seqgap", *parts)) for parts in folders)])


def families_in(node: ast.AST) -> set[str]:
    """The stems that the items of a literal begin with: maf, "maf", "maf.forward", or ("maf", ...)."""
    items = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", [])
    named = set()
    for item in items:
        first = item.elts[0] if isinstance(item, ast.Tuple | ast.List) and item.elts else item
        text = first.value if isinstance(first, ast.Constant) else getattr(first, "id", None)
        named |= {str(text).split(".")[0]} & STEMS
    return named


@pytest.mark.parametrize(("folder", "allowed"), [("kernels", 2), ("bench", 2), ("tests", len(STEMS) // 2)])
def test_no_list_of_families_is_kept_by_hand(folder: str, allowed: int) -> None:
    """A test may name the few that it is about; in half of all a new family would be missing."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files(folder)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict) and len(families_in(node)) > allowed
    ]
    assert found == []
