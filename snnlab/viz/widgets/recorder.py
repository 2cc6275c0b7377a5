"""A button that records the microphone in the browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray


class Recorder(anywidget.AnyWidget):
    """A button that records one channel; a second press, or `seconds`, ends the recording.

    Where the browser refuses to record, a sentence beside the button says why.

    Args:
        receive: called with each recording: samples `(n,)` in -1 to 1, and their rate in Hz.
        seconds: the longest recording.
    """

    _esm = Path(__file__).with_name("recorder.js")
    seconds = traitlets.Float(5.0).tag(sync=True)

    def __init__(
        self, receive: Callable[[NDArray[np.float32], int], object], seconds: float
    ) -> None:
        super().__init__(seconds=seconds)
        self._receive = receive
        self.on_msg(self._on_recording)

    def _on_recording(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        samples: NDArray[np.float32] = np.frombuffer(buffers[0], dtype="<f4")
        self._receive(samples, round(content["rate"]))
