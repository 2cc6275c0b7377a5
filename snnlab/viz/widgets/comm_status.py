"""The idle status that ipykernel 7.4 leaves out while a cell awaits something.

A browser sends the next value of a slider only after the kernel was idle from the last one. While
an async cell runs, ipykernel 7.4 handles the messages of widgets and publishes no status for them:
each slider would move its picture once, and never again.
"""

from typing import Any

from IPython import get_ipython


def publish_missing_idle() -> None:
    """Let this process's kernel publish a status for each message of a widget, in any cell.

    Older versions of ipykernel handle these messages after the cell, with a status; for them, for
    other kernels, and in a process without a kernel this changes nothing. A second idle status is
    ignored by the browser.
    """
    kernel: Any = getattr(get_ipython(), "kernel", None)
    if not hasattr(kernel, "dispatch_shell") or "dispatch_shell" in vars(kernel):
        return
    dispatch = kernel.dispatch_shell

    async def dispatch_shell(*message: Any, **options: Any) -> None:
        await dispatch(*message, **options)
        if options.get("concurrent"):
            kernel._publish_status("idle", "shell")  # its parent is the message

    kernel.dispatch_shell = dispatch_shell
