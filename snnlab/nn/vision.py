"""The networks of the transfer experiments: images, event frames and video, each as an ANN or as a spiking network.

All of them read `(T, B, C, H, W)` and give class scores `(B, classes)`. Convolutions and batch norm
see time and batch folded into one axis, so batch norm over (time, batch, height, width) is the
paper's tdBN. An image is a sequence of one step; shown for longer, its first convolution is still
done once.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Self, cast

from spikingjelly.activation_based import functional
from torch import Tensor, nn

from snnlab._utils.errors import SnnlabError
from snnlab._utils.fields import known
from snnlab._utils.memory import memory_errors
from snnlab.nn.activations import THRESHOLD, Activation, Mode, set_mode

STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}  # blocks of each stage by depth


class VisionNet(nn.Module):
    """What the networks have in common: their modes, time, and the check of their input.

    Attributes:
        config: the arguments that build the same network again, with its `kind`.
        steps: for how many time steps an image is shown; see `set_mode`.
    """

    config: dict[str, Any]
    steps = 1

    # Names of what reads the input: other sensors need another one
    INPUT_LAYERS: ClassVar[tuple[str, ...]] = ()
    HEAD_LAYERS: ClassVar[tuple[str, ...]] = (
        "fc",
    )  # names of what goes from the features to the classes

    @property
    def features(self) -> tuple[str, ...]:
        """Names of everything before the head."""
        return tuple(
            dict.fromkeys(
                name
                for key in self.state_dict()
                if (name := key.split(".")[0]) not in self.HEAD_LAYERS
            )
        )

    def set_mode(
        self, mode: Mode, *, steps: int = 1, low: float = 0.0, high: float = 1.0, levels: int = 1
    ) -> Self:
        """Put every activation into `mode` (see `snnlab.nn.activations`), and show images for `steps` steps; returns self.

        Raises:
            SnnlabError: as `snnlab.nn.activations.set_mode`, or `steps` is not positive.
        """
        if steps < 1:
            raise SnnlabError(f"steps = {steps}: expected a whole number from 1.")
        set_mode(self, mode, low=low, high=high, levels=levels)
        self.steps = steps
        return self

    def forward(self, x: Tensor) -> Tensor:
        """`(T, B, C, H, W)` to `(B, classes)`; an image, T = 1, is shown for `self.steps` steps.

        Raises:
            SnnlabError: `x` has another number of axes or channels, or is a sequence that is to be
                shown repeatedly.
        """
        channels = self.config["in_channels"]
        if x.dim() != 5 or x.shape[2] != channels:
            raise SnnlabError(
                f"got input of shape {tuple(x.shape)}; expected (T, B, {channels}, H, W)."
            )
        if self.steps != 1 and len(x) != 1:
            raise SnnlabError(
                f"steps = {self.steps} repeats an image, but the input has {len(x)} time steps already."
            )
        current = functional.seq_to_ann_forward(x, self.stem)
        if self.steps != 1:
            current = current.expand(self.steps, *current.shape[1:])
        try:
            return self.rest(current)
        finally:
            functional.reset_net(self)  # no sequence starts from the membranes of the one before

    def stem(self, x: Tensor) -> Tensor:
        """What stands before the first activation, `(B, C, H, W)` to `(B, C', H', W')`."""
        raise NotImplementedError

    def rest(self, x: Tensor) -> Tensor:
        """Everything from the first activation on, `(T, B, C', H', W')` to `(B, classes)`."""
        raise NotImplementedError


class SmallCNN(VisionNet):
    """The course's network: 3 x 3 convolutions with batch norm, average pooling, one linear layer on the mean over time.

    Args:
        in_channels: 1 for grey images, 2 for ON and OFF events.
        classes: outputs.
        channels: of each convolution.
        strides: of each convolution.
        pool: the feature map is averaged to pool x pool before the linear layer.
        activation: arguments of every `Activation`.
    """

    INPUT_LAYERS = ("layers.0",)

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        channels: Sequence[int] = (8, 16, 32),
        strides: Sequence[int] = (1, 2, 2),
        pool: int = 1,
        **activation: Any,
    ) -> None:
        super().__init__()
        self.config = {
            "kind": "SmallCNN",
            "in_channels": in_channels,
            "classes": classes,
            "channels": list(channels),
            "strides": list(strides),
            "pool": pool,
            **activation,
        }
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride, padding=1, bias=False), _norm(after))
            for (before, after), stride in zip(
                pairwise([in_channels, *channels]), strides, strict=True
            )
        )
        self.acts = nn.ModuleList(Activation(**activation) for _ in channels)
        self.pool = nn.AdaptiveAvgPool2d(pool)
        self.fc = nn.Linear(channels[-1] * pool * pool, classes)

    def stem(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layers[0](x))

    def rest(self, x: Tensor) -> Tensor:
        x = self.acts[0](x)
        for layer, act in zip(self.layers[1:], self.acts[1:], strict=True):
            x = act(functional.seq_to_ann_forward(x, layer))
        features = x.mean(0) * cast(Activation, self.acts[-1]).amplitude
        return cast(Tensor, self.fc(self.pool(features).flatten(1)))


class ResNet(VisionNet):
    """ResNet-18 or -34 of the paper, with torchvision's names for its layers.

    For images (`events=False`; Lin et al., first experiment): no max-pooling, every stage begins
    with stride 2, no biases, and the scale of every batch norm begins at the threshold. For events
    (`events=True`; second experiment): biases, 3 x 3 max-pooling before the first neuron, and the
    first stage keeps its size. In both, a neuron follows the first convolution of a block and the
    sum with the shortcut.

    Args:
        depth: 18 or 34.
        in_channels: 3 for colour images, 2 for ON and OFF events.
        classes: outputs.
        events: which of the two arrangements.
        activation: arguments of every `Activation`; the paper learns the decay for events.

    Raises:
        SnnlabError: `depth` is another number.
    """

    INPUT_LAYERS = ("conv1", "bn1")

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        classes: int = 1000,
        *,
        events: bool = False,
        **activation: Any,
    ) -> None:
        super().__init__()
        if depth not in STAGES:
            raise SnnlabError(f"depth = {depth!r}: expected one of {', '.join(map(str, STAGES))}.")
        self.config = {
            "kind": "ResNet",
            "depth": depth,
            "in_channels": in_channels,
            "classes": classes,
            "events": events,
            **activation,
        }
        make: dict[str, Any] = {
            "bias": events,
            "scale": 1.0 if events else THRESHOLD,
            "activation": activation,
        }
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=events)
        self.bn1 = _norm(64, make["scale"])
        self.maxpool = nn.MaxPool2d(3, stride=2) if events else nn.Identity()
        self.act = Activation(**activation)
        before = 64
        for stage, (n_blocks, after) in enumerate(
            zip(STAGES[depth], (64, 128, 256, 512), strict=True), start=1
        ):
            first = _Block(before, after, 1 if events and stage == 1 else 2, **make)
            others = (_Block(after, after, 1, **make) for _ in range(n_blocks - 1))
            setattr(self, f"layer{stage}", nn.Sequential(first, *others))
            before = after
        self.fc = nn.Linear(512, classes)
        if events:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)

    def stem(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.maxpool(self.bn1(self.conv1(x))))

    def rest(self, x: Tensor) -> Tensor:
        x = self.act(x)
        for stage in range(1, 5):
            x = self.get_submodule(f"layer{stage}")(x)
        last = cast(_Block, cast(nn.Sequential, self.layer4)[-1]).act2
        return cast(Tensor, self.fc(x.mean((0, 3, 4)) * last.amplitude))


class _Block(nn.Module):
    """conv - norm - neuron - conv - norm, plus the shortcut, then a neuron."""

    def __init__(
        self,
        before: int,
        after: int,
        stride: int,
        *,
        bias: bool,
        scale: float,
        activation: dict[str, Any],
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=bias)
        self.bn1 = _norm(after, scale)
        self.act1 = Activation(**activation)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=bias)
        self.bn2 = _norm(after, scale)
        self.act2 = Activation(**activation)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=bias), _norm(after, scale)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.act1(functional.seq_to_ann_forward(x, [self.conv1, self.bn1]))
        out = functional.seq_to_ann_forward(out, [self.conv2, self.bn2])
        shortcut = (
            x if self.downsample is None else functional.seq_to_ann_forward(x, self.downsample)
        )
        return self.act2(out + shortcut)


class VideoNet(VisionNet):
    """The video network of the third experiment: a convolutional encoder a frame, and an LSTM over the frames.

    The encoder has four convolutions without padding (5 x 5, then 3 x 3, all with stride 2), a
    fully connected layer of 1024 neurons and a linear one to 512 numbers. The LSTM is an ordinary
    one in every mode, as in the paper.

    Args:
        in_channels: 3 for colour frames, 2 for ON and OFF events.
        classes: outputs.
        height, width: of a frame; 256 x 342 in the paper.
        activation: arguments of every `Activation`.

    Raises:
        SnnlabError: the frames are too small for four convolutions.
    """

    INPUT_LAYERS = ("layers.0",)
    HEAD_LAYERS = ("lstm", "fc")

    def __init__(
        self,
        in_channels: int = 2,
        classes: int = 101,
        *,
        height: int = 256,
        width: int = 342,
        **activation: Any,
    ) -> None:
        super().__init__()
        self.config = {
            "kind": "VideoNet",
            "in_channels": in_channels,
            "classes": classes,
            "height": height,
            "width": width,
            **activation,
        }
        sizes, kernels = [height, width], (5, 3, 3, 3)
        for kernel in kernels:
            sizes = [(size - kernel) // 2 + 1 for size in sizes]
        if min(sizes) < 1:
            raise SnnlabError(
                f"frames of {height} x {width}: expected at least 33 x 33 for four convolutions of stride 2."
            )
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, kernel, stride=2), _norm(after, 1.0))
            for (before, after), kernel in zip(
                pairwise([in_channels, 8, 16, 32, 64]), kernels, strict=True
            )
        )
        self.acts = nn.ModuleList(Activation(**activation) for _ in range(5))
        self.hidden = nn.Linear(64 * sizes[0] * sizes[1], 1024)
        self.embed = nn.Linear(1024, 512)
        self.lstm = nn.LSTM(512, 256)
        self.fc = nn.Linear(256, classes)

    def stem(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.layers[0](x))

    def rest(self, x: Tensor) -> Tensor:
        x = self.acts[0](x)
        for layer, act in zip(self.layers[1:], self.acts[1:-1], strict=True):
            x = act(functional.seq_to_ann_forward(x, layer))
        last = cast(Activation, self.acts[-1])
        x = last(self.hidden(x.flatten(2))) * last.amplitude  # (T, B, 1024)
        over_time, _ = self.lstm(self.embed(x))
        return cast(Tensor, self.fc(over_time[-1]))


KINDS: dict[str, type[VisionNet]] = {kind.__name__: kind for kind in (SmallCNN, ResNet, VideoNet)}


@memory_errors("building a network", "a smaller one")
def build(config: dict[str, Any]) -> VisionNet:
    """The network of a `config`, with fresh weights.

    Raises:
        SnnlabError: there is no network of that kind, or as the network itself.
    """
    arguments = dict(config)
    return KINDS[known(arguments.pop("kind", None), KINDS, "kind of network")](**arguments)


def _norm(channels: int, scale: float = THRESHOLD) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    nn.init.constant_(norm.weight, scale)
    return norm
