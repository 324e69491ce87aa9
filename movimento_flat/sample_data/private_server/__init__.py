"""A MariaDB server of the program's own, for a machine without one: no installation, no port, no root."""

from movimento_flat.sample_data.private_server.server import PrivateServer

__all__ = ["PrivateServer"]
