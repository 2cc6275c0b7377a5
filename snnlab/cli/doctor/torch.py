"""The doctor's checks of torch: the builds of its companions, and the GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from snnlab._utils.report import Finding, error, info, ok
from snnlab.cli.doctor.repair import new_environment, pip

# SpikingJelly requires both; the parts of it that snnlab uses need neither
COMPANIONS = ("torchvision", "torchaudio")


def build() -> Iterator[Finding]:
    """Compare the builds of torch and its companions, by metadata.

    `pip check` compares version numbers only. Importing a companion that does not fit may end the
    process.
    """
    torch, mismatch = version("torch"), False
    for name in COMPANIONS:
        try:
            companion = version(name)
        except PackageNotFoundError:
            continue
        if ("+cpu" in torch) > ("+cpu" in companion):
            mismatch = True
            yield info(
                f"{name} {companion} in {sys.prefix} is not a CPU build, but torch {torch} is, so "
                f"importing {name} fails; snnlab does not need it. Run {pip('uninstall', name)}."
            )
    if not mismatch:
        yield ok(f"no companion of torch {torch} is of another build")


def gpu() -> Iterator[Finding]:
    """Check whether torch sees a GPU, and if not, why not."""
    import torch

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    if available:
        count, name = torch.cuda.device_count(), torch.cuda.get_device_name()
        yield ok(f"{count}, the first {name}; torch is built for CUDA {torch.version.cuda}")
        return
    card, hidden = _first_card(), os.environ.get("CUDA_VISIBLE_DEVICES")
    result = "training runs on the CPU, which suits the profiles tiny and course but not paper"
    torch_build = f"torch {torch.__version__} in {sys.prefix}"
    if torch.backends.mps.is_available():
        yield info(
            "there is Apple's GPU, which snnlab does not use, as it has no 64-bit numbers; "
            f"{result}."
        )
    elif not card and torch.version.cuda is None:
        yield info(f"there is none; {result}.")
    elif not card:
        yield info(
            f"{torch_build} is built for CUDA, but `nvidia-smi` lists no GPU; {result}. If there "
            "is a GPU, install NVIDIA's driver; in a container, pass the GPU through."
        )
    elif torch.version.cuda is None:
        yield info(
            f"there is {card}, but {torch_build} is a CPU build; {result}. To use the GPU, "
            f"{new_environment()}, without an index for CPU builds."
        )
    elif hidden is not None:
        yield info(
            f"CUDA_VISIBLE_DEVICES={hidden!r} hides {card}; {result}. Unset that variable to use "
            "the GPU."
        )
    else:
        reason = " ".join(str(caught[-1].message).split()) if caught else "no reason is given"
        yield error(
            f"{torch_build}, built for CUDA {torch.version.cuda}, cannot use {card} ({reason}); "
            f"{result}. Install a newer NVIDIA driver, or {new_environment('<url>')}, with "
            "the index that pytorch.org names for the driver's CUDA version."
        )


def _first_card() -> str:
    """Return the first GPU that NVIDIA's driver lists, or ""."""
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], check=True, capture_output=True, text=True, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    cards = [line for line in listing.splitlines() if line.startswith("GPU ")]
    return cards[0].partition(" (UUID")[0] if cards else ""
