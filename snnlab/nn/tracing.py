"""Tell whether torch records a call: compiled loops and cached tables cannot be recorded."""

import torch


def recorded() -> bool:
    """Return whether torch.jit.trace, torch.onnx.export or torch.export records the call.

    torch.compile does not count.
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return tracing or torch.compiler.is_exporting()
