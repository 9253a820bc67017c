"""A private authority for servers on loopback: a certificate to trust, and one that it signed, as PEM files."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connector_pipelines.testing.fake_api.http_server import Tls

__all__ = ["PrivateAuthority"]

_LIFETIME: Final = timedelta(days=30)


class PrivateAuthority:
    """Makes its files in a folder that the caller owns.

    Attributes:
        certificate: What clients are to trust (`SSL_CERT_FILE`, `--ca-cert`, `verify=`).
    """

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "authority.pem"
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Private authority of a fake")])
        self.certificate.write_bytes(_pem(self._signed(self._name, self._key.public_key(), ca=True)))

    def server(self, *, host: str = "127.0.0.1", names: Sequence[str] = ("localhost",)) -> Tls:
        """A certificate for an address and for names, with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        known = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host)), *map(x509.DNSName, names)])
        certificate, secret = self._folder / "server.pem", self._folder / "server-key.pem"
        certificate.write_bytes(_pem(self._signed(name, key.public_key(), ca=False, known=known)))
        secret.touch(mode=0o600)
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return Tls(certificate=certificate, key=secret)

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool, known: x509.SubjectAlternativeName | None = None
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca=ca), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if known is not None:
            certificate = certificate.add_extension(known, critical=False)
            certificate = certificate.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return certificate.sign(self._key, hashes.SHA256())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
