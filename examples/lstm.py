"""An LSTM that draws one value after another against a network that draws all of them at once (PyTorch)."""

import torch

from seqgap.bench import pair


def inputs(n: int, dim: int, seed: int) -> tuple[object, ...]:
    """Both models and the noise, for each size once: not timed."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Linear(dim, 64), torch.nn.Tanh(), torch.nn.Linear(64, dim))
    return torch.nn.LSTMCell(1, 64), net, torch.randn(n, dim)


def one_at_a_time(cell: torch.nn.LSTMCell, net: torch.nn.Module, z: torch.Tensor) -> torch.Tensor:
    """Each value is noise plus the first unit of the LSTM, which saw the values before."""
    x, state = [z[:, :1]], None
    for d in range(1, z.shape[1]):
        state = cell(x[-1], state)
        x.append(state[0][:, :1] + z[:, d : d + 1])
    return torch.cat(x, 1)


CASE = pair("lstm", sequential=one_at_a_time, parallel=lambda cell, net, z: net(z), inputs=inputs,
            dims=(16, 64, 256), batches=(1, 256), dtype="float32")  # fmt: skip
