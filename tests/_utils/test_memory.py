"""What is freed stays, without a page fault; too little memory is told by a sentence."""

import errno
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from snnlab._utils.errors import SnnlabError
from snnlab._utils.memory import memory_errors
from snnlab.course import tasks
from snnlab.course.config import resolve
from snnlab.data.datasets.toys import interaural_lags
from snnlab.delays.experiments import DelayStage
from snnlab.nn.delay_linear import DelayLinear
from snnlab.nn.delay_net_config import DelayNetConfig
from snnlab.nn.energy import cost
from snnlab.nn.vision.small_cnn import SmallCNN, SmallCNNConfig
from snnlab.training.evaluation import evaluate
from snnlab.training.recipe import Recipe
from snnlab.training.trainer import fit, train_step
from snnlab.transfer.similarity import layer_outputs

STATIC, EVENTS = "02_pretrain_and_transfer", "03_transfer_to_event_streams"
SCRIPT = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from snnlab._utils.memory import keep_freed_memory
    keep_freed_memory()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(12_000_000, np.float32).fill(1)  # 48 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(min(faults() for _ in range(6)))  # the first ones may still enlarge the heap
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_freed_memory_is_kept():
    faults = {
        how: int(
            subprocess.run(
                [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True
            ).stdout
        )
        for how in ("keep", "as it is")
    }
    assert 5 * faults["keep"] < faults["as it is"]


CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 11.76 GiB of "
    "which 1.06 GiB is free. Including non-PyTorch memory, this process has 10.70 GiB memory in "
    "use."
)


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (lambda: torch.empty(10**15, dtype=torch.uint8), "this machine does not suffice (1,00"),
        (lambda: torch.empty(2**62), "this machine does not suffice; choose"),
        (lambda: np.empty(10**15, np.uint8), "this machine does not suffice (99"),
        (lambda: bytearray(10**15), "this machine does not suffice; choose"),
        (lambda: fail(torch.OutOfMemoryError(CUDA)), "the GPU does not suffice (2.15 GB were"),
        (lambda: fail(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")), "the GPU does"),
        (lambda: fail(RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED")), "the GPU does"),
        (lambda: fail(OSError(errno.ENOMEM, "Cannot allocate memory")), "this machine does not"),
    ],
)
def test_too_little_memory_is_told_by_a_sentence(need, words):
    with pytest.raises(SnnlabError) as caught, memory_errors("training"):
        need()
    message = str(caught.value)
    assert message.startswith("training: the memory of ") and words in message
    assert message.isprintable()
    assert message.endswith("a smaller batch_size, a larger accumulate or a smaller network.")
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes"), OSError(28, "No space"), SnnlabError("x")]
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as caught, memory_errors("training"):
        fail(error)
    assert caught.value is error


class Greedy(torch.nn.Linear):
    """Asks for more than any machine has, or fails as torch does on a GPU."""

    def __init__(self, error=None):
        super().__init__(16, 5)
        self.error = error

    def forward(self, x):
        if self.error is not None:
            raise self.error
        return super().forward(x).sum(0) + torch.empty(10**15, dtype=torch.uint8).sum()


@dataclass(frozen=True)
class Plain(Recipe):
    def optimisers(self, model):
        return [torch.optim.SGD(model.parameters())]


@pytest.mark.parametrize("error", [None, torch.OutOfMemoryError(CUDA), MemoryError()])
def test_training_and_evaluation_say_so(error, tmp_path):
    model, data = Greedy(error), interaural_lags(40, steps=20)
    recipe = Plain(epochs=1, batch_size=16, device="cpu")
    with pytest.raises(SnnlabError, match="^training: the memory of .* a smaller batch_size"):
        fit(model, data, data, recipe, progress=False)
    with pytest.raises(SnnlabError, match="^training: the memory of"):
        train_step(model, *data.batch(torch.arange(4)), recipe.optimisers(model), recipe)
    with pytest.raises(SnnlabError, match="^evaluation: the memory of"):
        evaluate(model, data)


def test_networks_say_so():
    size = 10**8
    network = DelayNetConfig(n_in=size, hidden=(size,), n_classes=2, max_delay=1, tau=2.0)
    with pytest.raises(SnnlabError, match=r"^building a network: .*\(40,000,000.00 GB were"):
        DelayStage().build(network)
    with pytest.raises(SnnlabError, match="^building a network: .* a smaller one"):
        SmallCNNConfig(in_channels=1, classes=10, channels=(8, 2**45, 1)).build()
    with pytest.raises(SnnlabError, match="^building a network: .* a smaller one"):
        network.build()
    with pytest.raises(SnnlabError, match="^building a network: .* a smaller one"):
        DelayLinear(size, size, 100)


@pytest.mark.parametrize("look", [cost, layer_outputs])
def test_looking_into_a_network_says_so(look):
    net = SmallCNN(in_channels=1, classes=10)
    with pytest.raises(SnnlabError, match="^looking into a network: .* a smaller one"):
        look(net, (torch.empty(10**15) for _ in range(1)))


@pytest.fixture
def one_gigabyte():
    """That this process may use at most so much more than it does."""
    import resource  # only systems that are like Unix have it

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_reading_data_says_so(one_gigabyte):
    config = resolve(STATIC, profile="tiny", samples=200_000, size=256)
    words = r"^reading the pictures: .*\(52.43 GB were asked .* fewer samples or a smaller size\.$"
    with pytest.raises(SnnlabError, match=words):
        tasks.static(config)
    config = resolve(EVENTS, profile="tiny", pictures=10_000_000)
    with pytest.raises(SnnlabError, match="^reading pictures and events: .* and labelled.$"):
        tasks.events(config)
