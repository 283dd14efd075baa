"""PageSpeed Insights v5, ``runPagespeed``: answers agree with what the site's HTML shows."""

from __future__ import annotations

import urllib.parse
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.model import Site
from sandbox.vendors.lighthouse import result
from sandbox.vendors.lighthouse_audits import CATEGORIES
from sandbox.vendors.wire import Window, accepted, answer, key_is_valid, option, utc_now

NAMES = {
    "PERFORMANCE": "performance",
    "ACCESSIBILITY": "accessibility",
    "BEST_PRACTICES": "best-practices",
    "SEO": "seo",
}
ALSO_VALID = {"CATEGORY_UNSPECIFIED", "PWA", "AGENTIC_BROWSING"}
CANNOT_LOAD = {
    "dead_domain": ("DNS_FAILURE", "net::ERR_NAME_NOT_RESOLVED"), "timeout": ("FAILED_DOCUMENT_REQUEST", "net::ERR_TIMED_OUT"),
    "refused": ("FAILED_DOCUMENT_REQUEST", "net::ERR_CONNECTION_REFUSED"), "redirect_loop": ("FAILED_DOCUMENT_REQUEST", "net::ERR_TOO_MANY_REDIRECTS"),
    "bad_certificate": ("INSECURE_DOCUMENT_REQUEST", "net::ERR_CERT_COMMON_NAME_INVALID"), "private_address": ("FAILED_DOCUMENT_REQUEST", "net::ERR_CONNECTION_REFUSED"),
}  # fmt: skip
LOADS_BADLY = {"server_error": "ERRORED_DOCUMENT_REQUEST", "not_html": "NOT_HTML", "huge": "NO_FCP"}


def _error(code: int, status: str, message: str, reason: str, domain: str = "global") -> Response:
    errors = [{"message": message, "domain": domain, "reason": reason}]
    return answer({"error": {"code": code, "message": message, "errors": errors, "status": status}}, code)


def rate_limited(kind: str = "") -> Response:
    """The quota error; ``daily`` names the daily limit."""
    which = "Queries per day" if kind in {"daily", "quota"} else "Queries per minute"
    message = (
        f"Quota exceeded for quota metric 'Queries' and limit '{which}' of service 'pagespeedonline.googleapis.com'"
    )
    return _error(429, "RESOURCE_EXHAUSTED", message, "rateLimitExceeded")


def server_error(status: int = 500) -> Response:
    """The sporadic fault under load."""
    return _error(status, "INTERNAL", "Unable to process request. Please wait a while and try again.", "internalError")


def fault_response(status: int, kind: str = "") -> Response:
    """The answer of an injected fault."""
    return rate_limited(kind) if status == 429 else server_error(status)


def routes(sandbox: Any) -> list[Route]:
    """The endpoint under the vendor's prefix."""
    per_minute = Window(60)

    async def run(request: Request) -> Response:
        query = request.query_params
        key = query.get("key")
        if key is not None and key.startswith("exhausted-"):
            return rate_limited("daily")
        if not key_is_valid(sandbox, "pagespeed", key):
            return _error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key. (API_KEY_INVALID)",
                "badRequest",
            )
        if per_minute.take("run", int(option(sandbox, "pagespeed_per_minute", 60_000))) < 0:
            return rate_limited("minute")
        problem, url = _problem(query), query.get("url", "")
        if problem:
            return _error(400, "INVALID_ARGUMENT", problem, "invalidParameter")
        host = urllib.parse.urlsplit(url).hostname or ""
        site = sandbox.world.site(host)
        categories = [NAMES[c] for c in query.getlist("category") if c in NAMES] or ["performance"]
        failed = CANNOT_LOAD["dead_domain"] if site is None else CANNOT_LOAD.get(site.behaviour)
        if failed:
            return _error(
                400,
                "INVALID_ARGUMENT",
                f"Lighthouse returned error: {failed[0]}. Lighthouse was unable to load the page you requested. (Details: {failed[1]})",
                "lighthouseUserError",
                "lighthouse",
            )
        accepted(sandbox, "pagespeed", "run", url, strategy=query.get("strategy", "DESKTOP").upper())
        return answer(_body(sandbox, site, url, categories, query.get("strategy", "DESKTOP").upper() == "MOBILE"))

    return [Route("/pagespeedonline/v5/runPagespeed", run)]


def _problem(query: Any) -> str | None:
    url = query.get("url", "")
    if not url:
        return "Required parameter: url"
    if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
        return f"Invalid value '{url[:100]}'. Values must match the following regular expression: '(?i)http(s)?://.*'"
    unknown = [
        each
        for each in query.getlist("category")
        if each not in CATEGORIES and each not in NAMES and each not in ALSO_VALID
    ]
    if unknown:
        return f"Invalid value at 'category': {unknown[0]}"
    if query.get("strategy", "DESKTOP").upper() not in {"DESKTOP", "MOBILE", "STRATEGY_UNSPECIFIED"}:
        return "Invalid value at 'strategy'"
    return None


def _body(sandbox: Any, site: Site, url: str, categories: list[str], phone: bool) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(url)
    scheme = "https" if site.behaviour == "redirect_https" else parts.scheme
    host = f"www.{site.host}" if site.behaviour == "redirect_other_host" else parts.hostname
    final = f"{scheme}://{host}{parts.path or '/'}"
    now = utc_now(sandbox)
    body: dict[str, Any] = {"captchaResult": "CAPTCHA_NOT_NEEDED", "kind": "pagespeedonline#result", "id": final}
    lighthouse = result(site, url, final, categories, phone, now)
    code = LOADS_BADLY.get(site.behaviour)
    if code:
        lighthouse["runtimeError"] = {"code": code, "message": "The page did not load as a page should."}
        lighthouse["categories"] = {name: {**each, "score": None} for name, each in lighthouse["categories"].items()}
    body |= {"lighthouseResult": lighthouse, "analysisUTCTimestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    return body
