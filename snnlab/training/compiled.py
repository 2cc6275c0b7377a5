"""Training steps through `torch.compile`, behind one switch that falls back: `Recipe.compile`.

torch captures the forward of the network as one graph, and with it the backward pass; losses,
optimisers and evaluations stay outside. On a GPU both graphs run as CUDA graphs, unless
`Recipe.accumulate` is above 1: a CUDA graph overwrites the gradients of the part before. Where the
network cannot be captured or compiled, there is one warning, and training goes on without. What
fails later, when inputs of that shape have passed twice, is an error as without the switch.

- Losses agree to rounding. With dropout they differ, because other random numbers are drawn.
- Each number of time steps has a graph of its own, up to torch's limit of eight. A `DelayNet` with
  the padding "fixed", whose scores do not depend on empty steps, gets empty steps until T plus the
  tail is a multiple of 32. The first batch size has its own graph; a second one serves all others.
- The switch is for GPUs. On a CPU the compiler takes about a minute, and steps are not faster:
  SpikingJelly's loop over time replaces that of `snnlab.nn.lif_scan`.
- The engine "dcls", and networks whose path depends on the data, cannot be captured.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError
from snnlab.nn import fft_convolution
from snnlab.nn.any_network import reset_states
from snnlab.nn.delay_net import DelayNet
from snnlab.training.distributed import rank_and_world_size
from snnlab.training.recipe import Recipe

Result = TypeVar("Result")
STEPS_AT_A_TIME = 32  # few numbers of time steps: each has a graph of its own
RunStep = Callable[[Callable[[], Result], Tensor], Result]  # runs a step on an input


@contextmanager
def compiled_steps(model: nn.Module, recipe: Recipe, device: torch.device) -> Iterator[Any]:
    """Yield what runs training steps, through `torch.compile` where the recipe says so.

    Args:
        model: the network, on its device.
        recipe: how to train.
        device: the device.

    Raises:
        SnnlabError: several processes train the network together.

    Example:
        >>> from snnlab.delays.recipe import DelayRecipe
        >>> net, x = nn.Linear(2, 3), torch.rand(4, 1, 2)
        >>> with compiled_steps(net, DelayRecipe(compile=False), torch.device("cpu")) as run_step:
        ...     run_step(lambda: net(x).shape, x)
        torch.Size([4, 1, 3])
    """
    if not recipe.compile:
        yield _run
        return
    _, world_size = rank_and_world_size()
    if world_size > 1:
        raise SnnlabError(
            f"compile = True with {world_size} processes that train one network: their batch norm "
            "waits for one another in the middle of a graph; leave compile out, or start one "
            "process."
        )
    # torch cannot capture how numpy makes the tables of the spectral convolution
    torch.compiler.assume_constant_result(fft_convolution.constant_tables)  # type: ignore[no-untyped-call]
    graphs = device.type == "cuda" and recipe.accumulate == 1
    try:
        yield _CompiledSteps(model, device, graphs=graphs)
    finally:
        torch.compiler.reset()  # the next network may have as many graphs as this one


def _run(step: Callable[[], Result], x: Tensor) -> Result:
    return step()


class _CompiledSteps:
    """Run steps in which the network's forward is compiled; after a failure, as they are."""

    # A CUDA graph is recorded at the second call
    CALLS_THAT_MAY_FAIL = 2

    def __init__(self, model: nn.Module, device: torch.device, *, graphs: bool) -> None:
        self.model, self.device, self.graphs = model, device, graphs
        mode = "reduce-overhead" if graphs else "default"
        self.compiled: Any = torch.compile(model.forward, fullgraph=True, mode=mode)
        self.calls: Counter[torch.Size] = Counter()

    def __call__(self, step: Callable[[], Result], x: Tensor) -> Result:
        """Run a step on an input."""
        if self.compiled is None:
            return step()
        before = self._state() if self.calls[x.shape] < self.CALLS_THAT_MAY_FAIL else None
        self.calls[x.shape] += 1
        try:
            with self._in_use():
                return step()
        except Exception as error:  # torch raises what it likes
            if before is None:
                raise
            self.compiled = None
            self._restore(before)
            result = step()  # raises what is not the compiler's fault
            cause = " ".join(str(error).split("\n\n")[0].split())
            warnings.warn(
                f"compile = True: torch.compile failed for {type(self.model).__name__} on "
                f"{self.device.type}, so training goes on without it, with the same results and "
                f"the speed of compile = False. The cause: {type(error).__name__}: {cause[:300]}",
                stacklevel=2,
            )
            return result

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Have calls of the network go through the compiled forward; hooks stay outside of it."""
        # For no longer than a step: copies of the network and checkpoints know nothing of it
        own = vars(self.model).get("forward")
        self.model.forward = self._forward
        try:
            yield
        finally:
            if own is None:
                del self.model.forward
            else:
                self.model.forward = own

    def _forward(self, x: Tensor) -> Any:
        if isinstance(self.model, DelayNet) and self.model.config.padding == "fixed":
            x = F.pad(x, (0, 0, 0, 0, 0, -(len(x) + self.model.tail) % STEPS_AT_A_TIME))
        torch._dynamo.mark_static(x, 0)
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        return self.compiled(x)

    def _state(self) -> tuple[list[Tensor], list[Tensor]]:
        """Return what a step changes before the optimiser: buffers, and the random state."""
        random = [torch.get_rng_state()]
        if self.device.type == "cuda":
            random.append(torch.cuda.get_rng_state(self.device))
        return [buffer.clone() for buffer in self.model.buffers()], random

    def _restore(self, state: tuple[list[Tensor], list[Tensor]]) -> None:
        buffers, (random, *random_gpu) = state
        reset_states(self.model)
        for buffer, value in zip(self.model.buffers(), buffers, strict=True):
            buffer.copy_(value)
        torch.set_rng_state(random)
        for generator in random_gpu:
            torch.cuda.set_rng_state(generator, self.device)
