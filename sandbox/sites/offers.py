"""What a site offers beside its text: the button, booking, menus, ordering, legal pages, social links. HTML only."""

from __future__ import annotations

import html

from sandbox.model import Business, Site
from sandbox.world.draws import share

BUTTONS = {
    "restaurant": "Reserve a table", "dental": "Request an appointment", "medical": "Request an appointment", "legal": "Free consultation",
    "home_services": "Get a free estimate", "beauty": "Book now", "automotive": "Get a quote", "fitness": "Join now", "retail": "Shop now",
    "hospitality": "Book now", "pets": "Request an appointment", "education": "Enroll", "real_estate": "Request a valuation",
    "financial": "Schedule a call", "professional_services": "Request a quote",
}  # fmt: skip
BUTTONS_ES = {"restaurant": "Reserve su mesa", "home_services": "Pida su presupuesto"}
BOOKED_AT = {
    "restaurant": "https://www.opentable.com/r/", "dental": "https://www.zocdoc.com/practice/", "medical": "https://www.zocdoc.com/practice/",
    "beauty": "https://www.vagaro.com/", "fitness": "https://clients.mindbodyonline.com/", "hospitality": "https://hotels.cloudbeds.com/",
}  # fmt: skip
ELSEWHERE_SHARE = 0.5  # of the bookings are made at somebody else's
DISHES = (
    "Soup of the day 7",
    "House salad 9",
    "Grilled fish 24",
    "Handmade pasta 18",
    "Roast chicken 19",
    "Cheesecake 8",
)
_SLUG = "local-{}"


def button(site: Site, business: Business) -> str:
    """The call to action of the home page; nothing when the site has none."""
    if "call_to_action" not in site.offers:
        return ""
    words = BUTTONS.get(business.vertical, "Request a quote")
    if site.language == "es":
        words = BUTTONS_ES.get(business.vertical, "Reservar")
    where = "/book" if "booking" in site.offers and not booked_elsewhere(site) else "/contact"
    return f'<div><a class="button" href="{where}">{html.escape(words)}</a></div>'


def booked_elsewhere(site: Site) -> bool:
    """Whether a site's booking is another company's."""
    return share("booked", site.host) < ELSEWHERE_SHARE


def links(site: Site, business: Business) -> str:
    """Further entries of the navigation."""
    found = []
    if "menu_page" in site.offers:
        found.append('<a href="/menu">Menu</a>')
    if "menu_file" in site.offers:
        found.append('<a href="/menu.pdf">Menu</a>')
    if "booking" in site.offers and not booked_elsewhere(site):
        found.append('<a href="/book">Book online</a>')
    if "ordering" in site.offers:
        found.append('<a href="/order">Order online</a>')
    return " ".join(found)


def further(site: Site, business: Business) -> str:
    """What the home page has below its text: booking at another company's, words of customers, a map, marks of another age."""
    parts = []
    if "booking" in site.offers and booked_elsewhere(site):
        at = BOOKED_AT.get(business.vertical, "https://calendly.com/")
        parts.append(f'<div><a href="{at}{_SLUG.format(business.key)}">Book online</a></div>')
    if "reviews" in site.offers:
        parts.append(
            "<h2>What customers say</h2><blockquote>On time, friendly, and they cleaned up behind themselves.</blockquote>"
        )
    if "map" in site.offers:
        title = "" if "map_untitled" in site.offers else ' title="Map"'
        parts.append(
            f'<iframe src="https://www.google.com/maps/embed?pb={business.key}" width="400" height="300"{title}></iframe>'
        )
    if "dated_markup" in site.offers:
        parts.append('<center><font color="red">Welcome to our site!</font></center>')
    return "".join(parts)


def footer_links(site: Site) -> str:
    """Legal pages and social networks."""
    found = [
        f'<a href="/{name}">{words}</a>'
        for name, words in (("privacy", "Privacy policy"), ("accessibility", "Accessibility"))
        if name in site.offers
    ]
    if "social" in site.offers:
        profile = "" if "dead_social" in site.offers else site.host.removesuffix(".example")
        found += [
            f'<a href="https://www.facebook.com/{profile}">Facebook</a>',
            f'<a href="https://www.instagram.com/{profile}">Instagram</a>',
        ]
    return " ".join(found)


def page_of(site: Site, business: Business, path: str) -> tuple[str, str] | None:
    """Title and content of a page that exists because the site offers something; None for any other path."""
    name = html.escape(business.name)
    match path:
        case "/menu" if "menu_page" in site.offers:
            return f"Menu of {business.name}", "<h2>Menu</h2><ul>" + "".join(
                f"<li>{dish}</li>" for dish in DISHES
            ) + "</ul>"
        case "/book" if "booking" in site.offers and not booked_elsewhere(site):
            fields = '<label for="d">Date</label><input id="d" name="date" type="date"><label for="p">Phone</label><input id="p" name="phone">'
            return (
                f"Book at {business.name}",
                f'<h2>Book online</h2><form action="/book" method="post">{fields}<button>Book now</button></form>',
            )
        case "/order" if "ordering" in site.offers:
            return f"Order from {business.name}", f"<h2>Order online</h2><p>Pick up at {name} within half an hour.</p>"
        case "/privacy" if "privacy" in site.offers:
            return (
                f"Privacy policy of {business.name}",
                f"<h2>Privacy policy</h2><p>{name} keeps what you send us for as long as we need it to answer.</p>",
            )
        case "/accessibility" if "accessibility" in site.offers:
            return (
                f"Accessibility at {business.name}",
                f"<h2>Accessibility</h2><p>{name} wants everybody to be able to use this site. Tell us where you cannot.</p>",
            )
    return None
