"""What the cases of chains share: their sizes, and operations whose axis counts steps."""

import functools
from collections.abc import Callable
from typing import Any

from seqgap.bench.model.case import COUNT, Call, Cost, Dtype, Operation, Setup, Thunk, rounding
from seqgap.kernels._nets.chain import Chain

DIM, DEPTH, WIDTH = 16, 3, 32  # of the cases' networks
LENGTHS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)  # steps
_OF_VERBS = ("first_row", "strategy")  # the other options of a call are those of the chain


def options_of(call: Call) -> dict[str, Any]:
    """The options of the chain of a call."""
    return {key: value for key, value in call.kwargs.items() if key not in _OF_VERBS}


def held(verb: str) -> Callable[..., Setup]:
    """A verb of a `Chain`, which is made in the set-up as the models of the peers are."""

    def compiled(**options: Any) -> Setup:
        def setup(call: Call, size: int, dtype: Dtype) -> Thunk:
            first, params, seed = call.args
            method = getattr(Chain(params, **options_of(call)), verb)
            known = {key: value for key, value in call.kwargs.items() if key in _OF_VERBS}
            return lambda: method(first, seed, **known, **options)

        return setup

    return compiled


operation = functools.partial(
    Operation, tolerance=rounding(lambda steps: 100 * steps + 500), axis="steps", sizes=LENGTHS
)


def with_strategy(strategy: str, inputs: Callable[..., Call]) -> Callable[..., Call]:
    """The calls of `inputs` with another strategy."""

    def call(*size: Any) -> Call:
        known = inputs(*size)
        return Call(known.args, {**known.kwargs, "strategy": strategy})

    return call


def random_params() -> Operation:
    """That of every family, for D of the cases."""
    return operation(
        "random_params", lambda steps, count, dtype, seed: Call((DIM, seed), {"dtype": dtype}),
        lambda steps: Cost(), timed=False,
    )  # fmt: skip


def sample(inputs: Callable[..., Call]) -> Operation:
    """`sample` of what no peer has: verified, not timed."""
    return _verified("sample", inputs, rows=(COUNT, None, None))


def trajectory(inputs: Callable[..., Call]) -> Operation:
    """`trajectory`: verified, not timed."""
    return _verified("trajectory", inputs, rows=(0, None, None), output_axis=1)


def _verified(name: str, inputs: Callable[..., Call], **more: Any) -> Operation:
    return operation(name, inputs, lambda steps: Cost(), timed=False, largest_dim=10, **more)
