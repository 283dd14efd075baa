"""PageSpeed Insights v5: one Lighthouse run of one page. Lab data; may be kept for ever."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from typing import Any

import httpx

from leadfactory.d00_gateway.answers import NUMBER, Fields, Reader, any_body, body, judged
from leadfactory.d00_gateway.errors import VendorError, VendorRejected
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings

CATEGORIES = ("PERFORMANCE", "ACCESSIBILITY", "BEST_PRACTICES", "SEO")
STRATEGIES = ("mobile", "desktop")
TIMEOUT_S = 95.0  # a run takes 10 to 60 s; 90 s at least are advised
DEADLINE_S = 240.0
_ENDPOINT = "runPagespeed"
_LIGHTHOUSE_ERROR = re.compile(r"Lighthouse returned error: ([A-Z][A-Z_]{2,60})")


@dataclasses.dataclass(frozen=True)
class PagespeedAnswer:
    """One run: ``lighthouse`` is the vendor's lighthouseResult, ``field`` its CrUX data or None when it has none."""

    lighthouse: dict[str, Any]
    field: dict[str, Any] | None
    final_url: str
    raw_sha256: bytes
    fetched_at: dt.datetime


class PagespeedClient:
    """One Google project over the gateway; holds nothing that belongs to an event loop."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway, base = gateway, settings.pagespeed_base_url.rstrip("/")
        self._url = f"{base}/pagespeedonline/v5/runPagespeed"
        self._key = settings.google_api_key.get_secret_value()

    async def run(self, url: str, *, strategy: str = "mobile") -> PagespeedAnswer:
        """Measures ``url`` once, as a phone (``mobile``) or a computer (``desktop``) would see it.

        Raises:
            ValueError: for another strategy, or a URL that is not http or https.
            VendorRejected: the page cannot be measured; reason ``lighthouse_<code>`` such as lighthouse_no_fcp.
            VendorUnavailable: again later.
        """
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy={strategy!r}: PageSpeed knows {' and '.join(STRATEGIES)}")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"url={url!r}: PageSpeed measures http and https pages")
        parameters = [("url", url), ("strategy", strategy.upper()), *(("category", name) for name in CATEGORIES)]
        with self.gateway.calling(CallSpec(_ENDPOINT, fault_of=_fault, deadline_s=DEADLINE_S)):
            response = await self.gateway.http("pagespeed").get(
                self._url, params=[*parameters, ("key", self._key)], timeout=TIMEOUT_S
            )
        answer = body(response)
        lighthouse, field = answer["lighthouseResult"], answer.get("loadingExperience")
        final = (lighthouse.get("finalDisplayedUrl"), lighthouse.get("finalUrl"), answer.get("id"), url)
        return PagespeedAnswer(
            lighthouse=lighthouse,
            field=field if isinstance(field, dict) and field.get("metrics") else None,
            final_url=next(each for each in final if isinstance(each, str) and each),
            raw_sha256=hashlib.sha256(response.content).digest(),
            fetched_at=response.extensions["fetched_at"],
        )

    async def ping(self) -> str:
        """A run without a url: Google checks the key and refuses the request, measuring nothing."""
        judge = judged("pagespeed", "ping", any_body)

        def usable(response: httpx.Response) -> VendorError | None:
            error = judge(response)
            return None if error is not None and error.reason == "bad_request" else error

        with self.gateway.calling(CallSpec("ping", fault_of=usable)):
            await self.gateway.http("pagespeed").get(self._url, params={"key": self._key})
        return "ok"


def _fault(response: httpx.Response) -> VendorError | None:
    """A page that Lighthouse cannot load is the page's fault, with whatever status Google gives it."""
    found = _LIGHTHOUSE_ERROR.search(response.text) if response.status_code in {400, 500} else None
    if found:
        return VendorRejected("pagespeed", _ENDPOINT, f"lighthouse_{found[1].lower()}", status=response.status_code)
    return _judged(response)


def _check(reader: Reader, answer: Any) -> None:
    reader.fields(answer, "body", required={"lighthouseResult": dict}, optional={"loadingExperience": dict})
    result = answer["lighthouseResult"]
    failed = result.get("runtimeError")
    if isinstance(failed, dict) and failed.get("code") not in {None, "NO_ERROR"}:
        code = re.sub(r"[^a-z_]", "", str(failed["code"]).lower())[:60] or "unknown"
        raise VendorRejected("pagespeed", _ENDPOINT, f"lighthouse_{code}", status=reader.status)
    reader.fields(result, "lighthouseResult", required={"audits": dict, "categories": dict}, optional={})
    for part in ("audits", "categories"):
        for name, record in result[part].items():
            path = f"lighthouseResult.{part}.{name}"
            score = reader.fields(record, path, required={}, optional=_RECORD).get("score")
            if score is not None and not 0 <= score <= 1:
                raise reader.malformed(f"{path}.score is outside 0 to 1")


_RECORD: Fields = {"score": NUMBER, "numericValue": NUMBER, "scoreDisplayMode": str, "details": dict}
_judged = judged("pagespeed", _ENDPOINT, _check)
