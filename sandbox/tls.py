"""TLS for every site under the sandbox's own CA: certificates are made when a name is first asked for (SNI)."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.state import Sandbox

LIFE = dt.timedelta(days=365)


class Authority:
    """A CA of this process, and one server context per name."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "LeadFactory sandbox CA")])
        self._certificate = self._sign(self._name, self._key.public_key(), ca=True, names=())
        self._site_key = ec.generate_private_key(ec.SECP256R1())
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.context = self._context("sandbox.example")
        self.context.sni_callback = self._choose

    def write(self, file: Path) -> None:
        """Writes the CA's certificate as PEM, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        beside.replace(file)

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        """Gives the connection the certificate of ``name``, or refuses it where the site has no HTTPS."""
        if not name:
            return None
        site = self._sandbox.world.site(name)
        if site is not None and "no_https" in site.defects:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        shown = "wrong-name.example" if site is not None and site.behaviour == "bad_certificate" else name
        connection.context = self._contexts.get(shown) or self._context(shown)
        return None

    def _context(self, name: str) -> ssl.SSLContext:
        certificate = self._sign(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]),
            self._site_key.public_key(),
            ca=False,
            names=(name,),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # the ssl module reads keys from files only
            pem.write(certificate.public_bytes(serialization.Encoding.PEM))
            pem.write(
                self._site_key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            pem.flush()
            context.load_cert_chain(pem.name)
        self._contexts[name] = context
        return context

    def _sign(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool, names: tuple[str, ...]
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
                    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
        )  # fmt: skip
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())
