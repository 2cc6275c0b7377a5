"""Short trainings for test_resume, and deaths in the middle of them, in a module of their own, for
other processes import it.
"""

import os
import signal

import torch
from bars import COMMON, NET
from readers import bars

from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.batches.spike_set import SpikeSet
from snnlab.data.datasets.toys import interaural_lags
from snnlab.delays.recipe import DelayRecipe
from snnlab.nn.delay_net import DelayNet
from snnlab.training import trainer
from snnlab.training.distributed import rank_and_world_size
from snnlab.training.state import TrainState
from snnlab.training.trainer import fit
from snnlab.transfer.stages import Stage

STEPS = 5  # batches an epoch of `delays` and of `pictures`


def spikes(n, seed):
    """Recordings of 20 to 30 steps."""
    dense = interaural_lags(n, seed=seed, steps=30)
    lengths = 20 + torch.arange(n) * 7 % 11
    cells = []
    for x, length in zip(dense.x.unbind(1), lengths.tolist(), strict=True):
        x = x[:length].clone()
        x[[0, -1], 0] = 1  # or it would be shorter
        cells.append(x.flatten().nonzero().flatten())
    offsets = torch.tensor([0, *map(len, cells)]).cumsum(0)
    flat = torch.cat(cells).int()
    keys, speakers = tuple("abcde"), torch.zeros(n, dtype=torch.long)
    return SpikeSet(
        dense.labels, lengths, speakers, keys, 16, 10.0, flat, torch.ones_like(flat), offsets
    )


def delays(path, **options):
    """Delays and pruning with two optimisers and dropout.

    75 recordings in batches of 16, the last of 11.
    """
    torch.manual_seed(rank_and_world_size()[0])
    net = DelayNet(16, (6,), 5, max_delay=8, tau=1.5, dropout=0.3)
    fewer = dict(anneal_share=1.0, kept_share=0.4, delay_pull=0.01)
    recipe = DelayRecipe(epochs=3, batch_size=16, seed=5, device="cpu", **fewer)
    return fit(
        net, spikes(75, 0), spikes(30, 1), recipe, checkpoint=path, progress=False, **options
    )


def pictures(path, *, loaders=0, **options):
    """A spiking network with batch norm and SGD's momentum; 37 samples in batches of 8, the last of
    5.
    """
    torch.manual_seed(rank_and_world_size()[0])
    net = NET.build().set_mode("lif", steps=2)
    stage = Stage(**COMMON, epochs=2, lr=0.1, steps=2, optimiser="sgd", seed=3)
    train, valid = (
        FileDataset(range(n), torch.arange(n) % 3, tuple("abc"), bars, loaders) for n in (37, 12)
    )
    return fit(net, train, valid, stage, checkpoint=path, progress=False, **options)


class Stop(Exception):
    pass


def stopping(left, step, *arguments, **named):
    """A step of training, unless none is left."""
    left[0] -= 1
    if left[0] < 0:
        raise Stop
    return step(*arguments, **named)


def doomed(*, step=None, save=None, rhythm=1):
    """From now on this process dies in a step, counted from 0, or half-way through a save; it saves
    at each so manyth batch.
    """
    calls = {"step": -1, "save": -1, "due": -1}
    training_step, write = trainer.train_step, torch.save

    def counted(what):
        calls[what] += 1
        return calls[what]

    def due(state):
        return state.path is not None and counted("due") % rhythm == rhythm - 1

    def one_step(*arguments, **named):
        if counted("step") == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return training_step(*arguments, **named)

    def one_save(content, path):
        write(content, path)
        if counted("save") == save:
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.train_step, torch.save, TrainState.due = one_step, one_save, due


def die(train, deaths, **options):
    """For each file, start `train` in a process of its own, which dies as it is said."""
    torch.set_num_threads(1)  # as the test has it
    delays(None)  # what a first training imports takes seconds, here once
    for path, death in deaths.items():
        child = os.fork()
        if child == 0:
            doomed(**death)
            train(path, **options)
            os._exit(3)  # it should not have come so far
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL, death
