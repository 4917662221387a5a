"""What is published: metadata, dependencies, what an import loads, and the files beside the code."""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import seqgap
from seqgap.bench.model.registry import stems

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in requirements}


def imported() -> Iterator[str]:
    """The packages that some module needs to be imported: those of functions are for what is optional."""
    for path in (p for folder in ("seqgap", "kernels", "bench") for p in (ROOT / folder).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (module.partition(".")[0] for module in modules)


def test_a_plain_install_has_what_is_imported() -> None:
    needed = {*imported()} - sys.stdlib_module_names - {"seqgap", "llvmlite"}  # llvmlite is numba's
    assert needed <= names(PROJECT["dependencies"])
    assert {"click", "pytest", "matplotlib", "rich"} <= names(PROJECT["dependencies"])  # of `seqgap run`


@pytest.mark.parametrize(
    "program", ["import seqgap.kernels", "from seqgap import Flow", "from seqgap.kernels import maf"]
)
def test_the_samplers_load_nothing_of_the_benchmark(fresh_python: Callable[..., str], program: str) -> None:
    heavy = ("click", "matplotlib", "pandas", "psutil", "pytest", "pytest_benchmark", "rich", "seqgap.bench")
    program += f"\nimport sys; print([name for name in {heavy} if name in sys.modules])"
    assert fresh_python(program) == "[]\n"


def test_the_version_is_one() -> None:
    version = PROJECT["version"]
    assert seqgap.__version__ == version
    assert re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", text("CHANGELOG.md"), re.MULTILINE
    )
    assert re.search(rf"^version: {re.escape(version)}$", text("CITATION.cff"), re.MULTILINE)


def test_the_metadata_is_complete() -> None:
    assert {"description", "readme", "license", "authors", "keywords", "classifiers"} <= PROJECT.keys()
    assert not [c for c in PROJECT["classifiers"] if c.startswith("License ::")]  # beside `license` refused
    assert len(PROJECT["description"]) < 120


def test_the_citation_has_what_its_format_requires() -> None:
    keys = {line.split(":")[0] for line in text("CITATION.cff").splitlines() if re.match(r"[a-z-]+:", line)}
    assert {"cff-version", "message", "title", "authors", "license"} <= keys
    assert "cff-version: 1.2.0\n" in text("CITATION.cff")
    assert f"license: {PROJECT['license']}\n" in text("CITATION.cff")
    assert f"  - name: {PROJECT['authors'][0]['name']}\n" in text("CITATION.cff")


def test_the_readme_can_be_shown_elsewhere() -> None:
    """As on PyPI: no file of the repository is linked to or shown."""
    prose = re.sub(r"^```.*?^```", "", text("README.md"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)", prose) + re.findall(r'(?:src|href)="([^"]+)"', prose)
    targets += re.findall(r"^\[[^]]+\]: (\S+)", prose, re.MULTILINE)
    assert [target for target in targets if not re.match("https://|#", target)] == []
    named = set(re.findall(r"`((?:docs|examples)/[\w./-]+|\w+\.md)`", prose))
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert len(text("README.md").split()) <= 900


def test_the_families_of_the_readme_exist() -> None:
    (table,) = re.findall(r"^## The families\n\n(.*?)\n\n", text("README.md"), re.DOTALL | re.MULTILINE)
    named = re.findall(r"`(\w+)`", table)
    assert set(named) <= set(stems("kernels"))
    assert {"ddpm", "ddim", "flow_matching", "langevin", "mixture"} <= set(named)


def test_pre_commit_checks_what_ci_does() -> None:
    (lint,) = re.findall(r"^lint\(\) \{\n(.*?)^\}", text(".ci/run"), re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^ +entry: (.+)$", text(".pre-commit-config.yaml"), re.MULTILINE)
    assert entries == [line.strip() for line in lint.splitlines()]
