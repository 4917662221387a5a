"""The folder of results: `latest`, `latest~1`, and what git sees of it."""

from pathlib import Path

import pytest
from command import invoke
from synthetic import write_run

from seqgap.bench.cli.folders import enlist, new_folder, result_folder
from seqgap.bench.plan.options import Options
from seqgap.bench.report import plots
from seqgap.bench.results.folder import ENVIRONMENT

RESULTS = Path("seqgap-results")
ONE = Options(case=("linear_ar",), impl=("numpy", "numba"), dim=(2, 8), batch=(1,), map=(), processes=2)
DATED = ["2026-01-01-120000", "2026-01-01-120000-2", "2026-01-01-120000-10", "2026-02-01-000000"]


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dated(*names: str) -> None:
    for name in names:
        (RESULTS / name).mkdir(parents=True)
        (RESULTS / name / ENVIRONMENT).touch()


def test_the_newest_comes_first() -> None:
    dated(*DATED, "mine")
    (RESULTS / "2027-01-01-120000").mkdir()  # of a run that was never begun
    assert [result_folder(name).name for name in ("latest", "latest~0")] == [DATED[-1]] * 2
    assert [result_folder(f"latest~{back}").name for back in (1, 2, 3)] == DATED[2::-1]
    with pytest.raises(ValueError, match="latest~4: there are 4 runs in seqgap-results"):
        result_folder("latest~4")


def test_a_folder_of_that_name_comes_before() -> None:
    dated(*DATED)
    Path("latest").mkdir()
    (Path("latest") / ENVIRONMENT).touch()
    assert result_folder("latest") == Path("latest")


def test_what_is_no_run_is_told_where_one_is() -> None:
    with pytest.raises(ValueError, match="there is no run in seqgap-results"):
        result_folder("latest")
    with pytest.raises(ValueError, match="x: no such folder; there is no run"):
        result_folder("x")
    dated(*DATED)
    with pytest.raises(ValueError, match=f"not a result folder; the newest is {RESULTS / DATED[-1]}"):
        result_folder(RESULTS)


def test_git_ignores_results_and_latest_leads_to_the_newest() -> None:
    for _ in range(2):
        folder = new_folder()
        dated(folder.name)
        enlist(folder)
        assert (RESULTS / "latest").readlink() == Path(folder.name)
        assert (RESULTS / "latest" / ENVIRONMENT).exists()
    assert (RESULTS / ".gitignore").read_text() == "*\n"
    assert sorted(path.name for path in RESULTS.iterdir())[:1] == [".gitignore"]
    assert len(list(RESULTS.iterdir())) == 4


def test_without_links_latest_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(Path, "symlink_to", impossible)
    dated(DATED[0])
    enlist(RESULTS / DATED[0])
    assert (RESULTS / "latest").read_text() == f"{DATED[0]}\n"
    assert result_folder("latest") == RESULTS / DATED[0]


@pytest.mark.parametrize("folder", [Path("elsewhere"), RESULTS / "mine"])
def test_a_folder_of_ones_own_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    enlist(folder)
    assert [*folder.parent.iterdir()] == [folder]


def test_a_real_folder_called_latest_is_left_alone() -> None:
    dated(DATED[0])
    (RESULTS / "latest").mkdir()
    enlist(RESULTS / DATED[0])
    assert (RESULTS / "latest").is_dir()
    assert not (RESULTS / "latest").is_symlink()
    assert not list(RESULTS.glob(".latest*"))


def test_commands_take_the_newest_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (write_run(RESULTS / name, ONE, processes=5, seed=k) for k, name in enumerate(DATED[:2]))
    assert invoke("compare").stdout == invoke("compare", old, new).stdout
    assert invoke("compare", "latest~1").stdout == invoke("compare", old, new).stdout
    assert invoke("audit").stdout == invoke("audit", new).stdout != invoke("audit", "latest~1").stdout
    monkeypatch.setattr(plots, "draw", lambda runs, target: [run.path for run in runs])
    assert invoke("plot").stdout == f"{new}\n"
    assert invoke("plot", "latest", "latest~1").stdout == f"{new}\n{old}\n"
