"""Log-mel features: the energy of each frequency band in each 10 ms, in dB."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from snnlab._utils.errors import SnnlabError

RATE = 16_000  # Hz, of the waves that come in

_WIDTH = 6  # zero crossings of the sinc on each side
_ROLLOFF = 0.99  # of the new Nyquist frequency: where the resampling filter cuts
_SILENCE = 1e-10  # what counts as no energy: -100 dB
_TOGETHER = 64  # waves at a time: what is in between stays in a processor's cache


@dataclass(frozen=True)
class Mel:
    """How log-mel features are made.

    Attributes:
        rate: Hz, to which the waves are resampled; 16,000 divided by a whole number.
        n_fft: samples of a window, periodic Hann.
        hop: samples from one window to the next.
        n_mels: channels, their middles evenly spaced on HTK's mel scale.
        f_min, f_max: Hz, where the first channel begins and the last one ends.

    Raises:
        SnnlabError: `rate` does not divide 16,000.
    """

    rate: int = 8_000
    n_fft: int = 256
    hop: int = 80
    n_mels: int = 140
    f_min: float = 50.0
    f_max: float = 14_000.0

    def __post_init__(self) -> None:
        """Check the rate."""
        if self.rate < 1 or RATE % self.rate:
            raise SnnlabError(
                f"rate is {self.rate}; {RATE} Hz divided by a whole number was expected. Choose "
                f"{RATE} or {RATE // 2}."
            )

    @property
    def dt_ms(self) -> float:
        """Length of a time step, ms."""
        return 1000 * self.hop / self.rate


# As Hammouamri et al. 2024 have it. The channels go up to 14 kHz, but at 8 kHz nothing is heard
# above 4 kHz: 53 of them stay at -100 dB for ever.
PAPER = Mel()
# Channels to 4 kHz. With 80 of them the lowest share a frequency bin, and neighbours say the same;
# with 40 none do.
SANE = Mel(n_mels=40, f_max=4_000.0)


def log_mel(waves: Tensor, mel: Mel = PAPER) -> Tensor:
    """Compute the log-mel energies of waves, on their device.

    Args:
        waves: (B, samples) float32 at 16 kHz, full scale 1; at least one window (512 samples for 8
            kHz).
        mel: how.

    Returns:
        (T, B, n_mels) float32, dB, nothing below -100. A second gives 101 time steps of 10 ms: the
        windows are centred on 0, 10, ... ms, and the wave is reflected at its ends.

    Raises:
        SnnlabError: the waves have another shape or type, or are shorter than a window.
    """
    shortest = mel.n_fft * RATE // mel.rate
    if waves.dim() != 2 or waves.dtype != torch.float32 or waves.shape[1] < shortest:
        raise SnnlabError(
            f"waves are {tuple(waves.shape)} of {str(waves.dtype).removeprefix('torch.')}; (B, "
            "samples) of float32 with at "
            f"least {shortest} samples was expected. Pad what is shorter."
        )
    window = torch.hann_window(mel.n_fft, device=waves.device)
    bank = filters(mel).to(waves.device)
    parts = [_energies(part, mel, window, bank) for part in waves.split(_TOGETHER)]
    return 10 * torch.cat(parts, 1).clamp(min=_SILENCE).log10()


def filters(mel: Mel) -> Tensor:
    """Return the triangular filters, (n_fft // 2 + 1, n_mels) float32: HTK's scale, height 1.

    In float32 throughout, as torchaudio has them: of a channel that catches a single frequency bin
    with the foot of its triangle, float64 would change the fourth decimal in dB.
    """
    frequencies = torch.linspace(0, mel.rate // 2, mel.n_fft // 2 + 1)
    edges = _edges(mel)
    widths = edges.diff()
    distances = edges - frequencies[:, None]  # (bins, n_mels + 2)
    rising, falling = -distances[:, :-2] / widths[:-1], distances[:, 2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0)


def middles(mel: Mel) -> np.ndarray:
    """Return the centre frequency of each channel, (n_mels,) Hz, ascending."""
    return _edges(mel)[1:-1].double().numpy()


def _edges(mel: Mel) -> Tensor:
    """Return the corners of the triangles, (n_mels + 2,) Hz: a peak is where neighbours end."""
    low, high = (2595 * math.log10(1 + f / 700) for f in (mel.f_min, mel.f_max))
    return 700 * (10 ** (torch.linspace(low, high, mel.n_mels + 2) / 2595) - 1)


def resample(waves: Tensor, rate: int) -> Tensor:
    """Resample waves (B, samples) from 16 kHz to `rate` Hz by a sinc under a Hann window.

    The filter is torchaudio's: six zero crossings on each side, cut at 0.99 of the new Nyquist
    frequency.
    """
    step = RATE // rate
    if step == 1:
        return waves
    width = math.ceil(_WIDTH * step / _ROLLOFF)
    t = torch.arange(-width, width + step, dtype=torch.float64) * _ROLLOFF / step
    t = t.clamp(-_WIDTH, _WIDTH)
    taps = torch.sinc(t) * torch.cos(t * math.pi / _WIDTH / 2) ** 2 * _ROLLOFF / step
    padded = F.pad(waves, (width, width + step))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # else a GPU rounds to 10 bits
        return F.conv1d(padded[:, None], taps.float().to(waves.device)[None, None], stride=step)[
            :, 0, : -(-waves.shape[1] // step)
        ]


def _energies(waves: Tensor, mel: Mel, window: Tensor, bank: Tensor) -> Tensor:
    """Compute energies (T, B, n_mels) of waves (B, samples)."""
    spectrum = torch.stft(
        resample(waves, mel.rate),
        mel.n_fft,
        mel.hop,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    return spectrum.abs().square().permute(2, 0, 1) @ bank  # (bins, T) of each to (T, B, bins)
