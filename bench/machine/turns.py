"""Timing in turns, so that a disturbance does not fall on all the rounds of one piece of work."""

import functools
import time
import timeit
from collections.abc import Hashable, Mapping
from typing import TypeVar

from seqgap.bench.model.case import Thunk

_SHORTEST = 2e-3  # seconds of a round of `calls_in_turns`

Key = TypeVar("Key", bound=Hashable)


def in_turns(
    work: Mapping[Key, Thunk], fewest: int, seconds: float, most: float = float("inf")
) -> dict[Key, list[float]]:
    """The seconds of every round: `fewest` of them, then more for so many seconds, `most` in all.

    Before that each piece of work is done once, which compiles it.
    """
    for thunk in work.values():
        thunk()
    rounds: dict[Key, list[float]] = {key: [] for key in work}
    done, end = 0, time.perf_counter() + seconds
    while done < fewest or (done < most and time.perf_counter() < end):
        for key, thunk in work.items():
            start = time.perf_counter()
            thunk()
            rounds[key].append(time.perf_counter() - start)
        done += 1
    return rounds


def calls_in_turns(calls: Mapping[Key, Thunk], fewest: int, seconds: float = 0.0) -> dict[Key, list[float]]:
    """The seconds of one call in every round, which has as many as take 2 ms; else as `in_turns`."""
    alone = in_turns(calls, 1, 0.0)
    counts = {key: max(1, int(_SHORTEST / max(alone[key][0], 1e-7))) for key in calls}
    repeated = {key: functools.partial(timeit.Timer(call).timeit, counts[key]) for key, call in calls.items()}
    rounds = in_turns(repeated, fewest, seconds)
    return {key: [of_round / counts[key] for of_round in rounds[key]] for key in calls}
