"""Whose certificates are trusted, and which one of ours is shown: the TLS of every client."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.outbound import Outbound
from connector_pipelines.net._sockets import PatientTls
from connector_pipelines.net.protocols import ClientCertificate

__all__ = ["tls_context", "trusting"]


def tls_context(outbound: Outbound, certificate: ClientCertificate | None = None) -> ssl.SSLContext:
    """A context that trusts whom `outbound` names, and shows `certificate`.

    Raises:
        ConfigurationError: What `outbound` names cannot be read, or the certificate does not fit its key.
    """
    if certificate is None:
        return trusting(outbound)
    context = _fresh(outbound)
    password = certificate.password
    with _as_file(certificate) as path:
        try:
            context.load_cert_chain(path, password=password.get_secret_value() if password else "")
        except (ssl.SSLError, OSError):
            # Not its cause: OpenSSL may quote what it could not read.
            problem = True
        else:
            problem = False
    if problem:
        raise ConfigurationError(
            "the client certificate cannot be used: it is no PEM, its key does not belong to it, or the key's password is wrong",
            advice="check certificate, key and password of the connector's `auth`",
        )
    return context


@lru_cache(maxsize=8)
def trusting(outbound: Outbound) -> ssl.SSLContext:
    """The context without a certificate of ours, made once: reading the authorities takes tens of milliseconds."""
    return _fresh(outbound)


def _fresh(outbound: Outbound) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = PatientTls
    if outbound.ca_file is None and outbound.ca_folder is None:
        import certifi

        # The system's, for whom a company has added; certifi's, for images that come without any.
        context.load_default_certs()
        context.load_verify_locations(certifi.where())
        return context
    try:
        context.load_verify_locations(outbound.ca_file, outbound.ca_folder)
    except (ssl.SSLError, OSError) as error:
        named = " and ".join(str(path) for path in (outbound.ca_file, outbound.ca_folder) if path)
        raise ConfigurationError(
            f"certificate authorities cannot be read from {named}: {type(error).__name__}",
            advice="SSL_CERT_FILE or REQUESTS_CA_BUNDLE name a PEM file, SSL_CERT_DIR a folder",
        ) from error
    return context


@contextmanager
def _as_file(certificate: ClientCertificate) -> Iterator[str]:
    """OpenSSL reads nothing but files: one in memory where there are such, else one that only we can read."""
    text = f"{certificate.certificate.get_secret_value()}\n{certificate.key.get_secret_value()}\n".encode()
    if hasattr(os, "memfd_create"):
        held = os.memfd_create("certificate")
        try:
            os.write(held, text)
            yield f"/proc/self/fd/{held}"
        finally:
            os.close(held)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        yield file.name
