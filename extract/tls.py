"""TLS to a database server: the certificate and its name are verified unless the server is on this machine."""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from movimento_flat.errors import UserError

VERIFY, OFF = "verify", "off"


@dataclass(frozen=True)
class Tls:
    """How the connection to a server is to be protected.

    Attributes:
        mode: VERIFY, OFF, or None: VERIFY where the server is not on this machine, or an authority is named.
        authority: PEM file of the certificates to trust; those of the system when None.
    """

    mode: str | None = None
    authority: Path | None = None

    def context(self, host: str, unix_socket: str | None) -> ssl.SSLContext | None:
        """Return the context for PyMySQL's `ssl`; None for a connection without TLS.

        Raises:
            UserError: the authority's file cannot be read or holds no certificate.
        """
        asked = self.mode or (VERIFY if self.authority else None)
        if asked == OFF or (asked is None and (unix_socket or is_loopback(host))):
            return None
        try:
            context = ssl.create_default_context(cafile=self.authority)
        except OSError as error:
            reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise UserError(
                f"The authority's file {self.authority} cannot be used: {reason}.",
                "--tls-ca is the certificate (PEM) of the authority that signed the server's.",
            ) from error
        # From Python 3.13 on this flag refuses the authorities that MySQL and openssl make by themselves.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine's loopback: localhost, 127.0.0.0/8, ::1."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return is_localhost(host)


def is_localhost(host: str) -> bool:
    """Return whether a host is called localhost, which always is this machine (RFC 6761)."""
    return host.lower().removesuffix(".") == "localhost"
