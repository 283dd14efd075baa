"""Serves the golden sites of tests/fixtures/sites over real HTTP and TLS on this machine, by the rules of their README."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import gzip
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SITES = Path(__file__).resolve().parents[2] / "fixtures" / "sites"
ADDRESS = "198.51.100.9"  # of the sandbox's network: connections to it end in this server
_TYPES = {
    "": "text/html; charset=utf-8", ".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".txt": "text/plain",
    ".xml": "application/xml", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".ico": "image/x-icon",
    ".pdf": "application/pdf", ".php": "text/html; charset=utf-8", ".json": "application/json",
}  # fmt: skip
_NOTHING = "<!doctype html><html lang=en><title>Not found</title><p>Nothing here.</p></html>"


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of a site: where it answers and what."""

    name: str
    folder: Path
    headers: Mapping[str, str]
    tls: Mapping[str, Any] | None
    http: str
    https_base: bool
    resources: Mapping[str, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class Golden:
    """One site.yaml."""

    slug: str
    content: Mapping[str, Any]
    hosts: Mapping[str, Host]

    @property
    def base_url(self) -> str:
        return str(self.content["base_url"])

    @property
    def today(self) -> dt.date:
        return dt.date.fromisoformat(str(self.content["today"]))

    @property
    def expected(self) -> Mapping[str, Any]:
        return self.content.get("expected") or {}


def load(folder: Path) -> Golden:
    """Reads one folder."""
    content = yaml.safe_load((folder / "site.yaml").read_text())
    base = content["base_url"]
    name = base.split("//", 1)[1].split("/", 1)[0]
    hosts = {name: _host(name, folder, content, base.startswith("https:"))}
    for other, told in (content.get("hosts") or {}).items():
        hosts[other] = _host(other, folder, {**{key: content[key] for key in ("headers", "tls", "http") if key in content}, **told},
                             base.startswith("https:"))  # fmt: skip
    return Golden(content["slug"], content, hosts)


def every_site() -> list[Path]:
    """All folders with a site.yaml, by name."""
    return sorted(found.parent for found in SITES.glob("*/site.yaml"))


def lighthouse_of(site: Golden) -> dict[str, Any] | None:
    """The lighthouseResult that the site's ``lighthouse`` describes; None without one, or for one that failed."""
    told = site.content.get("lighthouse")
    if not told or told.get("runtime_error"):
        return None
    scores = {
        name: {"score": None if value is None else value / 100} for name, value in (told.get("scores") or {}).items()
    }
    audits = {name: _audit(audit) for name, audit in (told.get("audits") or {}).items()}
    return {"lighthouseVersion": str(told.get("version", "13.4.1")), "categories": scores, "audits": audits}


def field_of(site: Golden) -> dict[str, Any] | None:
    """The loadingExperience that the site's ``field`` describes."""
    told = site.content.get("field")
    if not told:
        return None
    metrics = {name: {"percentile": value} for name, value in told["metrics"].items()}
    return {"metrics": metrics, "origin_fallback": bool(told.get("origin_fallback"))}


def _audit(told: Mapping[str, Any]) -> dict[str, Any]:
    audit: dict[str, Any] = {}
    mode = "binary"
    if "numeric" in told:
        audit |= {"numericValue": told["numeric"], "score": 1}
        mode = "numeric"
    if "items" in told:
        audit |= {"details": {"items": [{} for _ in range(told["items"])]}, "score": 0 if told["items"] else 1}
    if "score" in told:
        audit["score"] = told["score"]
    return {"scoreDisplayMode": told.get("mode", mode), **audit}


def _host(name: str, folder: Path, told: Mapping[str, Any], https_base: bool) -> Host:
    tls = told.get("tls", {"valid": True, "days_left": 200})
    return Host(
        name, folder, {key.lower(): str(value) for key, value in (told.get("headers") or {}).items()},
        None if tls in ("none", None) else tls, told.get("http", "forwards" if https_base else "serves"), https_base,
        {each["path"]: each for each in told.get("resources") or []},
    )  # fmt: skip


class Authority:
    """A certificate authority of this test."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Golden sites CA")])
        self.certificate = self._sign(self.name, self.key.public_key(), None, dt.timedelta(days=4000), ca=True)
        self.site_key = ec.generate_private_key(ec.SECP256R1())

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def context(self, host: Host) -> ssl.SSLContext:
        tls = host.tls or {}
        valid = bool(tls.get("valid", True))
        life = dt.timedelta(days=int(tls.get("days_left", 200)), hours=1) if valid else dt.timedelta(days=90)
        shown = host.name if valid else "another-name.example"
        certificate = self._sign(x509.Name([]), self.site_key.public_key(), shown, life, ca=False)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # the ssl module reads keys from files only
            pem.write(certificate.public_bytes(serialization.Encoding.PEM))
            pem.write(self.site_key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                                  serialization.NoEncryption()))  # fmt: skip
            pem.flush()
            context.load_cert_chain(pem.name)
        return context

    def _sign(
        self, subject: x509.Name, public: Any, name: str | None, life: dt.timedelta, *, ca: bool
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=2)).not_valid_after(now + life)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
                                         key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                                         decipher_only=False), critical=True)
        )  # fmt: skip
        if name is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        return builder.sign(self.key, hashes.SHA256())


class GoldenServer(asyncio.DatagramProtocol):
    """DNS, HTTP and TLS of all sites on one port; ``strangers`` are hosts that were asked for and that no site has."""

    def __init__(self, hosts: Mapping[str, Host]) -> None:
        self.hosts, self.strangers, self.requests = dict(hosts), set[str](), list[tuple[str, str, str]]()
        self.authority, self._contexts, self._tasks = (
            Authority(),
            dict[str, ssl.SSLContext](),
            set[asyncio.Task[None]](),
        )
        self._default: ssl.SSLContext | None = None
        self.port = self.sent = 0
        self.addresses: dict[str, str] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[GoldenServer]:
        """Listens while the block runs."""
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self.port))
        accepting = loop.create_task(self._accept(listener))
        try:
            yield self
        finally:
            accepting.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(accepting, *self._tasks, return_exceptions=True)
            listener.close()
            transport.close()

    def connection_made(self, transport: Any) -> None:
        self._dns = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True).lower()
        answer = dns.message.make_response(query)
        if name in self.hosts:
            answer.answer.append(
                dns.rrset.from_text(query.question[0].name, 0, "IN", "A", self.addresses.get(name, ADDRESS))
            )
        else:
            self.strangers.add(name)
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._dns.sendto(answer.to_wire(), addr)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            task = loop.create_task(self._welcome(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _welcome(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        try:
            while not (first := await self._peek(connection)):  # noqa: ASYNC110  there is no event for peeking
                await asyncio.sleep(0.001)
        except OSError:
            connection.close()
            return
        tls = first == b"\x16"
        if tls and self._default is None:
            self._default = self._default_context()
        context = self._default if tls else None
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            try:
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context)
            except (OSError, ssl.SSLError):
                return
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            await self._serve(reader, writer, "https" if tls else "http")

    @staticmethod
    async def _peek(connection: socket.socket) -> bytes:
        try:
            found = connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return b""
        if not found:
            raise OSError("closed")
        return found

    def _default_context(self) -> ssl.SSLContext:
        context = self.authority.context(Host("default.example", SITES, {}, {}, "serves", True, {}))
        context.sni_callback = self._choose
        return context

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        host = self.hosts.get((name or "").lower())
        if host is None or host.tls is None:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)  # nothing answers here
        if host.name not in self._contexts:
            self._contexts[host.name] = self.authority.context(host)
        connection.context = self._contexts[host.name]
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scheme: str) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, path, _ = head[0].split(" ", 2)
                headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head[1:] if line}
                self.requests.append((method, f"{scheme}://{headers['host']}", path))
                host = self.hosts[headers["host"].lower()]
                if (fault := host.resources.get(path, {}).get("fault")) in {"flood", "drip"}:
                    await self._endless(writer, fast=fault == "flood")
                    return
                answer = await self._answer(scheme, headers, path)
                if answer is None:
                    writer.transport.abort()
                    return
                status, told, body = answer
                lines = [
                    f"HTTP/1.1 {status} X",
                    f"content-length: {len(body)}",
                    *(f"{name}: {value}" for name, value in told),
                ]
                writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _endless(self, writer: asyncio.StreamWriter, *, fast: bool) -> None:
        """A page of 300 MB as fast as it goes, or one that comes a byte at a time."""
        head = b"HTTP/1.1 200 X\r\ncontent-type: text/html\r\ncontent-length: 300000000\r\n\r\n<html><body>"
        writer.write(head)
        while not writer.transport.is_closing() and self.sent < 300_000_000:
            writer.write(b"x" * 65_536 if fast else b"x")
            await writer.drain()
            await asyncio.sleep(0 if fast else 0.02)
            self.sent += 65_536 if fast else 1

    async def _answer(
        self, scheme: str, asked: Mapping[str, str], path: str
    ) -> tuple[int, list[tuple[str, str]], bytes] | None:
        host = self.hosts[asked["host"].lower()]
        if scheme == "http" and host.https_base:
            if host.http == "closed":
                return None
            if host.http == "forwards":
                return 301, [("location", f"https://{host.name}{path}")], b""
        resource = host.resources.get(path)
        if resource is None:
            return 404, [("content-type", "text/html; charset=utf-8")], _NOTHING.encode()
        match resource.get("fault"):
            case "reset":
                return None
            case "hang":
                await asyncio.sleep(60)
            case "endless_redirect":
                return 302, [("location", path)], b""
        if "redirect" in resource:
            return int(resource.get("status", 301)), [("location", str(resource["redirect"]))], b""
        return self._resource(host, resource, asked, path)

    @staticmethod
    def _resource(
        host: Host, resource: Mapping[str, Any], asked: Mapping[str, str], path: str
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        if "file" in resource:
            body = (host.folder / resource["file"]).read_bytes()
        elif "text" in resource:
            body = str(resource["text"]).encode()
        else:
            body = b"x" * int(resource.get("bytes", 0))
        last = path.partition("?")[0].rsplit("/", 1)[-1]
        ending = f".{last.rsplit('.', 1)[1].lower()}" if "." in last else ""
        status = int(resource.get("status", 200))
        headers = dict(host.headers) if 200 <= status < 300 else {}
        headers |= {"content-type": str(resource.get("content_type", _TYPES.get(ending, "application/octet-stream")))}
        headers |= {name.lower(): str(value) for name, value in (resource.get("headers") or {}).items()}
        packed = resource.get("compressed", True) and headers["content-type"].startswith("text/html")
        if packed and "gzip" in asked.get("accept-encoding", ""):
            body = gzip.compress(body, mtime=0)
            headers["content-encoding"] = "gzip"
        told = [*headers.items(), *(("set-cookie", str(cookie)) for cookie in resource.get("set_cookie") or [])]
        return status, told, body
