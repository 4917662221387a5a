"""The scripts of examples/, run as their users run them."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from command import completed

DIGITS = Path(__file__).parent.parent / "examples" / "digits.py"
MISSING = [name for name in ("sklearn", "torch", "zuko") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"pip install 'seqgap[examples]': {', '.join(MISSING)}")


def digits(*arguments: str) -> subprocess.CompletedProcess[str]:
    return completed(sys.executable, str(DIGITS), *arguments, cwd=Path.cwd())


@pytest.mark.slow
def test_digits_trains_loads_and_compares(tmp_path: Path) -> None:
    """Both flows are likelier than what they start from, and the same in both libraries."""
    done = digits(str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    rows = [line.split("│")[1:-1] for line in done.stdout.splitlines() if line.startswith("│ ")][:2]
    for name, (flow, zuko, seqgap, relative, samples) in zip(("MAF", "NSF"), rows, strict=True):
        assert flow.strip() == name
        assert -70 < float(zuko) < -40
        assert abs(float(seqgap) - float(zuko)) < 1e-3
        assert float(relative) < 1e-5
        assert float(samples) < 1e-4
    with (tmp_path / "made" / "digits.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    for suffix in ("png", "svg"):
        assert (tmp_path / "made" / f"digits.{suffix}").stat().st_size > 10_000


def test_digits_without_a_folder_says_how() -> None:
    done = digits()
    assert (done.returncode, done.stderr) == (1, "usage: python examples/digits.py FOLDER\n")
