"""Reports of checks: findings, each with a status and a sentence."""

from dataclasses import dataclass
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


def ok(text: str) -> Finding:
    """Report that something is as it should be."""
    return Finding("ok", text)


def error(text: str) -> Finding:
    """Report something that has to be repaired."""
    return Finding("error", text)


def info(text: str) -> Finding:
    """Report something that only some users have to change."""
    return Finding("info", text)
