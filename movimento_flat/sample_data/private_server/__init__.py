"""Runs a private MariaDB server, for a machine without one: no installation, no port, no root."""

from movimento_flat.sample_data.private_server.server import PrivateServer, data_folder

__all__ = ["PrivateServer", "data_folder"]
