"""Certificates for tests: an authority, and what it signs, made anew each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """It signs certificates.

    Attributes:
        file: its own certificate, PEM.
    """

    file: Path
    _key: rsa.RSAPrivateKey
    _name: x509.Name

    @classmethod
    def make(cls, file: Path) -> "Authority":
        """A new one; nothing of an earlier one is used."""
        key, name = _new_key(), _named(f"authority of {file.name}")
        certificate = _builder(key, name, name, timedelta(days=30)).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        file.write_bytes(certificate.sign(key, SHA256()).public_bytes(Encoding.PEM))
        return cls(file, key, name)

    def sign(
        self,
        folder: Path,
        names: Sequence[str] = (),
        addresses: Sequence[str] = (),
        lasts: timedelta = timedelta(days=30),
    ) -> None:
        """Write key.pem and certificate.pem into `folder`, for a server of these names and addresses."""
        key = _new_key()
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ip_address(address)) for address in addresses]
        certificate = _builder(key, _named("a database"), self._name, lasts).add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        )
        (folder / "certificate.pem").write_bytes(
            certificate.sign(self._key, SHA256()).public_bytes(Encoding.PEM)
        )
        (folder / "key.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    key: rsa.RSAPrivateKey, subject: x509.Name, issuer: x509.Name, lasts: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + lasts)
    )
