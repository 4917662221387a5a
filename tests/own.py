"""Samplers from outside: files of cases, as users write them."""

from pathlib import Path

from seqgap.bench.model import outside
from seqgap.bench.model.cell import Cell

HEAD = "import numpy as np\nfrom seqgap.bench import pair\n"
ZEROS = "def zeros(n, dim, seed): return np.zeros((n, dim))\n"
SOUND = f"{HEAD}{ZEROS}CASE = pair('mine', sequential=zeros, parallel=zeros, dims=(4, 2), batches=(3,))\n"


def write_case(folder: Path, text: str = SOUND, name: str = "mine.py") -> Path:
    """A file with this text."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def use(*paths: Path) -> None:
    """Have the cases of these files, and no others from outside."""
    outside.use(map(outside.from_file, paths))


def own_cell(operation: str = "sequential", impl: str = "own", dim: int = 4, batch: int = 3) -> Cell:
    """A cell of the case `mine`."""
    return Cell("own-mine", operation, impl, "float64", dim, batch, 1)
