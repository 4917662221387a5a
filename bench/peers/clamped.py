"""Scale and shift of the couplings without a network, clamped."""

from typing import Any

LARGEST_LOG_SCALE = 5


def scale_shift(xp: Any, condition: Any, a_s: Any, b_s: Any, a_t: Any, b_t: Any) -> tuple[Any, Any]:
    """s = clip(a_s c + b_s, -5, 5) and t = a_t c + b_t; xp: numpy, torch or jax.numpy."""
    limits = -LARGEST_LOG_SCALE, LARGEST_LOG_SCALE
    if hasattr(xp, "addcmul"):
        return xp.addcmul(b_s, a_s, condition).clamp_(*limits), xp.addcmul(b_t, a_t, condition)
    return xp.clip(a_s * condition + b_s, *limits), a_t * condition + b_t
