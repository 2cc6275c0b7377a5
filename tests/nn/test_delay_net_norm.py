"""Batch norm over the steps that count, beside torch's over the same steps picked out."""

import copy

import pytest
import torch
from torch import nn

from snnlab.nn.delay_net import masked_batch_norm


@pytest.mark.parametrize(
    "settings",
    [dict(), dict(momentum=None), dict(affine=False), dict(track_running_stats=False)],
    ids=["plain", "mean of all", "not affine", "no statistics"],
)
def test_it_is_torchs_batch_norm_of_the_steps_that_count(settings):
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(3, **settings).double()
    if norm.affine:
        nn.init.uniform_(norm.weight)
        nn.init.uniform_(norm.bias)
    other = copy.deepcopy(norm)
    for _ in range(2):
        x = (5 + torch.randn(7, 4, 3, dtype=torch.double)).requires_grad_()
        counts = torch.arange(7)[:, None] < torch.tensor([7, 3, 5, 1])
        grad = torch.randn(int(counts.sum()), 3, dtype=torch.double)
        results = []
        for module, y in (
            (norm, masked_batch_norm(norm, x, counts)),
            (other, torch.zeros_like(x).index_put(counts.nonzero(as_tuple=True), other(x[counts]))),
        ):
            inputs = [x, *module.parameters()]
            results.append([y, *torch.autograd.grad(y[counts], inputs, grad), *module.buffers()])
        torch.testing.assert_close(*results)


def test_steps_that_do_not_count_change_nothing():
    norm, counts = nn.BatchNorm1d(2), torch.tensor([[True], [True], [False]])
    x = torch.tensor([1.0, 3.0, 5.0]).view(3, 1, 1).expand(3, 1, 2).clone()
    y = masked_batch_norm(norm, x, counts)
    x[2] = torch.inf
    assert torch.equal(masked_batch_norm(norm, x, counts), y) and not y[2].any()


def test_a_single_step_that_counts_leaves_the_statistics_finite():
    norm = nn.BatchNorm1d(2)
    masked_batch_norm(norm, torch.rand(3, 1, 2), torch.tensor([[True], [False], [False]]))
    assert norm.running_mean.isfinite().all() and norm.running_var.isfinite().all()
