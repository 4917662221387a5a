"""A result folder from before an operation was renamed is read from what it holds; nothing is looked up."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command import invoke
from synthetic import CEILINGS, write_run

from seqgap.bench.plan.options import Options
from seqgap.bench.results.folder import ENVIRONMENT, OPERATIONS
from seqgap.bench.results.rows import ROWS

OPTIONS = Options(case=("linear_ar", "affine_coupling"), dim=(2, 64), batch=(1,), map=(), processes=5)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run of today, and one in which linear_ar.forward was gone_family.draw, which no case has."""
    parent = tmp_path_factory.mktemp("renamed")
    stored = {"ceilings": CEILINGS.to_json()}
    old, new = (write_run(parent / name, OPTIONS, processes=5, stored=stored) for name in ("old", "new"))
    cell = ('"case": "linear_ar", "operation": "forward"', '"case": "gone_family", "operation": "draw"')
    for name, (before, after) in ((ROWS, cell), (OPERATIONS, ("linear_ar.forward", "gone_family.draw"))):
        text = (old / name).read_text()
        assert before in text
        (old / name).write_text(text.replace(before, after))
    environment = json.loads((old / ENVIRONMENT).read_text())
    environment["options"]["case"] = ["gone_family", "linear_ar", "affine_coupling"]
    (old / ENVIRONMENT).write_text(json.dumps(environment))
    return old, new


def test_it_is_reported_and_audited(folders: tuple[Path, Path], fresh_python: Callable[..., str]) -> None:
    old, _ = folders
    program = f"""
import sys
from pathlib import Path
from rich.console import Console
from seqgap.bench.audit.rules import audit
from seqgap.bench.report.summary import report
assert report(Path({str(old)!r}), Console(stderr=True))
print(*(finding.rule for finding in audit(Path({str(old)!r})) if finding.verdict == "fail"))
print([name for name in sys.modules if name.startswith(("numba", "seqgap.kernels.", "seqgap.bench.cases."))])
"""
    printed = fresh_python(program)
    *_, failed, loaded = printed.splitlines()
    assert loaded == "[]"
    assert set(failed.split()) <= {"9", "10"}  # of the made-up machine and its timer
    assert "matched,gone_family.draw,linear_ar.inverse" in (old / "gap.csv").read_text()
    assert "gone_family,draw,linear_ar.inverse" in (old / "ladder.csv").read_text()
    assert "gone_family.draw" in (old / "curves.svg").read_text()
    assert all((old / f"{name}.png").exists() for name in ("curves", "gap-map", "ladder"))


def test_it_is_compared_with_a_run_of_today(folders: tuple[Path, Path]) -> None:
    result = invoke("compare", *folders)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert result.stdout.count("Only in") == 2  # by its old name, and by its new one
