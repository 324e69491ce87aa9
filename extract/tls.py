"""TLS to a database server: the certificate and its name are verified unless the server is on this machine.

PyMySQL's own parameters do less: `ssl_verify_identity` checks no name without `ssl_ca`, and without either PyMySQL
accepts any certificate. So it gets a finished context of Python's ssl module.
"""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pymysql
from pymysql.constants import CR

from movimento_flat.errors import UserError

VERIFY, OFF = "verify", "off"

#: Results of OpenSSL's X509_verify_cert(3): a certificate for another name or address, and one past its time.
_MISMATCHES = (62, 64)
_EXPIRED = 10

_WITHOUT = "--tls off reads without TLS: then anybody on the way can read the data, and change them."


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


def tls_trouble(error: pymysql.MySQLError) -> tuple[str, str] | None:
    """Return what went wrong while TLS began, and the next step; None for any other error."""
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = cause.verify_message.rstrip(".")
        if cause.verify_code in _MISMATCHES:
            next_step = "Write the host in SOURCE as the certificate names it (its subjectAltName)."
        elif cause.verify_code == _EXPIRED:
            next_step = "The server needs a new certificate."
        else:
            next_step = "Name the authority that signed it: --tls-ca FILE."
        return f"the server's certificate is not accepted: {reason}", f"{next_step} {_WITHOUT}"
    if isinstance(cause, ssl.SSLError):
        return (
            f"TLS could not begin: {cause.reason or cause}",
            f"Correct the server's TLS settings. {_WITHOUT}",
        )
    if error.args and error.args[0] == CR.CR_SSL_CONNECTION_ERROR:
        return "the server speaks no TLS", f"Give the server a certificate. {_WITHOUT}"
    return None
