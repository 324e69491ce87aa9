"""A MariaDB server of the program's own, for a machine without one: no installation, no port, no root."""

from seed.private_server.server import PrivateServer

__all__ = ["PrivateServer"]
