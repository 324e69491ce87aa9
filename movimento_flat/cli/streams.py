"""Standard streams as they may come: closed, or of a terminal that has no letters but those of ASCII."""

import os
import sys


def open_closed_streams() -> None:
    """Let standard streams that are closed lead nowhere, and write what a stream has no letter for as an escape.

    A file that is opened later would get the number of a closed one, and what is said would be written into it.
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
