"""The keyword `rng` of whatever draws, as SPEC 7 has it."""

from typing import Any

import numpy as np
import pytest

from seqgap import Flow
from seqgap.bench.model.case import Case, Operation
from seqgap.kernels import maf


def bits(result: Any) -> list[bytes]:
    """Of an array, or of all fields of Params."""
    if isinstance(result, tuple):
        return [piece for value in result for piece in bits(value)]
    return [np.asarray(result).tobytes()]


def key_of(generator: np.random.Generator) -> int:
    return int(generator.integers(0, 2**64, dtype=np.uint64))


def numbers(params: Any) -> bool:
    """Whether there are floats in parameters, or in those of their levels."""
    return any(numbers(v) if isinstance(v, tuple) else getattr(v, "dtype", "") == np.float64 for v in params)


@pytest.mark.dims(5)
def test_rng(case: Case, seeded_operation: Operation, dim: int) -> None:
    made = seeded_operation.inputs(dim, 4, np.dtype(np.float64), 1)
    *args, _ = made.args  # the seed comes last

    def draw(*seed: Any, **rng: Any) -> list[bytes]:
        return bits(case.kernel(seeded_operation.name)(*args, *seed, **made.kwargs, **rng))

    if seeded_operation.name == "random_params" and not numbers(case.kernel("random_params")(*args, 5)):
        pytest.skip("nothing in these parameters is a number to draw")
    generator, twin = np.random.default_rng(5), np.random.default_rng(5)
    first, key = draw(rng=generator), key_of(twin)
    assert first == draw(key) != draw(5)
    assert generator.bit_generator.state == twin.bit_generator.state  # one draw
    assert draw(rng=generator) != first
    for source in (5, np.uint8(5), np.random.SeedSequence(5), np.random.PCG64(5), np.random.default_rng(5)):
        assert draw(rng=source) == first
    assert draw() != draw(rng=None)  # fresh entropy
    with pytest.raises(TypeError, match=r"^seed, rng: expected one of them, got both$"):
        draw(1, rng=generator)
    with pytest.raises(TypeError, match=r"^seed: expected an integer, got Generator\(.*; pass it as rng=$"):
        draw(generator)
    for wrong in ("5", 5.0, True, [5], np.random.RandomState(5), np.random):
        with pytest.raises(
            TypeError, match=f"^rng: expected None, an integer, .*, got {type(wrong).__name__}"
        ):
            draw(rng=wrong)
    with pytest.raises(ValueError, match=r"^rng: expected an integer from 0 on, got int -1$"):
        draw(rng=-1)


def test_rng_of_a_flow() -> None:
    flow = Flow(maf.random_params(5, 1, width=8))
    generator = np.random.default_rng(5)
    samples = [flow.sample(3, rng=generator).tobytes() for _ in range(2)]
    twin = np.random.default_rng(5)
    assert samples == [flow.sample(3, key_of(twin)).tobytes() for _ in range(2)]
    assert flow.sample(3).tobytes() != flow.sample(3).tobytes()
    with pytest.raises(TypeError, match=r"^seed, rng: expected one of them, got both$"):
        flow.sample(3, 1, rng=generator)
