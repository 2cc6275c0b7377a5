"""SIGKILL in the middle of a conversion, for the tests of converters."""

import signal
import subprocess
import sys


def kill_while_writing_the_third(imports: str, call: str) -> None:
    """Run `call` in a process of its own, which dies half-way through its third npz file."""
    script = f"""if True:
        import os, signal
        import numpy as np
        {imports}

        save = np.savez_compressed
        def dying(file, **arrays):
            dying.calls += 1
            if dying.calls == 3:
                open(file, "wb").write(b"PK")
                os.kill(os.getpid(), signal.SIGKILL)
            save(file, **arrays)

        dying.calls, np.savez_compressed = 0, dying
        {call}
    """
    run = subprocess.run(
        [sys.executable, "-c", script], check=False, stderr=subprocess.DEVNULL, timeout=300
    )
    assert run.returncode == -signal.SIGKILL
