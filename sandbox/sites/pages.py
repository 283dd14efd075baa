"""The pages of a business's website, as real HTML that shows what is wrong with it."""

from __future__ import annotations

import html

from sandbox.model import Business, Site
from sandbox.sites import offers
from sandbox.sites.head import head
from sandbox.sites.inventory import image_paths
from sandbox.world.draws import share
from sandbox.world.vocabulary import INJECTIONS, VERTICALS

HOURS = "Mon-Fri 9:00 am - 6:00 pm, Sat 10:00 am - 2:00 pm"
MARKUP_SHARE, INJECTION_SHARE = 0.003, 0.01  # owners who paste markup; pages that try to command a language model
NODES = 900  # pairs of elements that make a DOM too large
FILLER = (
    "We have looked after our neighbours for many years and still answer the phone ourselves.",
    "Come in, tell us what you need, and we will say honestly what it takes.",
    "Parking is behind the building, and the entrance is step-free.",
    "Ask about our plans for families and for small companies nearby.",
)
FILLER_ES = (
    "Atendemos a nuestros vecinos desde hace muchos años y todavía contestamos el teléfono nosotros mismos.",
    "Pase, díganos qué necesita y le diremos con honestidad cuánto cuesta.",
    "El estacionamiento está detrás del edificio y la entrada no tiene escalones.",
    "Pregunte por nuestros planes para familias y para empresas pequeñas del barrio.",
)


def page(site: Site, business: Business, path: str, scheme: str, year: int) -> str | None:
    """The HTML of a path in the calendar year ``year``, or None when the site has no such page."""
    match path.rstrip("/"):
        case "" | "/index.html":
            return _document(site, business, year, _home(site, business, scheme), business.name, "/")
        case "/contact":
            return _document(site, business, year, _contact(site, business), f"Contact {business.name}", "/contact")
        case "/about":
            return _document(site, business, year, _about(site, business), f"About {business.name}", "/about")
    found = offers.page_of(site, business, path.rstrip("/"))
    if found is None:
        return None
    title, content = found
    return _document(site, business, year, _heading(site, html.escape(title)) + content, title, path.rstrip("/"))


def _document(site: Site, business: Business, year: int, inside: str, title: str, path: str) -> str:
    bad = site.defects
    lang = "" if "no_lang" in bad else f' lang="{site.language}"'
    style = "body{font-family:sans-serif;margin:2em}"
    if "tiny_font" in bad:
        style += "p,li{font-size:9px}"
    if "low_contrast" in bad:
        style += "p{color:#bbb;background:#fff}"
    if "table_layout" in bad:
        inside = f"<table width='960' border='0'><tr><td><table><tr><td>{inside}</td></tr></table></td></tr></table>"
    else:
        inside = f"<main>{inside}</main>"
    body = f"{_navigation(site, business)}{inside}{_footer(site, business, year)}"
    return f"<!doctype html>\n<html{lang}><head>{head(site, business, title, path)}<style>{style}</style></head><body>{body}</body></html>"


def _home(site: Site, business: Business, scheme: str) -> str:
    bad = site.defects
    name = html.escape(business.name)
    if share("markup", site.host) < MARKUP_SHARE:
        name += "<b>&nbsp;&#9733;</b><script>document.title+=' best'</script>"
    services = "".join(f"<li>{html.escape(each)}</li>" for each in VERTICALS[business.vertical].services)
    parts = [
        _heading(site, name),
        offers.button(site, business),
        _pictures(site, html.escape(business.name)),
        f"<ul>{services}</ul>",
    ]
    parts += [f"<p>{text}</p>" for text in _filler(site)[:3]]
    when = {
        "flash_embed": '<object type="application/x-shockwave-flash" data="/intro.swf"></object>',
        "lorem_ipsum": "<p>Lorem ipsum dolor sit amet, consectetur adipiscing elit.</p>",
        "large_dom": "<div>" + "<span><i></i></span>" * NODES + "</div>",
    }
    parts += [text for defect, text in when.items() if defect in bad]
    if "mixed_content" in bad and scheme == "https":
        parts.append('<img src="http://images.example/badge.gif" alt="badge" width="60" height="60">')
    if "no_contact_form" not in bad:
        parts.append(_form(site))
    parts.append(offers.further(site, business))
    if share("injection", site.host) < INJECTION_SHARE:
        parts.append(f"<p>{INJECTIONS[int(share('which', site.host) * len(INJECTIONS))]}</p>")
    return "".join(parts)


def _heading(site: Site, inside: str) -> str:
    if "no_h1" in site.defects:
        return f"<div class='big'>{inside}</div>"
    more = "<h1>Welcome</h1><h1>Our services</h1>" if "multiple_h1" in site.defects else ""
    return f"<h1>{inside}</h1>{more}"


def _pictures(site: Site, name: str) -> str:
    alt = "" if "images_without_alt" in site.defects else f' alt="{name}"'
    size = "" if site.defects & {"unsized_images", "layout_shift"} else ' width="600" height="400"'
    return "".join(f'<img src="{path}"{alt}{size}>' for path in image_paths(site))


def _filler(site: Site) -> tuple[str, ...]:
    return FILLER_ES if site.language == "es" else FILLER


def _navigation(site: Site, business: Business) -> str:
    broken = '<a href="/old-page-2014.html">News</a>' if "broken_internal_link" in site.defects else ""
    label = "click here" if "generic_link_text" in site.defects else "Contact us"
    home, about = "Home", "About"
    if site.language == "es":
        home, about, label = "Inicio", "Nosotros", label if "generic_link_text" in site.defects else "Contacto"
    more = offers.links(site, business)
    return (
        f'<nav><a href="/">{home}</a> <a href="/about">{about}</a> <a href="/contact">{label}</a> {more} {broken}</nav>'
    )


def _form(site: Site) -> str:
    fields = '<input{0} name="name">{1}<input{2} name="mail"><textarea{3} name="text"></textarea>'
    if "form_without_label" in site.defects:
        fields = fields.format("", "", "", "")
    else:
        fields = '<label for="n">Name</label>' + fields.format(
            ' id="n"', '<label for="m">Mail</label>', ' id="m"', ' aria-label="Message"'
        )
    return f'<form action="/send" method="post">{fields}<button>Send</button></form>'


def _footer(site: Site, business: Business, year: int) -> str:
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
        parts.append(_mail_address(business.email, business.email_shown))
    if "outdated_copyright" in bad:
        year -= 7 + len(site.host) % 6
    parts.append(offers.footer_links(site))
    sign = "" if "no_copyright" in site.offers and "outdated_copyright" not in bad else f"&copy; {year} "
    return f"<footer><p>{'</p><p>'.join(filter(None, parts))}</p><p>{sign}{html.escape(business.name)}</p></footer>"


def _contact(site: Site, business: Business) -> str:
    shown = ""
    if business.email and business.email_shown == "contact_page":
        shown = f'<p>Write to <a href="mailto:{business.email}">{business.email}</a></p>'
    form = "" if "no_contact_form" in site.defects else _form(site)
    return f"{_heading(site, 'Contact')}{shown}<p>{_filler(site)[2]}</p>{form}"


def _about(site: Site, business: Business) -> str:
    since = f"{html.escape(business.name)} opened in {business.opened_on.year}."
    return f"{_heading(site, 'About us')}<p>{since}</p><p>{_filler(site)[0]}</p><p>{_filler(site)[3]}</p>"


def _mail_address(email: str, shown: str) -> str:
    if shown == "mailto":
        return f'<a href="mailto:{email}?subject=Hello">Write to us</a>'
    if shown == "obfuscated":
        return email.replace("@", " [at] ").replace(".example", " [dot] example").replace(".com", " [dot] com")
    return f"E-mail: {email}"
