"""How long a database server may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TimeLimits:
    """Seconds that a database server may take: the one policy, for all connections.

    Attributes:
        connect: to find the addresses of its name, and then to reach each of them.
        login: after that, until the session is set: greeting, TLS, password, settings. It is one limit for all of
            them, so a server that sends a byte now and then does not extend it.
        answer: of silence before an answer begins. A server that counts rows is silent and alive, so this is long.
        rest: of silence within an answer. An answer that has begun is complete in the server's memory, so only a
            server or network that has stopped is silent then.
    """

    connect: float = 10
    login: float = 30
    answer: float = 1800
    rest: float = 60
