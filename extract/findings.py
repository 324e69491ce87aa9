"""What `doctor` has found out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from extract.tls import OFF
from movimento_flat.errors import UserError

OK, NOTE, PROBLEM = "ok", "note", "problem"


@dataclass(frozen=True)
class Finding:
    """The result of one check of `doctor`.

    Attributes:
        level: OK; NOTE, with which a run works; or PROBLEM.
        subject: what was checked, in a word.
        what: the result, in words.
        next_step: what to do about it.
    """

    level: str
    subject: str
    what: str
    next_step: str = ""

    @classmethod
    def failed(cls, subject: str, error: UserError) -> Self:
        """Return the finding of a check that has failed."""
        return cls(PROBLEM, subject, error.what, error.next_step)


def tls_finding(version: str | None, mode: str | None) -> Finding:
    """Return the finding on TLS: its version where there is one, and the mode that was asked for."""
    if version:
        return Finding(OK, "TLS", f"{version}, the server's certificate and name are verified")
    if mode == OFF:
        return Finding(NOTE, "TLS", "off, as asked", "Anybody on the way can read the data, and change them.")
    return Finding(OK, "TLS", "none, and none needed: the server is on this machine")


def account_finding(user: str, allow_writer: bool, refuse_writers: Callable[[], None]) -> Finding:
    """Return the finding on an account; `refuse_writers` raises a UserError where it could change the database."""
    try:
        refuse_writers()
    except UserError as error:
        return Finding(NOTE if allow_writer else PROBLEM, "account", error.what, error.next_step)
    return Finding(OK, "account", f"{user} can read and not write")
