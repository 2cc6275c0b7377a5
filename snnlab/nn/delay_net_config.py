"""The description of a network with learned delays; importing it does not import torch."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_origin

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, nearest_names, typed, whole_number
from snnlab.nn.network_config import LONGEST, NetworkConfig, Tau, check_taus

if TYPE_CHECKING:
    from snnlab.nn.delay_net import DelayNet

DelayMode = Literal["none", "fixed", "learned"]
Kind = Literal["synaptic", "axonal", "dendritic", "axo-dendritic"]
Padding = Literal["fixed", "reference"]
Neuron = Literal["lif", "relu"]


def check_bits(weight_bits: Any, delay_bits: Any) -> tuple[int | None, int | None]:
    """Return the bits of weights, 2 to 8, and of delays, 1 to 8; None stands for all.

    Raises:
        SnnlabError: a number is out of its range.
    """
    return (
        None if weight_bits is None else whole_number("weight_bits", weight_bits, 2, 8),
        None if delay_bits is None else whole_number("delay_bits", delay_bits, 1, 8),
    )


def _is_sequence(value: Any) -> bool:
    """Return whether a value holds several; a text, or an array without axes, does not."""
    has_length = hasattr(value, "__len__") and not isinstance(value, str)
    return has_length and getattr(value, "ndim", 1) > 0


@nearest_names
@dataclass(frozen=True)
class DelayNetConfig(NetworkConfig):
    """Description of a `DelayNet`; the defaults are those of Hammouamri et al. 2024 for SHD.

    Attributes:
        n_in: input channels.
        hidden: neurons of each hidden layer; the paper has (256, 256) for SHD, (512, 512, 512) for
            SSC and GSC.
        n_classes: outputs.
        max_delay: largest delay in steps, one number or one for each layer, the readout last; 30
            for SSC and GSC. Ignored by the mode "none".
        tau: membrane time constant in steps, above 1; 1.5 for SSC and GSC. One number for all
            neurons, or one entry for each layer, the readout last: a number, or one for each of its
            neurons.
        delay_mode: "learned" delays; "fixed" ones, random, whole and one-hot from the start; or
            "none" at all.
        delay_kind: which synapses share a delay, `kind` of `DelayLinear`.
        kernel_count: weights with a delay of their own per synapse.
        dropout: probability; 0.25 for SSC and GSC.
        tail: steps after the last input spike that still count; None for the largest `max_delay`.
        padding: "fixed": see `DelayNet`. "reference": as in the authors' code, where each delay
            layer appends (L-1)//2 steps, and padding takes part in statistics and scores.
        n_connections: inputs of each hidden neuron, drawn at random (the paper's sparse ablation
            has 10); None for all.
        weight_bits, delay_bits: as of `DelayLinear`: levels of the weights and values of the
            rounded delays; None for no limit.
        neuron: "lif", or "relu" for pretraining with neurons that output a ramp (`RampNeuron`).
            Both have the same parameters.
        dt_ms: length of a time step, ms; None where it is unknown.

    Raises:
        SnnlabError: a value is out of its range.

    Example:
        >>> config = DelayNetConfig(n_in=140, hidden=(256, 256), n_classes=20, dt_ms=10.0)
        >>> config.max_delay, config.build().config == config
        (24, True)
    """

    n_in: int
    hidden: tuple[int, ...]
    n_classes: int
    _: KW_ONLY
    max_delay: int | tuple[int, ...] = 24
    tau: float | tuple[Tau, ...] = 1.005
    delay_mode: DelayMode = "learned"
    delay_kind: Kind = "synaptic"
    kernel_count: int = 1
    dropout: float = 0.4
    tail: int | None = None
    padding: Padding = "fixed"
    n_connections: int | None = None
    weight_bits: int | None = None
    delay_bits: int | None = None
    neuron: Neuron = "lif"
    dt_ms: float | None = None

    def __post_init__(self) -> None:
        """Check all values."""
        for field in fields(self):
            if get_origin(field.type) is Literal:
                typed(field, getattr(self, field.name))
        if not _is_sequence(self.hidden) or len(self.hidden) == 0:
            raise SnnlabError(
                f"hidden = {self.hidden!r}: expected the number of neurons of at least one hidden "
                "layer."
            )
        if not (is_number(self.dropout) and 0 <= self.dropout < 1):
            raise SnnlabError(
                f"dropout = {self.dropout!r}: expected a probability from 0 to below 1."
            )
        if not (self.dt_ms is None or (is_number(self.dt_ms) and self.dt_ms > 0)):
            raise SnnlabError(f"dt_ms = {self.dt_ms!r}: expected milliseconds above 0, or None.")
        weight_bits, delay_bits = check_bits(self.weight_bits, self.delay_bits)
        self._check(
            n_in=whole_number("n_in", self.n_in, 1),
            hidden=tuple(whole_number("hidden, neurons of a layer", n, 1) for n in self.hidden),
            n_classes=whole_number("n_classes", self.n_classes, 1),
            max_delay=self._per_layer(
                "max_delay", lambda value: whole_number("max_delay", value, 0, LONGEST)
            ),
            tau=self._per_layer("tau", check_taus),
            kernel_count=whole_number("kernel_count", self.kernel_count, 1),
            dropout=float(self.dropout),
            tail=None if self.tail is None else whole_number("tail", self.tail, 0, LONGEST),
            n_connections=None
            if self.n_connections is None
            else whole_number("n_connections", self.n_connections, 1),
            weight_bits=weight_bits,
            delay_bits=delay_bits,
            dt_ms=None if self.dt_ms is None else float(self.dt_ms),
        )

    def _per_layer(self, name: str, check: Callable[[Any], Any]) -> Any:
        """Check one value, or one for each layer."""
        value, sizes = getattr(self, name), (*self.hidden, self.n_classes)
        if not _is_sequence(value):
            return check(value)
        if len(value) != len(sizes):
            raise SnnlabError(
                f"{name} = {value!r}: expected one value, or {len(sizes)}, one for each layer, the "
                "readout last."
            )
        checked = tuple(check(entry) for entry in value)
        for entry, size in zip(checked, sizes, strict=True):
            if isinstance(entry, tuple) and len(entry) != size:
                raise SnnlabError(
                    f"{name}: has {len(entry)} values for a layer of {size} neurons; expected one, "
                    "or one for each neuron."
                )
        return checked

    @property
    def max_delays(self) -> tuple[int, ...]:
        """`max_delay` of each layer."""
        value = 0 if self.delay_mode == "none" else self.max_delay
        return value if isinstance(value, tuple) else (value,) * (len(self.hidden) + 1)

    @property
    def taus(self) -> tuple[Tau, ...]:
        """`tau` of each layer."""
        return self.tau if isinstance(self.tau, tuple) else (self.tau,) * (len(self.hidden) + 1)

    def build(self) -> "DelayNet":
        """Build the network with fresh weights and delays."""
        from snnlab.nn.delay_net import DelayNet

        return DelayNet(**vars(self))
