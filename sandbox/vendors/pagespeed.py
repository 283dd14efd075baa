"""PageSpeed Insights v5, ``runPagespeed``: answers agree with what the site's HTML shows.

Quota: ``options['pagespeed_per_minute']`` (60,000; the vendor's own is 240) and ``options['pagespeed_per_day']``.
"""

from __future__ import annotations

import dataclasses
import urllib.parse
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.model import Site
from sandbox.vendors.lighthouse import result
from sandbox.vendors.lighthouse_metrics import measure
from sandbox.vendors.wire import Window, accepted, answer, fraction, key_is_valid, option, utc_now
from sandbox.world.sites import redirect_of

SERVICE = "pagespeedonline.googleapis.com"
NAMES = {
    "PERFORMANCE": "performance", "ACCESSIBILITY": "accessibility", "BEST_PRACTICES": "best-practices", "SEO": "seo",
    "AGENTIC_BROWSING": "agentic-browsing",
}  # fmt: skip
NOTHING_NOW = {"CATEGORY_UNSPECIFIED", "PWA"}  # accepted, and measured no more
STRATEGIES = {"DESKTOP", "MOBILE", "STRATEGY_UNSPECIFIED"}
CANNOT_LOAD = {
    "dead_domain": ("DNS_FAILURE", "net::ERR_NAME_NOT_RESOLVED"), "timeout": ("FAILED_DOCUMENT_REQUEST", "net::ERR_TIMED_OUT"),
    "refused": ("FAILED_DOCUMENT_REQUEST", "net::ERR_CONNECTION_RESET"), "redirect_loop": ("FAILED_DOCUMENT_REQUEST", "net::ERR_TOO_MANY_REDIRECTS"),
    "bad_certificate": ("INSECURE_DOCUMENT_REQUEST", "net::ERR_CERT_COMMON_NAME_INVALID"), "private_address": ("FAILED_DOCUMENT_REQUEST", "net::ERR_ADDRESS_UNREACHABLE"),
}  # fmt: skip
NO_TLS = ("FAILED_DOCUMENT_REQUEST", "net::ERR_SSL_UNRECOGNIZED_NAME_ALERT")
LOADS_BADLY = {"server_error": "ERRORED_DOCUMENT_REQUEST", "not_html": "NOT_HTML", "huge": "NO_FCP"}
ANSWERS_500_SHARE = 0.3  # of the pages that cannot be loaded are told with 500 instead of 400, as the vendor does
PARKED = frozenset({"no_meta_description", "no_viewport", "no_lang", "table_layout"})
_FIELD = {  # CrUX metric → the lab audit it follows, how its unit compares, the bounds of good and poor
    "LARGEST_CONTENTFUL_PAINT_MS": ("largest-contentful-paint", 0.8, 2500, 4000),
    "FIRST_CONTENTFUL_PAINT_MS": ("first-contentful-paint", 0.8, 1800, 3000),
    "INTERACTION_TO_NEXT_PAINT": ("max-potential-fid", 1.2, 200, 500),
    "CUMULATIVE_LAYOUT_SHIFT_SCORE": ("cumulative-layout-shift", 100, 10, 25),
    "EXPERIMENTAL_TIME_TO_FIRST_BYTE": ("server-response-time", 1.0, 800, 1800),
}


def _error(code: int, status: str, message: str, reason: str, domain: str = "global", info: Any = None) -> Response:
    errors = [{"message": message, "domain": domain, "reason": reason}]
    error: dict[str, Any] = {"code": code, "message": message, "errors": errors, "status": status}
    if info:
        name, metadata = info
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [
            {"@type": kind, "reason": name, "domain": "googleapis.com", "metadata": {"service": SERVICE, **metadata}}
        ]
    return answer({"error": error}, code)


def rate_limited(kind: str = "") -> Response:
    """The quota error; ``daily`` names the daily limit."""
    daily = kind in {"daily", "quota"}
    which, limit, value = (
        ("day", "defaultPerDayPerProject", "25000") if daily else ("minute", "defaultPerMinutePerProject", "240")
    )
    message = f"Quota exceeded for quota metric 'Queries' and limit 'Queries per {which}' of service '{SERVICE}'"
    info = ("RATE_LIMIT_EXCEEDED", {"quota_limit": limit, "quota_limit_value": value})
    return _error(429, "RESOURCE_EXHAUSTED", message, "rateLimitExceeded", info=info)


def server_error(status: int = 500) -> Response:
    """The sporadic fault under load."""
    return _error(status, "INTERNAL", "Unable to process request. Please wait a while and try again.", "internalError")


def fault_response(status: int, kind: str = "") -> Response:
    """The answer of an injected fault."""
    return rate_limited(kind) if status == 429 else server_error(status)


def routes(sandbox: Any) -> list[Route]:
    """The endpoint under the vendor's prefix."""
    per_minute, per_day = Window(60), Window(86_400)

    async def run(request: Request) -> Response:
        query = request.query_params
        key = query.get("key")
        if key is not None and key.startswith("exhausted-"):
            return rate_limited("daily")
        if not key_is_valid(sandbox, "pagespeed", key):
            message = "API key not valid. Please pass a valid API key."
            return _error(400, "INVALID_ARGUMENT", message, "badRequest", info=("API_KEY_INVALID", {}))
        if per_day.take("run", int(option(sandbox, "pagespeed_per_day", 10**9))) < 0:
            return rate_limited("daily")
        if per_minute.take("run", int(option(sandbox, "pagespeed_per_minute", 60_000))) < 0:
            return rate_limited("minute")
        problem = _problem(query)
        if problem:
            return _error(400, "INVALID_ARGUMENT", problem, "invalidParameter")
        url, strategy = query["url"], query.get("strategy", "DESKTOP").upper()
        site = sandbox.world.site(urllib.parse.urlsplit(url).hostname or "")
        failed = _cannot_load(site, url)
        if site is None or failed:
            return _unreachable(url, failed or CANNOT_LOAD["dead_domain"])
        categories = [NAMES[c] for c in NAMES if c in {_enum(each) for each in query.getlist("category")}]
        accepted(sandbox, "pagespeed", "run", url, strategy=strategy)
        return answer(_body(sandbox, site, url, categories or ["performance"], strategy == "MOBILE"))

    return [Route("/pagespeedonline/v5/runPagespeed", run)]


def _enum(text: str) -> str:
    return text.upper().replace("-", "_")


def _problem(query: Any) -> str | None:
    url = query.get("url", "")
    if not url:
        return "Required parameter: url"
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        parts = urllib.parse.urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"Invalid value '{url[:100]}'. Values must match the following regular expression: '(?i)http(s)?://.*'"
    unknown = [each for each in query.getlist("category") if _enum(each) not in {*NAMES, *NOTHING_NOW}]
    if unknown:
        return f"Invalid value at 'category': {unknown[0][:100]}"
    if query.get("strategy", "DESKTOP").upper() not in STRATEGIES:
        return f"Invalid value at 'strategy': {query['strategy'][:100]}"
    return None


def _cannot_load(site: Site | None, url: str) -> tuple[str, str] | None:
    if site is None:
        return CANNOT_LOAD["dead_domain"]
    secure = url.startswith("https://")
    if site.behaviour == "bad_certificate" and not secure:
        return None
    if site.behaviour not in CANNOT_LOAD and secure and "no_https" in site.defects:
        return NO_TLS
    return CANNOT_LOAD.get(site.behaviour)


def _unreachable(url: str, failed: tuple[str, str]) -> Response:
    message = f"Lighthouse returned error: {failed[0]}. Lighthouse was unable to load the page you requested. (Details: {failed[1]})"
    code = 500 if fraction("psi", url) < ANSWERS_500_SHARE else 400
    return _error(code, "INTERNAL" if code == 500 else "INVALID_ARGUMENT", message, "lighthouseUserError", "lighthouse")


def final_url(site: Site, url: str) -> str:
    """Where a browser ends that opens ``url``."""
    parts = urllib.parse.urlsplit(url)
    scheme, host, path = parts.scheme, parts.hostname or site.host, parts.path or "/"
    for _ in range(5):
        target = redirect_of(site, host, scheme, path)
        if target is None:
            break
        parts = urllib.parse.urlsplit(target)
        scheme, host, path = parts.scheme, parts.hostname or host, parts.path or "/"
    return f"{scheme}://{host}{path}"


def _body(sandbox: Any, site: Site, url: str, categories: list[str], phone: bool) -> dict[str, Any]:
    if site.behaviour == "parked":
        site = dataclasses.replace(site, defects=PARKED, weight_kb=60)
    now, final = utc_now(sandbox), final_url(site, url)
    body: dict[str, Any] = {"captchaResult": "CAPTCHA_NOT_NEEDED", "kind": "pagespeedonline#result", "id": final}
    if site.business_key.startswith("chain:"):
        body["loadingExperience"] = body["originLoadingExperience"] = _field(site, url, final, phone)
    elif fraction("field", site.host) < 0.5:  # too few visitors: the vendor names the page and has no metrics
        body["loadingExperience"] = {"initial_url": url}
    lighthouse = result(site, url, final, categories, phone, now, LOADS_BADLY.get(site.behaviour))
    body |= {"lighthouseResult": lighthouse, "analysisUTCTimestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    return body


def _field(site: Site, url: str, final: str, phone: bool) -> dict[str, Any]:
    """What visitors' browsers reported, near to what the lab measures."""
    numbers = measure(site, phone).numbers
    metrics = {}
    for name, (audit, times, good, poor) in _FIELD.items():
        value = round(numbers[audit] * times)
        fast = 0.85 if value <= good else 0.6 if value <= poor else 0.3
        slow = round((1 - fast) / 3, 4)
        distribution = [
            {"min": 0, "max": good, "proportion": fast}, {"min": good, "max": poor, "proportion": round(1 - fast - slow, 4)},
            {"min": poor, "proportion": slow},
        ]  # fmt: skip
        category = "FAST" if value <= good else "AVERAGE" if value <= poor else "SLOW"
        metrics[name] = {"percentile": value, "distributions": distribution, "category": category}
    core = [
        metrics[name]["category"]
        for name in list(_FIELD)
        if name in {"LARGEST_CONTENTFUL_PAINT_MS", "INTERACTION_TO_NEXT_PAINT", "CUMULATIVE_LAYOUT_SHIFT_SCORE"}
    ]
    overall = next(each for each in ("SLOW", "AVERAGE", "FAST") if each in core)
    return {"id": final, "initial_url": url, "metrics": metrics, "overall_category": overall}
