"""SpikingJelly's Triton kernels of LIF neurons, interpreted on the CPU, beside the compiled scan.

On a GPU `LIF` may run them. Triton is no dependency: `pip install triton` (a wheel of 286 MB, 1 GB
installed) makes this test run on a machine without a GPU.
"""

import importlib.util
import json
import subprocess
import sys

import pytest

CHECK = """
import contextlib, json
import torch
from spikingjelly._ops.lif import triton as kernels
from snnlab.nn.neurons import LIF

torch.cuda.device = lambda device: contextlib.nullcontext()
refuse = torch._check
torch._check = lambda held, message=None: refuse(held or "requires CUDA" in message(), message)

results = []
torch.manual_seed(0)
for steps, batch, n, tau in ((12, 3, 100, 2.0), (30, 4, 64, 1.005), (1, 1, 1, 1.5)):
    x = 0.2 + 0.7 * torch.randn(steps, batch, n)
    grad = torch.randn_like(x)
    ours = LIF(tau)
    leaf = x.clone().requires_grad_()
    spikes = ours(leaf)
    spikes.backward(grad)
    # decay_input, v_threshold, v_reset, detach_reset, alpha, store_v_seq, surrogate: ATan
    constants = tau, False, 1.0, 0.0, True, 5.0, True, 1
    fired, v, charged = kernels._forward_impl(x, torch.zeros(batch, n), *constants)
    grad_x, _ = kernels._backward_impl(grad, torch.zeros_like(x), charged, *constants)
    results.append({
        "rate": spikes.mean().item(),
        "spikes": torch.equal(fired, spikes.detach()),
        "membrane": (v[-1] - ours.v).abs().max().item(),
        "gradient": (grad_x - leaf.grad).abs().max().item(),
        "largest": leaf.grad.abs().max().item(),
    })
print(json.dumps(results))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs triton: pip install triton"
)
def test_the_kernels_give_the_spikes_and_gradients_of_the_compiled_scan(monkeypatch):
    monkeypatch.setenv("TRITON_INTERPRET", "1")  # read when triton is imported
    ran = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    results = json.loads(ran.stdout)
    assert len(results) == 3 and 0.05 < results[0]["rate"] < 0.6
    for result in results:
        assert result["spikes"] and result["membrane"] < 1e-6
        assert result["gradient"] <= 1e-5 * result["largest"]
