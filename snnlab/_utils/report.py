"""Reports of checks: findings, each with a status and a sentence."""

from dataclasses import dataclass
from functools import partial
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        status: `ok`; `error`, which has to be repaired; or `info`, which concerns some users only
            or rests on an uncertain source.
        text: what is there, or what is wrong, where, what was expected, and what to do.
    """

    status: Literal["ok", "error", "info"]
    text: str


ok = partial(Finding, "ok")
error = partial(Finding, "error")
info = partial(Finding, "info")
