"""What a layer with delays holds: weights, delays, and the width of their Gaussians."""

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

import torch
from spikingjelly.activation_based import base
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known, whole_number
from snnlab._utils.memory import memory_errors
from snnlab.nn.delay_kernels import SIGMA_FLOOR
from snnlab.nn.delay_kinds import DelayLayout, Stage
from snnlab.nn.delay_net_config import Kind, check_bits
from snnlab.nn.network_config import LONGEST
from snnlab.nn.quantisers import quantised_weight, whole_delay

Engine = Literal["auto", "dense", "spectral", "dcls"]

FINAL_SIGMA = 0.5  # where the paper's annealing ends
ROUNDED = "rounded"  # an entry in the `state_dict` of a discrete layer, and of no other


def without_rounded(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a `state_dict` without the entries that say that delays are rounded."""
    return {name: value for name, value in state.items() if name.rpartition(".")[2] != ROUNDED}


class DelayParameters(base.MemoryModule):  # type: ignore[misc]
    """Weights and delays of `DelayLinear`, which describes the arguments."""

    mask: Tensor  # (N_out, N_in, 1), only where n_connections is given: which synapses exist
    pruned: Tensor | None  # (N_out, N_in, K) of bool: the weights that stay 0 in training
    # In `step`: its stages, each with what it has still to give out, `(L, B, M)`
    arriving: list[tuple[Stage, Tensor | None]] | None

    @memory_errors("building a network", "a smaller one")
    def __init__(
        self,
        in_features: int,
        out_features: int,
        max_delay: int,
        kernel_count: int = 1,
        *,
        kind: Kind = "synaptic",
        n_connections: int | None = None,
        weight_bits: int | None = None,
        delay_bits: int | None = None,
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        self.in_features = whole_number("in_features", in_features, 1)
        self.out_features = whole_number("out_features", out_features, 1)
        self.max_delay = whole_number("max_delay", max_delay, 0, LONGEST)
        self.kernel_count = whole_number("kernel_count", kernel_count, 1)
        self.n_connections = (
            None
            if n_connections is None
            else whole_number("n_connections", n_connections, 1, self.in_features)
        )
        known(kind, get_args(Kind), "kind")
        self.kind: Kind = kind
        known(engine, get_args(Engine), "engine")
        self.engine: Engine = engine
        self.weight_bits, self.delay_bits = check_bits(weight_bits, delay_bits)
        # Whether each synapse is exactly one tap (`round_delays`) instead of a Gaussian
        self.discrete = False
        # Whether the forward pass of training sees whole delays, with the gradient of the Gaussians
        self.straight_through = False
        shape = (self.out_features, self.in_features, self.kernel_count)
        self.layout = DelayLayout(kind, *shape, self.max_delay)
        bound = math.sqrt(6 / ((self.n_connections or self.in_features) * self.kernel_count))
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        delay = torch.empty(self.layout.shape).uniform_(0, 1)
        for part, limit in zip(self.layout.parts(delay), self.layout.limits, strict=True):
            part.mul_(limit)
        self.P = nn.Parameter(self._centre - delay[None])
        self.SIG = nn.Parameter(torch.zeros_like(self.P), requires_grad=False)
        self.sigma = max(self.taps // 2 + SIGMA_FLOOR, FINAL_SIGMA)
        if self.n_connections is not None:
            mask = torch.rand(shape[:2]).argsort(1) < self.n_connections
            self.register_buffer("mask", mask[..., None])
        # Not in the `state_dict`: `prune` finds it again, as pruned weights are the smallest ones
        self.register_buffer("pruned", None, persistent=False)
        self.register_memory("arriving", None)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.discrete:
            destination[prefix + ROUNDED] = torch.ones((), dtype=torch.bool, device=self.P.device)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        rest = {name: value for name, value in state_dict.items() if name != prefix + ROUNDED}
        positions, errors = rest.get(prefix + "P"), args[-1]
        rounded = prefix + ROUNDED in state_dict
        fits = getattr(positions, "shape", None) == self.P.shape
        readable = positions is not None and fits and not positions.is_meta
        if rounded and readable and (expected := self.expected_delays(state_dict, prefix)):
            errors.append(
                f"{prefix}{ROUNDED} says that its delays are rounded, but they are not {expected}, "
                "or it is not True"
            )
            return
        before = len(errors)
        super()._load_from_state_dict(rest, prefix, *args)
        if positions is not None and len(errors) == before:  # None with strict=False
            self.discrete = rounded

    def expected_delays(self, state: Mapping[str, Any], prefix: str) -> str:
        """Say which delays a `state_dict` should have under a prefix; "" if it has such."""
        if prefix + ROUNDED not in state:
            fit = self.holds(state[prefix + "P"])
            return "" if fit else f"numbers from 0 to {self.max_delay}"
        delay = self._centre - state[prefix + "P"][0]
        marked = torch.as_tensor(state[prefix + ROUNDED]).all()
        if marked and torch.equal(delay, self._rounded(delay)):
            return ""
        few = f" on the grid of delay_bits = {self.delay_bits}" if self.delay_bits else ""
        return f"whole numbers from 0 to {self.max_delay}{few}"

    def holds(self, positions: Tensor) -> bool:
        """Return whether these values of `P` are delays in their range."""
        return torch.equal(positions, self._clamp(positions.clone()))

    def _clamp(self, positions: Tensor) -> Tensor:
        """Clamp values of `P` to delays in their range, in place."""
        for part, limit in zip(self.layout.parts(positions[0]), self.layout.limits, strict=True):
            part.clamp_(self._centre - limit, self._centre)
        return positions

    @property
    def taps(self) -> int:
        """L, the number of taps of a kernel."""
        return self.max_delay + 1

    @property
    def _centre(self) -> int:
        return (self.taps - 1) // 2

    @property
    def connections(self) -> Tensor:
        """Which weights exist, `(N_out, N_in, K)` of bool: neither masked nor 0 (pruned)."""
        exists = self.weight.detach() != 0
        return exists if self.n_connections is None else exists & self.mask

    @property
    def delay(self) -> Tensor:
        """The delays in steps, real-valued, detached; `DelayLinear` states their shape."""
        return self._centre - self.P[0].detach()

    @delay.setter
    def delay(self, steps: Tensor) -> None:
        with torch.no_grad():
            self.P[0] = self._centre - steps

    @property
    def delays_in_use(self) -> Tensor:
        """Which delays belong to a weight that exists, in the shape of `delay`."""
        return self.layout.shared(self.connections)

    @property
    def delay_per_synapse(self) -> Tensor:
        """The delay of each synapse in steps, `(N_out, N_in, K)`, not to be changed."""
        return self.layout.per_synapse(self.delay)

    def whole_delays(self, share: float = 1.0) -> Tensor:
        """Return the delay of each synapse as in a rounded layer, `(N_out, N_in, K)`.

        Args:
            share: factor from 0 to 1 by which the delays are multiplied before.

        Raises:
            SnnlabError: a delay is not finite.
        """
        return self.layout.per_synapse(self._rounded(share * self._finite_delay))

    @property
    def _finite_delay(self) -> Tensor:
        if not (self.P.is_meta or self.P.isfinite().all()):
            raise SnnlabError(
                "a layer has delays that are not finite; choose a network whose training did not "
                "diverge, and look for non-finite input."
            )
        return self.delay

    def _rounded(self, delay: Tensor) -> Tensor:
        """Round delays, and clamp them to their range."""
        result = delay.clone()
        for part, limit in zip(self.layout.parts(result), self.layout.limits, strict=True):
            part.copy_(whole_delay(part, limit, self.delay_bits))
        return result

    def delay_ms(self, dt_ms: float) -> Tensor:
        """Return `delay` in milliseconds, for steps of `dt_ms`."""
        return self.delay * dt_ms

    @property
    def sigma(self) -> float:
        """The effective width of the Gaussian in steps; 0 once the layer is discrete."""
        return 0.0 if self.discrete else float(self.SIG.detach().abs().max()) + SIGMA_FLOOR

    @sigma.setter
    def sigma(self, steps: float) -> None:
        if not (is_number(steps) and steps >= SIGMA_FLOOR):
            raise SnnlabError(
                f"sigma = {steps}: DCLS's Gaussian is at least {SIGMA_FLOOR} steps wide."
            )
        with torch.no_grad():
            self.SIG.fill_(steps - SIGMA_FLOOR)

    @torch.no_grad()
    def clamp_delays(self) -> None:
        """Clamp every delay to 0 to `max_delay`; called after each step of the optimiser."""
        self._clamp(self.P)

    @torch.no_grad()
    def round_delays(self) -> None:
        """Make every delay a whole number of steps and every kernel one-hot, in place.

        With `delay_bits` each delay becomes the nearest one of their grid.

        Raises:
            SnnlabError: a delay is not finite.
        """
        self.delay = self._rounded(self._finite_delay)
        self.discrete = True

    @torch.no_grad()
    def round_weights(self) -> None:
        """Put every weight on the levels of `weight_bits`, in place; without bits, do nothing."""
        if self.weight_bits is not None:
            self.weight.copy_(self.existing_weight)

    @torch.no_grad()
    def prune(self, share: float) -> None:
        """Set the weights of smallest magnitude to 0, in place; those that are 0 already stay 0.

        `DelayRecipe(kept_share=...)` prunes while it trains. A loop of one's own calls
        `zero_pruned` after each step of its optimiser.

        Args:
            share: of the layer's weights, those that `n_connections` leaves, how many remain: above
                0, up to 1. At least one weight remains.

        Raises:
            SnnlabError: the share is out of its range, or torch computes the weights from others.

        Example:
            >>> from snnlab.nn.delay_linear import DelayLinear
            >>> layer = DelayLinear(in_features=4, out_features=1, max_delay=3)
            >>> layer.weight.data = torch.tensor([0.1, -0.4, 0.3, -0.2]).view(1, 4, 1)
            >>> layer.prune(0.5)
            >>> [round(weight, 1) for weight in layer.weight.flatten().tolist()]
            [0.0, -0.4, 0.3, 0.0]
        """
        if not (is_number(share) and 0 < share <= 1):
            raise SnnlabError(
                f"share = {share!r}: expected the share of the synapses that remains,"
                " above 0 and at most 1."
            )
        if "weight" not in self._parameters:
            raise SnnlabError(
                "the weights of a layer of delays are computed by torch.nn.utils; make them "
                "permanent before they are pruned, such as by prune.remove(layer, 'weight')."
            )
        magnitude = self.weight.abs()
        if self.n_connections is not None:
            magnitude *= self.mask
        count = (self.n_connections or self.in_features) * self.out_features * self.kernel_count
        largest = magnitude.flatten().argsort(descending=True, stable=True)
        pruned = torch.ones_like(magnitude, dtype=torch.bool)
        pruned.view(-1)[largest[: max(1, round(share * count))]] = False
        self.pruned = pruned | (magnitude == 0)
        self.zero_pruned()

    @torch.no_grad()
    def zero_pruned(self) -> None:
        """Set pruned weights to 0; called after each step of the optimiser."""
        if self.pruned is not None:
            self.weight.masked_fill_(self.pruned, 0)

    @property
    def existing_weight(self) -> Tensor:
        """The weights on the levels of their bits, 0 where a sparse layer has no synapse."""
        return self._existing(self.weight, slice(None))

    def existing_weight_of(self, neuron: int) -> Tensor:
        """Return the row of `existing_weight` of one neuron, `(N_in, K)`, detached."""
        row = slice(neuron, neuron + 1)
        return self._existing(self.weight.detach()[row], row)[0]

    def _existing(self, weight: Tensor, neurons: slice) -> Tensor:
        """Put the weights of these neurons on their levels, without those that do not exist."""
        weight = weight if self.n_connections is None else weight * self.mask[neurons]
        return weight if self.weight_bits is None else quantised_weight(weight, self.weight_bits)

    def delay_and_width(self) -> tuple[Tensor, Tensor]:
        """Return the delays, with their gradient, and the widths of their Gaussians, in steps."""
        return self._centre - self.P[0], self.SIG[0].abs() + SIGMA_FLOOR
