"""Certificates of authorities, as people paste them."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509

CERTIFICATE_CHARACTERS = 65_536  # some thirty authorities


class CertificateUnreadable(ValueError):
    """What was given is no certificate that can vouch for a server; the message says why."""


def read_certificates(text: str) -> str:
    """Return PEM of certificates and nothing else.

    Raises
    ------
    CertificateUnreadable
        When there is no certificate, one that is no authority, or a private key beside them.
    """
    from cryptography import x509  # which no list of sources needs
    from cryptography.hazmat.primitives.serialization import Encoding

    if "PRIVATE KEY" in text:
        raise CertificateUnreadable(
            "There is a private key in it, which belongs to the server alone. Paste the "
            "certificate of the authority."
        )
    if len(text) > CERTIFICATE_CHARACTERS:
        raise CertificateUnreadable(f"Expected at most {CERTIFICATE_CHARACTERS:,} characters.")
    try:
        found = x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise CertificateUnreadable(
            "Expected PEM, which begins with -----BEGIN CERTIFICATE-----."
        ) from None
    for certificate in found:
        if not _may_sign(certificate):
            raise CertificateUnreadable(
                f"{certificate.subject.rfc4514_string() or 'It'} is the certificate of a server, "
                "not of an authority. Paste that of the authority that signed it."
            )
    return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in found)


def fingerprint(certificates: str) -> str:
    """Return what certificates are known by; empty for none."""
    return sha256(certificates.strip().encode()).hexdigest() if certificates.strip() else ""


def _may_sign(certificate: x509.Certificate) -> bool:
    from cryptography import x509

    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        # A server that signed its own certificate is its own authority.
        return certificate.issuer == certificate.subject
    return constraints.value.ca or certificate.issuer == certificate.subject
