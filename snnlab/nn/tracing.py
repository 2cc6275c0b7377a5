"""Whether a call is recorded for a file, or computed: compiled loops and tables made in advance cannot be recorded."""

import torch


def recorded() -> bool:
    """Whether torch.jit.trace, torch.onnx.export or torch.export records what runs now; under torch.compile it does not."""
    return torch.jit.is_tracing() or torch.compiler.is_exporting()  # type: ignore[attr-defined]
