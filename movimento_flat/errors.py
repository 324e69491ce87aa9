"""The one exception for problems that the user can fix."""

from movimento_flat.foreign_text import harmless


class UserError(Exception):
    """Something outside the program is not as it must be, and the user can fix it.

    The command line prints it without a traceback and ends with status 1.

    Args:
        what: what happened and where, in one or two sentences; it may contain foreign text, such as a server's error.
        next_step: what the user can do about it.
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what = harmless(what)
        self.next_step = harmless(next_step)
        super().__init__(self.what)

    def __str__(self) -> str:
        return f"{self.what}\n  -> {self.next_step}" if self.next_step else self.what
