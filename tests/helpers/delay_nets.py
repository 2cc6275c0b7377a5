"""A spiking network with delays that looks trained, and its checkpoint."""

import torch

from snnlab.nn.delay_net import DelayNet
from snnlab.training import checkpoints


def random_net(seed=0, **changes):
    """A network that spikes, with batch norms as if it had been trained."""
    torch.manual_seed(seed)
    settings = {"n_in": 12, "hidden": (9, 7), "n_classes": 4, "max_delay": 6, "tau": 1.7} | changes
    net = DelayNet(
        settings.pop("n_in"), settings.pop("hidden"), settings.pop("n_classes"), **settings
    )
    for norm in net.norms:
        norm.running_mean.uniform_(-0.2, 0.2)
        norm.running_var.uniform_(0.1, 0.4)
        norm.weight.data.uniform_(0.5, 1.5)
        norm.bias.data.uniform_(-0.1, 0.5)
    return net.eval()


def save_network(path, net, accuracy, **more):
    line = {"valid_accuracy": accuracy, "valid_loss": 1.0}
    checkpoints.save(
        path, network=net.config, best=net.state_dict(), history=[line], best_epoch=0, **more
    )
