"""The head of a page: title, description, what it loads, and the marks of its platform."""

from __future__ import annotations

import html
import json
from typing import Any

from sandbox.model import Business, Site
from sandbox.sites import inventory
from sandbox.world.vocabulary import VERTICALS

GENERATORS = {
    "wordpress": "WordPress {}", "joomla": "Joomla! {} - Open Source Content Management", "drupal": "Drupal {} (https://www.drupal.org)",
    "webflow": "Webflow", "duda": "Duda website builder", "wix": "Wix.com Website Builder", "squarespace": "Squarespace", "weebly": "Weebly", "shopify": "Shopify",
    "godaddy": "Starfield Technologies; Go Daddy Website Builder 8.0",
}  # fmt: skip
_ANALYTICS = '<script async src="https://www.googletagmanager.com/gtag/js?id=G-SANDBOX1"></script>'
_CONSENT = '<script async src="https://cdn.cookielaw.org/scripttemplates/otSDKStub.js"></script>'
_MARKS = {  # what else gives a platform away
    "wordpress": '<link rel="stylesheet" href="/wp-content/themes/local/style.css">',
    "wix": '<script async src="/parastorage/wix-thunderbolt.js"></script>',
    "squarespace": '<script async src="/static1/squarespace-universal.js"></script>',
    "joomla": '<script defer src="/media/system/js/core.js"></script>',
    "drupal": '<link rel="stylesheet" href="/sites/default/files/css/site.css">',
    "shopify": '<link rel="preconnect" href="https://cdn.shopify.com">',
}


def head(site: Site, business: Business, title: str, path: str) -> str:
    """Everything between ``<head>`` and ``</head>`` but the inline style; ``path`` is the page's own address."""
    bad, name = site.defects, html.escape(business.name)
    about = f"{name}: {html.escape(VERTICALS[business.vertical].services[0])} in {html.escape(business.address.city)}."
    unless = {
        "no_meta_description": f'<meta name="description" content="{about}">',
        "no_viewport": '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "no_favicon": '<link rel="icon" href="/favicon.ico">',
        "no_open_graph": f'<meta property="og:title" content="{name}"><meta property="og:site_name" content="{name}">{_picture(site)}',
        "no_analytics": _ANALYTICS + (_CONSENT if "consent" in site.offers else ""),
        "no_json_ld": _linked_data(site, business),
    }
    when = {
        "noindex": '<meta name="robots" content="noindex, nofollow">',
        "console_error": "<script>undefinedWidget.start();</script>",
    }
    parts = ['<meta charset="utf-8">', _title(site, business, title)]
    parts += [text for defect, text in unless.items() if defect not in bad]
    parts += [text for defect, text in when.items() if defect in bad]
    if "canonical" in site.offers and "no_https" not in bad:
        parts.append(f'<link rel="canonical" href="https://{site.host}{path}">')
    parts += [f'<link rel="stylesheet" href="{path}">' for path in inventory.style_sheets(site)]
    parts += [f'<script src="{path}"></script>' for path in inventory.blocking_scripts(site)]
    parts += [f'<script defer src="{path}"></script>' for path in inventory.deferred_scripts(site)]
    if site.platform in GENERATORS:
        parts.append(
            f'<meta name="generator" content="{GENERATORS[site.platform].format(site.release)}">{_MARKS.get(site.platform, "")}'
        )
    return "".join(parts)


def _picture(site: Site) -> str:
    if "og_image" not in site.offers:
        return ""
    return f'<meta property="og:image" content="https://{site.host}{inventory.image_paths(site)[0]}">'


def _title(site: Site, business: Business, title: str) -> str:
    if "missing_title" in site.defects:
        return ""
    shown = business.name if "duplicate_title" in site.defects else title
    if "long_title" in site.defects:
        line = business.vertical.replace("_", " ")
        shown += f" | best {line} in {business.address.city} and all surrounding areas, call us today, top rated by neighbours"
    return f"<title>{html.escape(shown)}</title>"


def _linked_data(site: Site, business: Business) -> str:
    data: dict[str, Any] = {"@context": "https://schema.org", "@type": "LocalBusiness", "name": business.name}
    if "no_phone_visible" not in site.defects and business.phone:
        data["telephone"] = business.phone
    if "no_address" not in site.defects:
        at = business.address
        data["address"] = {
            "@type": "PostalAddress", "streetAddress": at.line1, "addressLocality": at.city, "addressRegion": at.state,
            "postalCode": at.zip_code, "addressCountry": "US",
        }  # fmt: skip
    if "no_hours" not in site.defects:
        data["openingHours"] = ["Mo-Fr 09:00-18:00", "Sa 10:00-14:00"]
    if business.email and business.email_shown == "json_ld":
        data["email"] = f"mailto:{business.email}" if len(business.name) % 2 else business.email
    written = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")  # a name must not end the script element
    return f'<script type="application/ld+json">{written}</script>'
