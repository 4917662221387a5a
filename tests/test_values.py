"""Values of options: ranges, lists, durations, suggestions, and what Tab offers."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from command import invoke

from seqgap.bench.cli import cli
from seqgap.bench.cli.values import case_names, numbers, seconds, suggestion, words
from seqgap.bench.model.cell import DTYPES
from seqgap.bench.model.registry import cases

CONTEXT, OPTION = click.Context(cli), click.Option(["--dim"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2..1024", (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)),
        ("3..20", (3, 4, 8, 16, 20)),
        ("1..4", (1, 2, 4)),
        ("7..7", (7,)),
        ("5..6", (5, 6)),
        ("1,4..16,8,100", (1, 4, 8, 16, 100)),
        (" 2, 3", (2, 3)),
    ],
)
def test_ranges_are_powers_of_two_and_both_ends(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(CONTEXT, OPTION, text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a,b", ("a", "b")), (("a,b", "c", "a"), ("a", "b", "c")), ((), None), (None, None)],
)
def test_words_come_with_commas_and_repeated(value: Any, expected: tuple[str, ...] | None) -> None:
    assert words(CONTEXT, OPTION, value) == expected


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("10m", 600), ("1h", 3600), ("1h30m", 5400)])
def test_durations(text: str, expected: int) -> None:
    assert seconds(CONTEXT, OPTION, text) == expected


@pytest.mark.parametrize("text", ["", "10", "m", "1m1h", "-5m", "1.5h", "10 m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a duration"):
        seconds(CONTEXT, OPTION, text)


@pytest.mark.parametrize(
    ("name", "near"),
    [("lin", "linear_ar"), ("mfa", "maf"), ("linear-ar", "linear_ar"), ("x", None), ("", None)],
)
def test_a_near_miss_is_suggested(name: str, near: str | None) -> None:
    assert suggestion(name, ["affine_lu", "linear_ar", "maf"]) == (f"; did you mean {near}?" if near else "")


def offered(*typed: str) -> list[str]:
    """What a shell offers for the last word."""
    *before, incomplete = typed
    completions = ShellComplete(cli, {}, "seqgap", "_SEQGAP_COMPLETE").get_completions(before, incomplete)
    return [item.value for item in completions]


def test_tab_offers_cases_implementations_and_dtypes() -> None:
    assert offered("run", "--case", "") == sorted(cases()) == case_names()
    assert offered("run", "--case", "maf,lin") == ["maf,linear_ar"]
    assert offered("run", "--impl", "python,num") == ["python,numpy", "python,numba"]
    assert "torch-compile" in offered("run", "--impl", "")
    assert offered("run", "--dtype", "") == offered("ladder", "--dtype", "") == list(DTYPES)
    assert offered("run", "--profile", "q") == ["quick"]
    assert offered("compare", "--fail-on", "") == ["slower", "faster"]


def test_tab_offers_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("2026-01-01-120000", "2026-01-02-120000"):
        (tmp_path / "seqgap-results" / name).mkdir(parents=True)
        (tmp_path / "seqgap-results" / name / "environment.json").touch()
    monkeypatch.chdir(tmp_path)
    for command in (["run", "--resume"], ["audit"], ["plot"], ["compare"], ["compare", "latest"]):
        assert offered(*command, "la")[:2] == ["latest", "latest~1"]


def test_cases_come_with_commas_and_repeated() -> None:
    """The operations that a run would measure."""
    together, repeated = (
        invoke("run", "--profile", "smoke", "--dry-run", *chosen)
        for chosen in (["--case", "maf,iaf.forward"], ["--case", "maf", "--case", "iaf.forward"])
    )
    assert together.exit_code == 0, together.output
    assert "maf.inverse" in together.stdout
    assert together.stdout == repeated.stdout
