"""The one exception that speaks to a person."""


class SnnlabError(ValueError):
    """Something given to snnlab was wrong.

    The message is one sentence: what was wrong, where, what was expected, what to do. The command
    line prints it without a traceback and exits with code 2.
    """
