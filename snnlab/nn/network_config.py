"""Descriptions of networks: frozen dataclasses that build a network and that checkpoints store."""

from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, NoReturn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import is_number, known

# Steps; more are a slip, or an altered file, whose kernels would fill the memory
LONGEST = 1_000_000


# A membrane time constant of all neurons, or one of each
Tau = float | tuple[float, ...]


def check_taus(tau: Any) -> Tau:
    """Return time constants in steps: a float, or of a sequence, array or tensor a tuple of floats.

    Raises:
        SnnlabError: as `check_tau`.
    """
    tau = tau.tolist() if hasattr(tau, "tolist") else tau
    return tuple(map(check_tau, tau)) if isinstance(tau, list | tuple) and tau else check_tau(tau)


def check_tau(tau: float) -> float:
    """Return `tau` in steps as a float.

    Raises:
        SnnlabError: `tau` is not a finite number above 1 (at 1 the membrane keeps nothing from step
            to step).
    """
    if not (is_number(tau) and tau > 1):
        raise SnnlabError(
            f"tau = {tau!r}: expected a membrane time constant in steps above 1; choose tau_ms "
            "larger than dt_ms."
        )
    return float(tau)


@dataclass(frozen=True)
class NetworkConfig:
    """Base class of the descriptions; a subclass has the arguments of its network as fields."""

    KINDS: ClassVar[dict[str, type["NetworkConfig"]]] = {}

    def __init_subclass__(cls) -> None:
        """Register a description by the name of its network."""
        cls.KINDS[cls.__name__.removesuffix("Config")] = cls

    def _check(self, **values: Any) -> None:
        """Replace fields by their checked values."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def build(self) -> Any:
        """Build the network with fresh weights."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the kind of the network as plain data."""
        return {"kind": type(self).__name__.removesuffix("Config"), **asdict(self)}

    @staticmethod
    def from_dict(description: dict[str, Any]) -> "NetworkConfig":
        """Return the description that `to_dict` gave.

        Raises:
            SnnlabError: the kind is unknown, a field is missing or unknown, or a value is out of
                its range.
        """
        values = dict(description)
        config = NetworkConfig.KINDS[
            known(values.pop("kind", None), NetworkConfig.KINDS, "network")
        ]
        if wrong := values.keys() ^ {field.name for field in fields(config)}:
            names = ", ".join(sorted(map(str, wrong)))
            raise SnnlabError(
                f"description of a {config.__name__}: missing or unknown: {names}; "
                "choose another file."
            )
        return config(**values)


@dataclass(frozen=True)
class OwnNetworkConfig(NetworkConfig):
    """What a checkpoint knows of a network whose class is not snnlab's: its name, no arguments.

    Attributes:
        class_name: the name of the class.
        dt_ms: length of a time step of the training data, ms; None where it is unknown.
    """

    class_name: str
    dt_ms: float | None = None

    def build(self) -> NoReturn:
        """Refuse: only the owner of the class can build its network.

        Raises:
            SnnlabError: always.
        """
        raise SnnlabError(
            f"a network of the class {self.class_name}, which snnlab cannot build; give one of its "
            f"shape, model={self.class_name}(...); to notebook 05, my_module:{self.class_name}."
        )


def describe_network(model: Any, dt_ms: float | None = None) -> NetworkConfig:
    """Return the description of a network for its checkpoint.

    Args:
        model: the network; its `config`, if that is a description.
        dt_ms: length of a time step, ms, for a network without one.
    """
    config = getattr(model, "config", None)
    if isinstance(config, NetworkConfig):
        return config
    return OwnNetworkConfig(type(model).__name__, dt_ms)
