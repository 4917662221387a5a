"""Threads beside those of the user: forks after parallel code of their own, and the interpreter's end."""

from collections.abc import Callable

import pytest

from seqgap.kernels._core.jit import threads_available

pytestmark = pytest.mark.skipif(threads_available() < 2, reason="this machine gives Numba one thread")

SETUP = """
import atexit, os, sys, threading, time
import numba
import numpy as np
from seqgap.kernels import linear_ar, maf

light, heavy = linear_ar.random_params(64, 1), maf.random_params(4, 1, width=8)
z, x = np.ones((8192, 64)), np.ones((32768, 4))

def work(threads):
    x_light, _ = linear_ar.forward(z, light, threads=threads)
    return x_light.tobytes() + maf.log_prob(x, heavy, threads=threads).tobytes()

serial = work(1)

def report():
    print(work(2) == serial, flush=True)
"""

FORK = """
@numba.njit(parallel=True)
def mine(values):
    for i in numba.prange(values.size):
        values[i] += 1

mine(np.ones(1000))
child = os.fork()
if not child:
    report()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

AT_EXIT = "atexit.register(report)"

THREAD = """
def late():
    threading.main_thread().join()
    time.sleep(0.2)  # until the executors have been shut down
    report()

threading.Thread(target=late).start()
"""

AFTER_A_CALL = "work(2)\n"


@pytest.mark.parametrize(
    ("code", "printed"),
    [
        (FORK, "True\n0\n"),
        (AFTER_A_CALL + FORK, "True\n0\n"),
        (AT_EXIT, "True\n"),
        (AFTER_A_CALL + AT_EXIT, "True\n"),
        (THREAD, "True\n"),
        (AFTER_A_CALL + THREAD, "True\n"),
    ],
    ids=["fork", "call, fork", "exit", "call, exit", "thread", "call, thread"],
)
def test_threads_of_kernels_never_fail(fresh_python: Callable[..., str], code: str, printed: str) -> None:
    assert fresh_python(SETUP + code) == printed
