"""Certificates for tests, and contexts that trust them."""

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from . import run


def certificate(folder, name="proxy.test"):
    """An authority and a certificate signed by it."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def make(subject, key, issuer, issuer_key, is_ca):
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)])).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=10)).add_extension(x509.BasicConstraints(is_ca, None), True)
        if not is_ca:
            names = [x509.DNSName(subject), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    folder.mkdir(exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(make("test authority", ca_key, "test authority", ca_key, True))
    (folder / "cert.pem").write_bytes(make(name, key, "test authority", ca_key, False))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                       serialization.NoEncryption()))
    return folder


def trusting(ca=None, check_name=False):
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = check_name
    if ca is None:
        context.verify_mode = ssl.CERT_NONE
    return context


def old_certificate(folder, *key):
    """A self-signed certificate of X.509 version 1, as `openssl x509 -req` makes them without extensions; `key` is told to `openssl req`."""
    folder.mkdir(exist_ok=True)
    run(["openssl", "req", "-new", "-nodes", "-subj", "/CN=old", "-keyout", folder / "key.pem", "-out", folder / "csr.pem",
         *(key or ["-newkey", "rsa:2048"])]).check_returncode()
    run(["openssl", "x509", "-req", "-days", "10", "-in", folder / "csr.pem", "-signkey", folder / "key.pem",
         "-out", folder / "cert.pem"]).check_returncode()
    assert "Version: 1 " in run(["openssl", "x509", "-noout", "-text", "-in", folder / "cert.pem"]).stdout
    return folder
