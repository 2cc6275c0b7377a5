"""Load numba with its first compiled loop; the fork server of `snnlab.training.launch` imports it.

It uses no gradient: torch starts threads for those where there is a GPU, and a fork lacks them.
"""

import torch

from snnlab.nn.neurons import LIF

LIF(tau=2.0)(torch.zeros(1, 1, 1))
