"""A source may name the authority that vouches for its server, and nobody else is believed then."""

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from feedback.domain.certificates import CertificateUnreadable, fingerprint, read_certificates
from feedback.domain.endpoints import Endpoint, refuse_variable
from feedback.jobs.collection import collect
from feedback.models import FeedbackSource
from feedback.models.passwords import PasswordUnavailable, password_of
from tests.feedback.conftest import READER_PASSWORD, make_source
from tests.feedback.hostile import serving
from tests.feedback.test_admin import form_of, url

VARIABLE = "FEEDBACK_PASSWORD_MAIN"


def signed(name, *, by=None, is_authority=False):
    """Make a key and its certificate, signed by another pair, else by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer = (key, subject) if by is None else (by[0], by[1].subject)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return key, certificate


def pem(certificate):
    return certificate.public_bytes(Encoding.PEM).decode()


@pytest.fixture(scope="module")
def authority():
    return signed("An authority of our own", is_authority=True)


@pytest.fixture(scope="module")
def tls(authority, tmp_path_factory):
    """Give what a server needs that this authority vouches for."""
    key, certificate = signed("127.0.0.1", by=authority)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path.write_text(private + pem(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def collected(settings, server, **fields):
    source = make_source(
        settings, host="127.0.0.1", port=server.port, **{"sslmode": "verify-full", **fields}
    )
    settings.FEEDBACK_ALLOWED_HOSTS = ["127.0.0.1:*"]
    (run,) = collect(source, tables=["quality_feedback"])
    return run


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_server_that_the_sources_own_authority_vouches_for_is_read(
    db, settings, authority, tls, tmp_path, monkeypatch, mode
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with serving({}, tls=tls) as server:
        run = collected(settings, server, sslmode=mode, ca_certificate=pem(authority[1]))
    assert (run.state, run.found, run.error) == ("complete", 3, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("own", [False, True], ids=["this machine's", "another"])
def test_a_server_that_nobody_believed_vouches_for_gets_no_password(db, settings, tls, own):
    another = pem(signed("Another authority", is_authority=True)[1]) if own else ""
    with serving({}, tls=tls) as server:
        run = collected(settings, server, ca_certificate=another)
        assert server.passwords == []
    assert run.state == "failed"
    assert "certificate verify failed" in run.error


# --- What is taken --------------------------------------------------------------------------------


def test_what_is_kept_is_certificates_and_nothing_else(authority):
    text = f"Subject: our authority\r\n{pem(authority[1])}\r\nand more words"
    assert read_certificates(text) == pem(authority[1])
    assert read_certificates(text + text) == 2 * pem(authority[1])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("words", "Expected PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "Expected PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private key"),
        ("x" * 70_000, "at most"),
    ],
)
def test_anything_else_is_refused_in_words(given, said):
    with pytest.raises(CertificateUnreadable, match=said):
        read_certificates(given)


def test_the_certificate_of_a_server_is_no_authority(authority):
    with pytest.raises(CertificateUnreadable, match="of a server"):
        read_certificates(pem(signed("db.example.org", by=authority)[1]))
    assert read_certificates(pem(signed("db.example.org")[1]))  # it signed itself


def test_the_form_takes_it_where_it_is_looked_at(source, authority, admin_client):
    page = url("feedback_feedbacksource_change", source.pk)
    answers = {"ca_certificate": pem(authority[1])}
    refused = admin_client.post(page, form_of(source, **answers))
    assert "is looked at by verify-ca" in refused.content.decode()
    taken = admin_client.post(page, form_of(source, sslmode="verify-full", **answers))
    assert taken.status_code == 302
    assert FeedbackSource.objects.get().ca_certificate == pem(authority[1])
    assert password_of(FeedbackSource.objects.get()) == READER_PASSWORD


# --- Whom a password believes ---------------------------------------------------------------------


def test_a_password_that_was_given_to_one_authority_is_not_given_to_another(
    db, settings, authority
):
    source = make_source(settings, sslmode="verify-full", ca_certificate=pem(authority[1]))
    assert password_of(source) == READER_PASSWORD
    for other in ("", pem(signed("Another", is_authority=True)[1])):
        FeedbackSource.objects.update(ca_certificate=other)
        with pytest.raises(PasswordUnavailable, match="Enter the password again"):
            password_of(FeedbackSource.objects.get())


def test_a_variable_that_asks_for_certificates_means_those_of_the_machine():
    at = ("db.example.org", 5432, "ratings", "reader", "verify-full")
    own = Endpoint(*at, fingerprint("an authority"))
    strict, lax = (f"{VARIABLE}=db.example.org:5432{mode}" for mode in ("?sslmode=verify-full", ""))
    assert refuse_variable(VARIABLE, Endpoint(*at), [strict]) == ""
    assert refuse_variable(VARIABLE, own, [lax]) == ""
    assert "may not be used" in refuse_variable(VARIABLE, own, [strict])
