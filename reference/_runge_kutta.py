"""Explicit Runge-Kutta methods: (node, stages) of each stage, and the weights."""

from seqgap.reference._plain import Matrix, Vector

METHODS: dict[str, tuple[Vector, Matrix, Vector]] = {
    "euler": ([0], [[]], [1]),
    "midpoint": ([0, 0.5], [[], [0.5]], [0, 1]),
    "heun": ([0, 1], [[], [1]], [0.5, 0.5]),
    "rk4": ([0, 0.5, 0.5, 1], [[], [0.5], [0, 0.5], [0, 0, 1]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    "rk4_38": ([0, 1 / 3, 2 / 3, 1], [[], [1 / 3], [-1 / 3, 1], [1, -1, 1]], [1 / 8, 3 / 8, 3 / 8, 1 / 8]),
    "dopri5": (
        [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
        [
            [],
            [1 / 5],
            [3 / 40, 9 / 40],
            [44 / 45, -56 / 15, 32 / 9],
            [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
            [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
            [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
        ],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
    ),
}
_NODES, _STAGES, _WEIGHTS = METHODS["dopri5"]
METHODS["dormand_prince"] = _NODES[:6], _STAGES[:6], _WEIGHTS[:6]  # in steps of one size
# Dormand and Prince's fifth order less their fourth, which tells the error of a step.
ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40]
