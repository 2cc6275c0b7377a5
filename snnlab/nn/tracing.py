"""Tell whether torch records a call, or replaces its tensors.

Compiled loops and cached tables cannot be recorded, and loops read plain tensors only.
"""

import torch
from torch import Tensor, nn


def recorded() -> bool:
    """Return whether torch.jit.trace, torch.onnx.export or torch.export records the call.

    torch.compile does not count.
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_exporting()


def is_plain_on_cpu(x: Tensor) -> bool:
    """Return whether compiled loops can read a tensor.

    It lies on the CPU, is not of a class of its own, such as torch's fake tensors, and torch
    neither compiles nor records the call.
    """
    plain = type(x) in (Tensor, nn.Parameter) and x.device.type == "cpu"
    return plain and not (torch.compiler.is_compiling() or recorded())
