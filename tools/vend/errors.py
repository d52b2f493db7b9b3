"""What goes wrong, as sentences for the person who has to mend it."""


class VendError(Exception):
    """Something failed or differs: the command prints the sentence and exits 1.

    The message says what is wrong and what to do next, and never holds a secret.
    """

    exit_code = 1


class InUseError(VendError):
    """Another process holds the DuckDB file; it may be free in a moment."""


class UsageError(VendError):
    """The command line or the environment is wrong: exit 2."""

    exit_code = 2
