"""For child processes of the tests."""

import sys

# Before the command and its arguments: shells have what they run in the background ignore Ctrl-C.
HEED_CTRL_C = [
    sys.executable,
    "-c",
    "import os, sys\nfrom signal import *\nsignal(SIGINT, SIG_DFL)\nos.execv(sys.argv[1], sys.argv[1:])",
]
