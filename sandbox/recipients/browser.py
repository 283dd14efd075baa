"""A recipient's browser: follows links and fills in forms as a person without JavaScript would. Only to this machine.

A letter may hold any link; a simulated person must never bother a real server, so that names with a dot are not followed.
"""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import ssl
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

_REDIRECTS = 6
_TIMEOUT_S = 30.0
_KEPT_BYTES = 4 * 1024 * 1024


@dataclasses.dataclass
class Form:
    """A form as it stands in the page: ``fields`` holds what it would send as it is, ``label`` the words of its button."""

    action: str
    method: str
    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    label: str = ""


@dataclasses.dataclass(frozen=True)
class Page:
    """What came back at the end of the redirects."""

    url: str
    status: int
    media_type: str
    size: int
    forms: tuple[Form, ...] = ()
    links: tuple[tuple[str, str], ...] = ()

    def form(self, *words: str) -> Form | None:
        """The first form to be posted whose action or button holds one of ``words``."""
        posts = (form for form in self.forms if form.method == "post")
        return next((f for f in posts if any(word in f"{f.action} {f.label}".lower() for word in words)), None)


class NotOurs(ValueError):
    """A link that leads elsewhere."""


@functools.cache
def authorities() -> ssl.SSLContext:
    """The public authorities: 50 ms to read, so once for all browsers of a process."""
    return httpx.create_ssl_context(trust_env=False)


class Browser:
    """One person's browser; as a context it closes its connections."""

    def __init__(self, agent: str) -> None:
        self._http = httpx.Client(
            timeout=_TIMEOUT_S,
            trust_env=False,
            verify=authorities(),
            headers={"User-Agent": agent, "Accept": "text/html,*/*"},
        )

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, url: str) -> Page:
        """The page of a link; raises NotOurs, httpx.HTTPError."""
        return self._ask("GET", url, None)

    def post(self, url: str, fields: dict[str, str]) -> Page:
        """Sends a form; raises NotOurs, httpx.HTTPError."""
        return self._ask("POST", url, fields)

    def submit(self, page: Page, form: Form, **filled: str) -> Page:
        """Sends a form of a page with some fields filled in."""
        return self.post(urljoin(page.url, form.action), form.fields | filled)

    def _ask(self, method: str, url: str, fields: dict[str, str] | None) -> Page:
        for _ in range(_REDIRECTS):
            if not is_ours(url):
                raise NotOurs(urlsplit(url).netloc)
            with self._http.stream(method, url, data=fields) as answer:
                if answer.is_redirect:
                    url, method, fields = urljoin(url, answer.headers["location"]), "GET", None
                    continue
                body = b"".join(answer.iter_bytes())[:_KEPT_BYTES]
                media = answer.headers.get("content-type", "").partition(";")[0]
                page = Page(url, answer.status_code, media, len(body))
            return _read(page, body) if media == "text/html" else page
        raise httpx.TooManyRedirects(f"more than {_REDIRECTS} redirects")


def is_ours(url: str) -> bool:
    """Whether a link leads to this machine or to a container by its bare name."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return bool(host) and "." not in host


def _read(page: Page, body: bytes) -> Page:
    reader = _Reader()
    reader.feed(body.decode("utf-8", "replace"))
    return dataclasses.replace(page, forms=tuple(reader.forms), links=tuple(reader.links))


class _Reader(HTMLParser):
    """Forms with their fields and buttons, and links with their words."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self._form: Form | None = None
        self._href: str | None = None
        self._words: list[str] = []
        self._on_button = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        elif tag == "a" and given.get("href"):
            self._href, self._words = given["href"], []
        elif tag == "button" or (tag == "input" and given.get("type") == "submit"):
            self._on_button = tag == "button"
            if self._form is not None:
                self._form.label += " " + given.get("value", "")
        elif tag in ("input", "textarea", "select") and given.get("name") and self._form is not None:
            chosen = given.get("type") not in ("radio", "checkbox") or "checked" in given or "required" in given
            if chosen:
                self._form.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "button":
            self._on_button = False
        elif tag == "a" and self._href is not None:
            self.links.append((self._href, " ".join(" ".join(self._words).split())))
            self._href = None

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self._words.append(data)
        if self._on_button and self._form is not None:
            self._form.label += f" {data}"
