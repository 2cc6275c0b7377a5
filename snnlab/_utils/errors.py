"""The exception with a message for users."""


class SnnlabError(ValueError):
    """An input to snnlab is wrong.

    The message is one sentence: what was wrong, where, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.
    """
