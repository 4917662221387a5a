"""One page a family, written from its module before the site is read; families are found, never listed."""

import ast
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from docstrings import prose, restructured
from family_pictures import drawn, png, rule

from seqgap.bench.model.case import Case
from seqgap.bench.model.registry import cases, stems

_EXTENSIONS = Path(__file__).parent
_REFERENCES = _EXTENSIONS.parents[1] / "reference"
_SIZE = 64  # what costs are told at, or the nearest that an operation takes
_HEADINGS = {  # by the rule of the picture
    "plane": "Flows", "series": "Flows", "images": "Flows over images", "chains": "Steps in time",
    "tokens": "Distributions", "bits": "Distributions", "density": "Distributions",
    "normals": "Tools", "neighbourhoods": "Tools",
}  # fmt: skip


def title(module: ModuleType) -> str:
    """How its docstring calls a family."""
    summary = " ".join((module.__doc__ or "").split("\n\n")[0].split())
    return re.split(r"[:,(;.]", summary)[0].strip()


@functools.cache
def public(module: ModuleType) -> dict[str, Any]:
    """What a user takes from a family: what it defines, the methods of its Family, `import x as x`."""
    again = set(re.findall(r"import (\w+) as \1$", inspect.getsource(module), re.MULTILINE))
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isroutine(value) or inspect.isclass(value))
        and (inspect.ismethod(value) or value.__module__ == module.__name__ or name in again)
    }


def _owners(kind: type) -> list[str]:
    """The families that export a class."""
    modules = (importlib.import_module(f"seqgap.kernels.{stem}") for stem in stems("kernels"))
    return [module.__name__ for module in modules if kind in public(module).values()]


def fields(kind: type) -> list[tuple[str, str]]:
    """Name and shape of each field of a Params, which its source has as comments."""
    owner = next(base for base in kind.__mro__ if vars(base).get("__annotations__"))
    source = textwrap.dedent(inspect.getsource(owner))
    lines = source.splitlines()
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    found = []
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            comment = lines[(node.end_lineno or node.lineno) - 1].partition("  # ")[2]
            default = f", {ast.unparse(node.value)} if not given" if node.value else ""
            found.append((node.target.id, (comment or ast.unparse(node.annotation)) + default))
    return found


def _heading(text: str, mark: str) -> list[str]:
    return ["", text, mark * len(text), ""]


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> list[str]:
    result = [".. list-table::", "   :header-rows: 1", ""]
    for line in (head, *lines):
        result += [f"   {'*' if k == 0 else ' '} - {cell}" for k, cell in enumerate(line)]
    return [*result, ""]


def _class(module: ModuleType, name: str, kind: type) -> Iterator[str]:
    if kind.__module__ != module.__name__ and len(_owners(kind)) > 1:
        yield from ("", f"``{name}``: see the :py:class:`API <{kind.__module__}.{name}>`.", "")
        return
    yield f".. autoclass:: {module.__name__}.{name}"
    if issubclass(kind, tuple):
        yield from ("   :no-members:", "   :exclude-members: __init__, __new__", "")
        yield from _table(("field", "what it holds"), [(f"``{f}``", prose(what)) for f, what in fields(kind)])
    else:
        yield from ("   :members:", "")


def costs(case: Case) -> list[tuple[str, ...]]:
    """What the timed operations of a case take for one sample."""
    lines = []
    for operation in (operation for operation in case.operations if operation.timed):
        (size,) = operation.near([_SIZE])
        cost = operation.cost(size)
        names = " ".join(name for name in operation.implementation_names if "numba-" not in name)
        figures = (f"{operation.axis} = {size}", f"{cost.depth:,.0f}", f"{cost.flops:,.0f}", names)
        lines.append((f"``{operation.name}``", *figures))
    return lines


def page(stem: str) -> str:
    """The text of the page of a family, as reStructuredText."""
    module = importlib.import_module(f"seqgap.kernels.{stem}")
    text = inspect.getdoc(module) or ""
    lines = _heading(prose(f"{stem}: {title(module)}"), "=")
    lines += [f".. currentmodule:: {module.__name__}", "", *restructured(text.splitlines()), ""]
    lines += [*_figure(stem), *_members(module), *_heading("Costs", "-")]
    lines += ["What one sample takes at least, and the implementations that are timed:", ""]
    head = ("operation", "size", "dependent steps", "floating-point operations", "implementations")
    return "\n".join([*lines, *_table(head, costs(cases()[stem]))])


def _figure(stem: str) -> list[str]:
    caption = inspect.getdoc(rule(stem)) or ""
    return [f".. figure:: {stem}.png", "   :alt: " + caption.replace("`", ""), "", f"   {prose(caption)}", ""]


def _members(module: ModuleType) -> Iterator[str]:
    """Classes, Params first, and functions."""
    members = public(module)
    classes = [name for name, value in members.items() if inspect.isclass(value)]
    if classes:
        yield from _heading("Parameters", "-")
    for name in sorted(classes, key=lambda name: (name != "Params", name)):
        yield from _class(module, name, members[name])
    yield from _heading("Functions", "-")
    for name in sorted(members.keys() - set(classes)):
        yield from (f".. autofunction:: {module.__name__}.{name}", "")


def index() -> str:
    """The page of all families, by what their pictures show."""
    groups: dict[str, list[str]] = {heading: [] for heading in dict.fromkeys(_HEADINGS.values())}
    for stem in stems("kernels"):
        groups[_HEADINGS[rule(stem).__name__]].append(stem)
    lines = _heading("Families", "=")
    lines += ["A module of ``seqgap.kernels`` each, with a twin in plain Python in ``seqgap.reference``. The"]
    lines += ["pictures are drawn from these references.", ""]
    for heading, members in groups.items():
        lines += _heading(heading, "-")
        lines += [".. toctree::", "   :maxdepth: 1", "", *(f"   {stem}" for stem in members), ""]
    return "\n".join(lines)


def write(folder: Path) -> None:
    """The page of every family, what lists them, and pictures that are older than what they are made of."""
    folder.mkdir(exist_ok=True)
    _update(folder / "index.rst", index())
    changed = max(path.stat().st_mtime for path in (*_EXTENSIONS.glob("*.py"), *_REFERENCES.glob("*.py")))
    for stem in stems("kernels"):
        _update(folder / f"{stem}.rst", page(stem))
        picture = folder / f"{stem}.png"
        if not picture.exists() or picture.stat().st_mtime < changed:
            picture.write_bytes(png(drawn(stem)))


def _update(path: Path, content: str) -> None:
    """Write a page that is another one than it was: Sphinx reads again what is newer."""
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        path.write_text(content, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx call it before it looks for pages."""
    app.connect("config-inited", lambda app, config: write(Path(app.srcdir) / "families"))
    return {"parallel_read_safe": True}
