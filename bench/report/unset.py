"""matplotlib, imported without the settings of its user: some of them end the import.

`MPLBACKEND` may name a backend that is not installed here, as notebooks set it, and a `matplotlibrc` may be
no text. No picture needs either. Who imports matplotlib in this process later has its defaults.
"""

import contextlib
import os
from pathlib import Path

from seqgap.bench.model.arrays import variables

with contextlib.ExitStack() as _stack:
    _stack.enter_context(variables(MPLBACKEND=None, MATPLOTLIBRC=os.devnull))
    with contextlib.suppress(OSError):  # of a working folder that has been deleted
        _stack.enter_context(contextlib.chdir(Path(__file__).anchor))  # a matplotlibrc there comes first
    import matplotlib as matplotlib
