"""Load what a training needs; the fork server of `process_context` imports this module.

A first compiled loop runs. It uses no gradient: torch starts threads for those where there is a
GPU, and a fork lacks them. The garbage collector never looks at what is loaded here, as Python's
`gc.freeze` advises before a fork: a collection in a worker would copy the memory.
"""

import gc
from importlib import import_module

from snnlab._utils.garbage import no_collections

with no_collections():
    import torch

    from snnlab.nn.neurons import LIF

    for name in ("snnlab.delays.experiments", "snnlab.transfer.stages"):
        import_module(name)
    LIF(tau=2.0)(torch.zeros(1, 1, 1))
    gc.freeze()
