"""The options of a job of the join: what shows of cards and people, by which key, and as of which moment."""

import os
import struct
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from movimento_flat.privacy import CARD_MODES, DATES_MODES, FULL, PEOPLE_MODES, Privacy

#: Hadoop's own secret store: a job's credentials, which only its tasks can read, under this name.
KEY_NAME = "movimento-flat.key"
#: A variable that names a file with the key, for tasks that Hadoop runs on the machine of the `hadoop` command.
KEY_FILE_VARIABLE = "MOVIMENTO_FLAT_KEY_FILE"
_TOKEN_FILE = "HADOOP_TOKEN_FILE_LOCATION"  # noqa: S105  # the name of a variable


@dataclass(frozen=True)
class JobOptions:
    """See the module.

    Attributes:
        privacy: what shows.
        now: the clock of the source, `YYYY-MM-DD HH:MM:SS`: movements after it lie in the future.
        key_file: file with the key of tokens and fingerprints; on a cluster the tasks find the key, and no file, in
            the job's credentials.
        check_digits: whether card numbers with a wrong check digit are reported.
    """

    privacy: Privacy = Privacy()  # noqa: RUF009  # it is frozen
    now: str | None = None
    key_file: Path | None = None
    check_digits: bool = True

    @staticmethod
    def add_options(add: Callable[..., Any]) -> None:
        """Declare them by a function like argparse's `add_argument`."""
        add("--card", choices=CARD_MODES, default=FULL, help="Card numbers in full, masked, or as tokens.")
        add(
            "--people", choices=PEOPLE_MODES, default=FULL, help="Names in full, or tokens of the associates."
        )
        add("--dates", choices=DATES_MODES, default=FULL, help="Moments in full, or their day or month.")
        add("--drop", action="append", default=[], metavar="COLUMN", help="A column to leave out.")
        add(
            "--with-ids",
            action="store_true",
            help="Also the ids of the four tables, after the other columns.",
        )
        add("--now", help="Clock of the source: movements after it lie in the future.")
        add("--key-file", help="File with the key of tokens.")
        add("--no-check-digits", action="store_true", help="Report no wrong check digit of a card number.")

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """Return the options that a command line has."""
        privacy = Privacy(
            options.card, options.people, frozenset(options.drop), options.with_ids, options.dates
        )
        key_file = Path(options.key_file) if options.key_file else None
        return cls(privacy, options.now, key_file, not options.no_check_digits)

    def arguments(self) -> list[str]:
        """Return them as words of a command line."""
        arguments = [f"--card={self.privacy.card}", f"--people={self.privacy.people}"]
        arguments += [f"--dates={self.privacy.dates}"]
        arguments += [f"--drop={column}" for column in sorted(self.privacy.dropped)]
        arguments += ["--with-ids"] if self.privacy.ids else []
        arguments += [f"--now={self.now}"] if self.now else []
        arguments += [] if self.check_digits else ["--no-check-digits"]
        return arguments + ([f"--key-file={self.key_file}"] if self.key_file else [])

    def key(self) -> bytes:
        """Return the key; empty where there is none and none is needed.

        Raises:
            ValueError: there is none, and the options ask for tokens, or for fingerprints of hidden card numbers.
        """
        key = b""
        if name := self.key_file or os.environ.get(KEY_FILE_VARIABLE):
            key = Path(name).read_bytes().strip()
        elif file := os.environ.get(_TOKEN_FILE):
            key = secrets_of(Path(file).read_bytes()).get(KEY_NAME.encode(), b"")
        if not key and (self.privacy.needs_key or self.privacy.hides_numbers):
            raise ValueError("Tokens, and fingerprints of hidden card numbers, need a key: --key-file.")
        return key


def secrets_of(credentials: bytes) -> dict[bytes, bytes]:
    """Return the secrets in Hadoop's credentials, as tasks have them (org.apache.hadoop.security.Credentials).

    Raises:
        ValueError: another format.
    """
    if credentials[:5] != b"HDTS\0":
        raise ValueError("Credentials of an unknown format.")
    rest = _Reader(credentials[5:])
    for _ in range(rest.number()):
        rest.text()  # the token's alias, then identifier, password, kind and service
        for _ in range(4):
            rest.text()
    return {rest.text(): rest.text() for _ in range(rest.number())}


class _Reader:
    """Reads Hadoop's variable-length numbers, and texts that follow such a length (WritableUtils)."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def number(self) -> int:
        (first,) = struct.unpack("b", self._take(1))
        if first >= -112:
            return int(first)
        length, negative = (-120 - first, True) if first < -120 else (-112 - first, False)
        value = int.from_bytes(self._take(length), "big")
        return ~value if negative else value

    def text(self) -> bytes:
        return self._take(self.number())

    def _take(self, length: int) -> bytes:
        taken = self._content[self._at : self._at + length]
        if len(taken) != length:
            raise ValueError("Credentials that end too early.")
        self._at += length
        return taken
