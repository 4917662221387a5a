"""The site of the documentation: what its builder would not see. The build itself is a stage of .ci/run."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import completed
from matplotlib.text import Text

from seqgap.bench.audit.rules import RULES
from seqgap.bench.model.registry import stems

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FAMILIES = stems("kernels")
sys.path.insert(0, str(DOCS / "_ext"))
pictures, docstrings, families = (
    importlib.import_module(name) for name in ("family_pictures", "docstrings", "families")
)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("stem", FAMILIES)
def test_every_family_has_a_picture_that_can_be_read(stem: str) -> None:
    figure = pictures.drawn(stem)
    figure.draw_without_rendering()  # what makes the labels of the axes
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    assert texts
    assert min(text.get_fontsize() for text in texts) >= 9


def test_pictures_have_the_same_bytes_each_time() -> None:
    """One of each rule."""
    for stem in {pictures.rule(stem): stem for stem in FAMILIES}.values():
        assert pictures.png(pictures.drawn(stem)) == pictures.png(pictures.drawn(stem))


@pytest.mark.parametrize("stem", FAMILIES)
def test_every_family_has_a_page_with_its_formula_and_its_functions(stem: str) -> None:
    module = importlib.import_module(f"seqgap.kernels.{stem}")
    assert re.search(r"\S = \S", module.__doc__ or "")
    text = families.page(stem)
    assert text.splitlines()[1] == f"{docstrings.prose(stem)}: {families.title(module)}"
    functions = re.findall(r"autofunction:: (\S+)", text)
    assert set(functions) == {
        f"seqgap.kernels.{stem}.{name}"
        for name, value in families.public(module).items()
        if not isinstance(value, type)
    }
    assert f".. figure:: {stem}.png" in text


def test_fields_have_the_shapes_of_the_source() -> None:
    maf, ddim = (importlib.import_module(f"seqgap.kernels.{stem}") for stem in ("maf", "ddim"))
    assert dict(families.fields(maf.Params))["weight_in"] == "(L, H, D), columns in the layer's order"
    assert [name for name, _ in families.fields(ddim.Params)] == list(ddim.Params._fields)


def test_docstrings_are_text() -> None:
    """What reStructuredText would take for markup is escaped; code and indented blocks are not."""
    lines = ["|x| of W_ and *p in `a_b`.", "", "    x_s = a", "", "After."]
    wanted = [r"\|x\| of W\_ and \*p in ``a_b``.", "", "::", "", "    x_s = a", "", "After."]
    assert docstrings.restructured(lines) == wanted


def test_the_screen_is_one_that_the_command_prints() -> None:
    (screen,) = re.findall(r"```text\n(Sampling one step.*?)```", page("reading.md"), re.DOTALL)
    tree = ast.parse((ROOT / "tests" / "test_verdict.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert screen in texts


def test_the_twelve_rules_are_in_the_order_of_the_audit() -> None:
    numbers = re.findall(r"^\| (\d+) [a-z]", page("method.md"), re.MULTILINE)
    assert [int(number) for number in numbers] == list(range(1, len(RULES) + 1))


def test_the_two_variables_print_facts_and_times() -> None:
    done = completed(sys.executable, str(ROOT / "examples" / "two_variables.py"), cwd=Path.cwd())
    assert (done.returncode, done.stderr) == (0, "")
    names = re.findall(r"^(\w+): (means .*)$", done.stdout, re.MULTILINE)
    assert [name for name, _ in names] == ["autoregressive", "coupling"]
    assert all(facts in page("two_variables.md") for _, facts in names)
    assert len(re.findall(r"^    [\d.]+ ms for 2000 samples", done.stdout, re.MULTILINE)) == 2


@pytest.mark.slow
def test_the_site_builds_and_its_examples_run(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="pip install 'seqgap[docs]'")
    for builder in ("html", "doctest"):
        program = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", builder, "-d", tmp_path / "trees"]
        done = subprocess.run([*program, DOCS, tmp_path / builder], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
