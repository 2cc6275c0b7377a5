"""Export to Brian2: a script that holds its network and needs Brian2 alone."""

import base64
import io
from pathlib import Path

import numpy as np

from snnlab.delays.export.plain import PlainNetwork

TEMPLATE = Path(__file__).with_name("brian2_script.py")


def write(plain: PlainNetwork, path: Path) -> None:
    """Write the script: `brian2_script.py` with the network's arrays in it."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **plain.arrays())
    arrays = base64.encodebytes(content.getvalue()).decode()
    script = TEMPLATE.read_text(encoding="utf-8").replace('ARRAYS = ""', f'ARRAYS = """{arrays}"""')
    path.write_text(script, encoding="utf-8")
