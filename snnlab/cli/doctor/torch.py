"""What `snnlab doctor` says of torch: its build beside its companions, and the GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version

from snnlab.cli.doctor.report import Finding, anew, note, pip, well, wrong

# SpikingJelly asks for both, and what snnlab takes of it needs neither
COMPANIONS = ("torchvision", "torchaudio")


def build() -> Iterator[Finding]:
    """By metadata alone: importing a companion that does not fit may end the process."""
    torch, unfit = version("torch"), False
    for name in COMPANIONS:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if reason := _misfit(torch, found):
            unfit = True
            yield note(
                f"{name} {found.version} in {found.locate_file('')} {reason}, so it fails when it is imported; snnlab does without "
                f"it. Run {pip('uninstall', name)}."
            )
    if not unfit:
        yield well(f"torch {torch}, and beside it nothing of another build")


def gpu() -> Iterator[Finding]:
    """Whether torch sees a GPU, and if not, why not."""
    import torch

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sees = torch.cuda.is_available()
    if sees:
        count, first = torch.cuda.device_count(), torch.cuda.get_device_name()
        yield well(f"{count}, the first {first}; torch is built for CUDA {torch.version.cuda}")
        return
    cards, hidden = _cards(), os.environ.get("CUDA_VISIBLE_DEVICES")
    on_cpu = (
        "training runs on the CPU, for which the profiles tiny and course are made; paper is not"
    )
    built = f"torch {torch.__version__} in {sys.prefix}"
    if torch.version.cuda is None and not cards:
        yield note(f"there is none: {on_cpu}.")
    elif torch.version.cuda is None:
        yield note(
            f"{cards[0]} is there, but {built} is a CPU build: {on_cpu}. To use the GPU {anew()}, without TORCH_INDEX."
        )
    elif not cards:
        yield note(
            f"{built} is built for CUDA, but `nvidia-smi` names no GPU: {on_cpu}. If there is a GPU, install NVIDIA's driver; "
            "in a container, start it with the GPU."
        )
    elif hidden is not None:
        yield note(
            f"CUDA_VISIBLE_DEVICES={hidden!r} hides {cards[0]}: {on_cpu}. To use the GPU unset that variable."
        )
    else:
        reason = " ".join(str(said[-1].message).split()) if said else "it does not say why"
        yield wrong(
            f"{built} is built for CUDA {torch.version.cuda}, but does not see {cards[0]} ({reason}): {on_cpu}. Install a newer "
            f"driver of NVIDIA, or {anew('TORCH_INDEX=<url>')}, with the index that PyTorch's site names for the CUDA of this driver."
        )


def _misfit(torch: str, companion: Distribution) -> str:
    """Why a companion does not go with this torch; empty if it does, as far as metadata tell."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    if Version(torch).local == "cpu" and Version(companion.version).local != "cpu":
        return f"is no CPU build, and torch {torch} beside it is one"
    for asked in map(Requirement, companion.requires or []):
        if asked.name == "torch" and not asked.specifier.contains(torch, prereleases=True):
            return f"was made for {asked}, and torch {torch} is beside it"
    return ""


def _cards() -> list[str]:
    """The GPUs that NVIDIA's driver names."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [
        line.partition(" (UUID")[0] for line in done.stdout.splitlines() if line.startswith("GPU ")
    ]
