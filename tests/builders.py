"""Flows by the constructors of sbi, lampe, glasflow, nessai and pocomc, for the tests of the loaders."""

import functools
import importlib
import warnings
from typing import Any

import numpy as np

from seqgap.kernels.normal import standard_normal

MODELS = ("maf", "maf_rqs", "nsf", "zuko_maf", "zuko_nsf", "zuko_nice")


@functools.cache
def sbi_libraries() -> tuple[Any, Any]:
    """torch, and the networks of sbi."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they themselves use is their own affair
        import torch
        from sbi import neural_nets
    torch.set_num_threads(1)
    return torch, neural_nets


def data(dim: int, columns: int) -> tuple[Any, Any]:
    """Parameters and observations that are neither centred nor of one scale."""
    torch, _ = sbi_libraries()
    theta = 3 + 2 * standard_normal(200, dim, 1, dtype=np.float32)
    x = 0.5 * standard_normal(200, columns, 2, dtype=np.float32) - 1
    return torch.from_numpy(theta), torch.from_numpy(x)


def built_estimator(model: str, dim: int, columns: int, embedded: bool = False, **options: Any) -> Any:
    """Of sbi's builder, as it starts."""
    torch, nets = sbi_libraries()
    torch.manual_seed(0)
    if embedded:
        options["embedding_net"] = torch.nn.Sequential(torch.nn.Linear(columns, 4), torch.nn.Tanh())
    return nets.posterior_nn(model, **options)(*data(dim, columns)).eval()


def estimator(model: str, dim: int, columns: int, embedded: bool = False, **options: Any) -> Any:
    """Of sbi's builder, weights moved away from where they start."""
    return jittered(built_estimator(model, dim, columns, embedded, **options))


def jittered(flow: Any) -> Any:
    """Parameters moved, less where a layer has more inputs."""
    torch, _ = sbi_libraries()
    with torch.no_grad():
        for parameter in flow.parameters():
            width = parameter.shape[-1] if parameter.ndim else 1
            parameter.add_(0.3 * torch.randn_like(parameter) / max(1, width) ** 0.5)
    return flow


def doubled(net: Any, dim: int) -> Any:
    """A flow in float64, the constant of the base of nflows too, which was rounded to float32."""
    torch, _ = sbi_libraries()
    if hasattr(net.double().train().eval(), "_distribution"):  # training empties caches of weights
        net._distribution._log_z = torch.tensor(dim / 2 * np.log(2 * np.pi), dtype=torch.float64)
    return net


def flow_of(library: str, name: str, dim: int, **options: Any) -> Any:
    """Of the module and class `name` of glasflow or nessai, and of pocomc by its own name."""
    sbi_libraries()[0].manual_seed(dim)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they themselves use is their own affair
        if library == "pocomc":
            return importlib.import_module(library).Flow(dim, name).flow
        sizes = (2 * dim, 4, 2) if library == "nessai" else (3,)
        module, cls = f"{library}.flows.{name}".rsplit(".", 1)
        return getattr(importlib.import_module(module), cls)(dim, *sizes, **options)
