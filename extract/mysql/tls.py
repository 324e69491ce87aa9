"""What goes wrong while TLS to a MySQL or MariaDB server begins.

PyMySQL's own parameters do less than is needed: `ssl_verify_identity` checks no name without `ssl_ca`, and without
either PyMySQL accepts any certificate. So it gets a finished context of Python's ssl module.
"""

import ssl

import pymysql
from pymysql.constants import CR

#: Results of OpenSSL's X509_verify_cert(3): a certificate for another name or address, and one past its time.
_MISMATCHES = (62, 64)
_EXPIRED = 10

_WITHOUT = "--tls off reads without TLS: then anybody on the way can read the data, and change them."


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
