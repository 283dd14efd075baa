"""The pages of a business's website, as real HTML that shows what is wrong with it."""

from __future__ import annotations

import html
import json
import random

from sandbox.model import Business, Site
from sandbox.world.vocabulary import INJECTIONS, VERTICALS

THIS_YEAR = 2026
HOURS = "Mon-Fri 9:00 am - 6:00 pm, Sat 10:00 am - 2:00 pm"
FILLER = (
    "We have looked after our neighbours for many years and still answer the phone ourselves.",
    "Come in, tell us what you need, and we will say honestly what it takes.",
    "Parking is behind the building, and the entrance is step-free.",
    "Ask about our plans for families and for small companies nearby.",
)


def page(site: Site, business: Business, path: str, scheme: str) -> str | None:
    """The HTML of a path, or None when the site has no such page."""
    if path in {"/", "/index.html"}:
        return _document(site, business, scheme, _home(site, business, scheme), business.name)
    if path in {"/contact", "/contact/"}:
        return _document(site, business, scheme, _contact(site, business), f"Contact {business.name}")
    if path in {"/about", "/about/"}:
        return _document(site, business, scheme, f"<h1>About us</h1><p>{FILLER[0]}</p>", f"About {business.name}")
    return None


def _document(site: Site, business: Business, scheme: str, inside: str, title: str) -> str:
    bad = site.defects
    lang = "" if "no_lang" in bad else ' lang="en"'
    style = "body{font-family:sans-serif;margin:2em}"
    if "tiny_font" in bad:
        style += "p,li{font-size:9px}"
    if "low_contrast" in bad:
        style += "p{color:#bbb;background:#fff}"
    return f"<!doctype html>\n<html{lang}><head>{_head(site, business, scheme, title)}<style>{style}</style></head><body>{inside}{_footer(site, business)}</body></html>"


def _head(site: Site, business: Business, scheme: str, title: str) -> str:
    bad, name = site.defects, html.escape(business.name)
    head = ['<meta charset="utf-8">']
    if "missing_title" not in bad:
        shown = html.escape(title)
        if "long_title" in bad:
            shown += f" | best {business.vertical.replace('_', ' ')} in {business.address.city} and all surrounding areas, call us today, open now, top rated by neighbours"
        head.append(f"<title>{shown}</title>")
    if "no_meta_description" not in bad:
        head.append(
            f'<meta name="description" content="{name}: {html.escape(VERTICALS[business.vertical].services[0])} in {html.escape(business.address.city)}.">'
        )
    if "no_viewport" not in bad:
        head.append('<meta name="viewport" content="width=device-width, initial-scale=1">')
    if "no_favicon" not in bad:
        head.append('<link rel="icon" href="/favicon.ico">')
    if "no_open_graph" not in bad:
        head.append(f'<meta property="og:title" content="{name}"><meta property="og:site_name" content="{name}">')
    if "noindex" in bad:
        head.append('<meta name="robots" content="noindex, nofollow">')
    if "render_blocking_css" in bad:
        head += [f'<link rel="stylesheet" href="/css/theme-{i}.css">' for i in range(6)]
    else:
        head.append('<link rel="stylesheet" href="/css/site.css">')
    if "render_blocking_scripts" in bad:
        head += [f'<script src="/js/plugin-{i}.js"></script>' for i in range(7)]
    if "unused_scripts" in bad:
        head += [f'<script defer src="/js/vendor-{i}.js"></script>' for i in range(5)]
    if "jquery_old" in bad:
        head.append('<script src="/js/jquery-1.8.3.min.js"></script>')
    if "no_analytics" not in bad:
        head.append('<script async src="https://www.googletagmanager.com/gtag/js?id=G-SANDBOX1"></script>')
    if "console_error" in bad:
        head.append("<script>undefinedWidget.start();</script>")
    if "no_json_ld" not in bad:
        head.append(
            f'<script type="application/ld+json">{json.dumps(_linked_data(site, business), ensure_ascii=False).replace("</", "<" + chr(92) + "/")}</script>'
        )
    generator = {
        "wordpress": "WordPress 6.4",
        "wix": "Wix.com Website Builder",
        "squarespace": "Squarespace",
        "godaddy": "Starfield Technologies; Go Daddy Website Builder 8.0",
        "weebly": "Weebly",
        "shopify": "Shopify",
    }.get(site.platform)
    if generator:
        head.append(f'<meta name="generator" content="{generator}">')
    if site.platform == "wordpress":
        head.append('<link rel="stylesheet" href="/wp-content/themes/local/style.css?ver=6.4">')
    return "".join(head)


def _linked_data(site: Site, business: Business) -> dict[str, object]:
    data: dict[str, object] = {"@context": "https://schema.org", "@type": "LocalBusiness", "name": business.name}
    if "no_phone_visible" not in site.defects and business.phone:
        data["telephone"] = business.phone
    if "no_address" not in site.defects:
        at = business.address
        data["address"] = {
            "@type": "PostalAddress",
            "streetAddress": at.line1,
            "addressLocality": at.city,
            "addressRegion": at.state,
            "postalCode": at.zip_code,
            "addressCountry": "US",
        }
    if "no_hours" not in site.defects:
        data["openingHours"] = ["Mo-Fr 09:00-18:00", "Sa 10:00-14:00"]
    if business.email and business.email_shown == "json_ld":
        data["email"] = f"mailto:{business.email}" if len(business.key) % 2 else business.email
    return data


def _home(site: Site, business: Business, scheme: str) -> str:
    bad, rng = site.defects, random.Random(site.host)
    name = html.escape(business.name)
    if rng.random() < 0.003:
        name = business.name  # an owner who pastes markup
    headings = [] if "no_h1" in bad else [f"<h1>{name}</h1>"]
    if "multiple_h1" in bad:
        headings.append("<h1>Welcome</h1><h1>Our services</h1>")
    elif "no_h1" in bad:
        headings.append(f"<div class='big'>{name}</div>")
    services = "".join(f"<li>{html.escape(each)}</li>" for each in VERTICALS[business.vertical].services)
    alt = "" if "images_without_alt" in bad else f' alt="{name}"'
    size = "" if "unsized_images" in bad or "layout_shift" in bad else ' width="600" height="400"'
    image = "hero-original-6000px.png" if "huge_images" in bad else "hero.webp"
    pictures = "".join(f'<img src="/img/{i}-{image}"{alt}{size}>' for i in range(4))
    body = [*headings, _navigation(site), pictures, f"<ul>{services}</ul>", *(f"<p>{text}</p>" for text in FILLER[:3])]
    if "table_layout" in bad:
        body = ["<table width='960' border='0'><tr><td><table><tr><td>", *body, "</td></tr></table></td></tr></table>"]
    if "mixed_content" in bad and scheme == "https":
        body.append('<img src="http://images.example/badge.gif" alt="badge">')
    if "flash_embed" in bad:
        body.append('<object type="application/x-shockwave-flash" data="/intro.swf"></object>')
    if "lorem_ipsum" in bad:
        body.append("<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>")
    if "large_dom" in bad:
        body.append("<div>" + "<span><i></i></span>" * 900 + "</div>")
    if "no_contact_form" not in bad:
        body.append(_form(site))
    if rng.random() < 0.01:
        body.append(f"<p>{INJECTIONS[rng.randrange(len(INJECTIONS))]}</p>")
    return "".join(body)


def _navigation(site: Site) -> str:
    broken = '<a href="/old-page-2014.html">News</a>' if "broken_internal_link" in site.defects else ""
    label = "click here" if "generic_link_text" in site.defects else "Contact us"
    return f'<nav><a href="/">Home</a> <a href="/about">About</a> <a href="/contact">{label}</a> {broken}</nav>'


def _form(site: Site) -> str:
    if "form_without_label" in site.defects:
        return '<form action="/send" method="post"><input name="name"><input name="mail"><textarea name="text"></textarea><button>Send</button></form>'
    return '<form action="/send" method="post"><label for="n">Name</label><input id="n" name="name"><label for="m">Mail</label><input id="m" name="mail"><button>Send</button></form>'


def _footer(site: Site, business: Business) -> str:
    bad, parts = site.defects, []
    if business.phone and "no_phone_visible" not in bad:
        digits = business.phone.removeprefix("+1")
        shown = f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
        parts.append(shown if "phone_not_linked" in bad else f'<a href="tel:{business.phone}">{shown}</a>')
    if "no_address" not in bad:
        at = business.address
        parts.append(html.escape(f"{at.line1}, {at.city}, {at.state} {at.zip_code}"))
    if "no_hours" not in bad:
        parts.append(HOURS)
    if business.email and business.email_shown in {"mailto", "text", "obfuscated"}:
        parts.append(_address(business))
    year = 2014 + len(site.host) % 6 if "outdated_copyright" in bad else THIS_YEAR
    return f"<footer><p>{'</p><p>'.join(parts)}</p><p>&copy; {year} {html.escape(business.name)}</p></footer>"


def _contact(site: Site, business: Business) -> str:
    shown = ""
    if business.email and business.email_shown == "contact_page":
        shown = f'<p>Write to <a href="mailto:{business.email}">{business.email}</a></p>'
    return f"<h1>Contact</h1>{shown}{'' if 'no_contact_form' in site.defects else _form(site)}"


def _address(business: Business) -> str:
    email = business.email or ""
    if business.email_shown == "mailto":
        return f'<a href="mailto:{email}?subject=Hello">Write to us</a>'
    if business.email_shown == "obfuscated":
        return email.replace("@", " [at] ").replace(".example", " [dot] example")
    return f"E-mail: {email}"
