"""Explicit Runge-Kutta methods (Hairer, Norsett and Wanner, 1993, section II.1).

rk4 is the classical one, rk4_38 the 3/8 rule, which torchdiffeq calls rk4.
"""

import numpy as np

from seqgap.kernels._nets.chain_plan import EULER, Tableau

# Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980); the last stage is the next first.
DORMAND_PRINCE = Tableau(
    np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1]),
    np.array(
        [
            [0, 0, 0, 0, 0, 0, 0],
            [1 / 5, 0, 0, 0, 0, 0, 0],
            [3 / 40, 9 / 40, 0, 0, 0, 0, 0],
            [44 / 45, -56 / 15, 32 / 9, 0, 0, 0, 0],
            [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0, 0],
            [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0, 0],
            [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
        ]
    ),
    np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0]),
)
# The fifth order less the fourth.
ERROR = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])

METHODS = {
    "euler": EULER,
    "midpoint": Tableau(np.array([0, 0.5]), np.array([[0, 0], [0.5, 0]]), np.array([0.0, 1])),
    "heun": Tableau(np.array([0.0, 1]), np.array([[0.0, 0], [1, 0]]), np.array([0.5, 0.5])),
    "rk4": Tableau(
        np.array([0, 0.5, 0.5, 1]),
        np.array([[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 1, 0]]),
        np.array([1, 2, 2, 1]) / 6,
    ),
    "rk4_38": Tableau(
        np.array([0, 1 / 3, 2 / 3, 1]),
        np.array([[0, 0, 0, 0], [1 / 3, 0, 0, 0], [-1 / 3, 1, 0, 0], [1, -1, 1, 0]]),
        np.array([1, 3, 3, 1]) / 8,
    ),
    "dormand_prince": Tableau(
        DORMAND_PRINCE.nodes[:6], DORMAND_PRINCE.stages[:6, :6], DORMAND_PRINCE.weights[:6]
    ),
}
