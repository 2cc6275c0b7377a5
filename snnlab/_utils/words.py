"""Words of sentences that are put together."""


def counted(n: int, noun: str) -> str:
    """Return a number and a noun, which gets an s unless the number is 1.

    Args:
        n: the number.
        noun: one of them.

    Returns:
        Both.

    Example:
        >>> counted(1, "spike"), counted(0, "spike")
        ('1 spike', '0 spikes')
    """
    return f"{n} {noun}{'s' * (n != 1)}"
