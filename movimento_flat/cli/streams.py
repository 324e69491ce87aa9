"""Prepares standard streams, which may be closed, or belong to a terminal that has only ASCII."""

import os
import sys


def open_closed_streams() -> None:
    """Open closed standard streams on /dev/null, and write characters that a stream cannot encode as escapes.

    A file opened later would otherwise get the number of a closed stream, and messages would be written into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            stream = os.fdopen(number, mode, encoding="utf-8")
            setattr(sys, name, stream)
        if mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
