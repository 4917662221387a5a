"""The scripts of examples/, run as their users run them."""

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from command import completed

EXAMPLES = Path(__file__).parent.parent / "examples"


def needs(*names: str) -> pytest.MarkDecorator:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"pip install 'seqgap[examples]': {', '.join(missing)}")


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return completed(sys.executable, str(EXAMPLES / name), *arguments, cwd=Path.cwd())


def rows(table: str) -> list[list[str]]:
    """The cells of the lines of a table, without those of its head."""
    lines = [line.split("│")[1:-1] for line in table.splitlines() if line.startswith("│ ")]
    return [[cell.strip() for cell in line] for line in lines]


@pytest.mark.slow
@needs("sklearn", "torch", "zuko")
def test_digits_trains_loads_and_compares(tmp_path: Path) -> None:
    """Both flows are likelier than what they start from, and the same in both libraries."""
    done = run("digits.py", str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    both = rows(done.stdout)[:2]
    for name, (flow, zuko, seqgap, relative, samples) in zip(("MAF", "NSF"), both, strict=True):
        assert flow == name
        assert -70 < float(zuko) < -40
        assert abs(float(seqgap) - float(zuko)) < 1e-3
        assert float(relative) < 1e-5
        assert float(samples) < 1e-4
    with (tmp_path / "made" / "digits.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    for suffix in ("png", "svg"):
        assert (tmp_path / "made" / f"digits.{suffix}").stat().st_size > 10_000


@needs("sklearn", "torch", "zuko")
def test_digits_without_a_folder_says_how() -> None:
    done = run("digits.py")
    assert (done.returncode, done.stderr) == (1, "usage: python examples/digits.py FOLDER\n")


@pytest.mark.slow
@needs("sklearn", "torch", "diffusers", "torchdiffeq")
def test_diffusion_digits_goes_the_way_of_the_libraries(tmp_path: Path) -> None:
    """From the same noise the states of both libraries are the same to float32, and end at digits."""
    done = run("diffusion_digits.py", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    data, *samplers = rows(done.stdout)
    assert {name for name, *_ in samplers} == {"DDPM", "DDIM", "flow matching"}
    for _, _, mean, apart, *_ in samplers:
        assert abs(float(mean) - float(data[2])) < 1
        assert float(apart) < 1e-3
    with (tmp_path / "new" / "diffusion_digits.csv").open() as file:
        distances = {
            (line["name"], line["library"], line["steps"]): [float(d) for d in line["distances"].split()]
            for line in csv.DictReader(file)
        }
    assert len(distances) == 2 * len(samplers)
    assert max(distances["flow matching", "seqgap", "50"]) < min(distances["flow matching", "seqgap", "3"])
    for suffix in ("png", "svg"):
        assert (tmp_path / "new" / f"diffusion_digits.{suffix}").stat().st_size > 10_000


@needs("sklearn", "torch", "diffusers", "torchdiffeq")
def test_diffusion_digits_without_a_folder_says_how() -> None:
    done = run("diffusion_digits.py")
    assert (done.returncode, done.stderr) == (1, "usage: python examples/diffusion_digits.py FOLDER\n")
