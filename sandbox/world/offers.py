"""What a business offers on its website, and what the site is built with: shares by vertical, drawn apart from its defects."""

from __future__ import annotations

import random
from collections.abc import Mapping

from sandbox.model import Business
from sandbox.world.draws import share

# Share of sites that have it: by vertical, "*" for all others.
OFFERS: Mapping[str, Mapping[str, float]] = {
    "call_to_action": {"*": 0.68, "restaurant": 0.55, "home_services": 0.8, "legal": 0.75, "beauty": 0.75},
    "booking": {
        "*": 0.2, "restaurant": 0.4, "dental": 0.5, "beauty": 0.7, "medical": 0.45, "fitness": 0.6, "hospitality": 0.8, "pets": 0.4,
        "automotive": 0.3, "home_services": 0.25, "legal": 0.15,
    },
    "menu_page": {"*": 0.0, "restaurant": 0.55},
    "menu_file": {"*": 0.0, "restaurant": 0.3},
    "ordering": {"*": 0.02, "restaurant": 0.38, "retail": 0.4},
    "privacy": {"*": 0.6, "restaurant": 0.42, "dental": 0.72, "medical": 0.78, "financial": 0.8, "legal": 0.75, "home_services": 0.5},
    "accessibility": {"*": 0.12, "dental": 0.22, "medical": 0.25, "hospitality": 0.4, "education": 0.25},
    "social": {"*": 0.66, "restaurant": 0.8, "beauty": 0.85},
    "dead_social": {"*": 0.05},
    "canonical": {"*": 0.6},
    "og_image": {"*": 0.5},
    "consent": {"*": 0.22},
    "map": {"*": 0.4, "restaurant": 0.5},
    "map_untitled": {"*": 0.2},
    "reviews": {"*": 0.45},
    "dated_markup": {"*": 0.05},
    "no_copyright": {"*": 0.12},
    "php_told": {"*": 0.25},
}  # fmt: skip
# How often a builder is met: by vertical, "*" for all others.
PLATFORMS: Mapping[str, Mapping[str, float]] = {
    "*": {"wordpress": 42, "wix": 12, "squarespace": 11, "godaddy": 7, "hand": 12, "weebly": 4, "duda": 4, "webflow": 2, "joomla": 3, "drupal": 2,
          "shopify": 1},
    "restaurant": {"wordpress": 30, "wix": 17, "squarespace": 22, "godaddy": 8, "hand": 12, "weebly": 5, "duda": 2, "joomla": 2, "shopify": 2},
    "dental": {"wordpress": 50, "wix": 8, "squarespace": 6, "godaddy": 5, "hand": 10, "duda": 14, "joomla": 3, "drupal": 2, "webflow": 2},
    "retail": {"shopify": 38, "wordpress": 26, "squarespace": 12, "wix": 10, "weebly": 5, "hand": 7, "godaddy": 2},
}  # fmt: skip
RELEASES: Mapping[str, tuple[str, ...]] = {
    "wordpress": ("6.8.3", "6.8.1", "6.7.2", "6.6.2", "6.4.5", "5.9.3", "5.4.1", "4.9.8"),
    "joomla": ("5.1", "4.4", "3.9", "2.5"),
    "drupal": ("10", "9", "7"),
    "php": ("8.3.11", "8.2.20", "8.1.29", "7.4.33", "7.2.34", "5.6.40"),
}
SPANISH: Mapping[str, float] = {"*": 0.015, "restaurant": 0.03, "home_services": 0.03, "legal": 0.03}
SPANISH_KITCHENS = 0.2  # of the sites of Mexican restaurants
# How often a defect is met beside others; 3 for those not named. Flash is rare, missing headers are not.
WEIGHTS: Mapping[str, float] = {
    "missing_title": 0.6, "long_title": 2, "no_meta_description": 4, "no_h1": 2.5, "no_viewport": 1.2, "images_without_alt": 6,
    "huge_images": 4, "no_lang": 1.5, "no_https": 1.5, "mixed_content": 1.5, "no_favicon": 1.2, "broken_internal_link": 2.5,
    "form_without_label": 4, "no_contact_form": 2.5, "no_phone_visible": 1, "no_address": 1.5, "no_json_ld": 6, "outdated_copyright": 4,
    "low_contrast": 4, "tiny_font": 1.5, "render_blocking_scripts": 4, "render_blocking_css": 4, "no_compression": 1.5,
    "no_cache_headers": 4, "noindex": 0.4, "no_sitemap": 2, "jquery_old": 2, "flash_embed": 0.25, "table_layout": 0.8, "no_analytics": 2.5,
    "no_open_graph": 4, "lorem_ipsum": 0.5, "missing_security_headers": 7, "large_dom": 2.5, "unsized_images": 5, "generic_link_text": 2.5,
    "unused_scripts": 5, "duplicate_title": 2, "no_robots_txt": 2,
}  # fmt: skip
TILTS: Mapping[str, Mapping[str, float]] = {  # times the weight, in one vertical
    "restaurant": {"no_contact_form": 2, "huge_images": 1.5, "no_hours": 0.5, "no_analytics": 1.4},
    "dental": {"unused_scripts": 1.5, "render_blocking_scripts": 1.4, "no_contact_form": 0.4, "no_address": 0.5},
    "home_services": {"no_hours": 1.7, "no_address": 2.5, "no_phone_visible": 0.3, "outdated_copyright": 1.4},
    "legal": {"large_dom": 0.6, "no_hours": 1.5, "no_contact_form": 0.4},
    "beauty": {"no_json_ld": 1.3, "images_without_alt": 1.3},
}


def offers_of(seed: int, business: Business) -> frozenset[str]:
    """What the site of a business has; a menu is a page or a file, and one that tells nothing dead tells no dead link."""

    def has(offer: str) -> bool:
        rates = OFFERS[offer]
        return share(seed, "offer", offer, business.key) < rates.get(business.vertical, rates["*"])

    found = {offer for offer in OFFERS if has(offer)}
    if "social" not in found:
        found.discard("dead_social")
    if "menu_page" in found:
        found.discard("menu_file")
    if "map" not in found:
        found.discard("map_untitled")
    return frozenset(found)


def platform_of(seed: int, business: Business) -> tuple[str, str]:
    """The builder of a site and the release that it tells; "" when it tells none."""
    kinds = PLATFORMS.get(business.vertical, PLATFORMS["*"])
    rng = random.Random(f"{seed}:platform:{business.key}")
    platform = rng.choices(list(kinds), weights=list(kinds.values()))[0]
    return platform, rng.choice(RELEASES.get(platform, ("",)))


def language_of(seed: int, business: Business) -> str:
    """The language that a site is written in."""
    rate = SPANISH.get(business.vertical, SPANISH["*"])
    if "mexican" in business.yelp_categories:
        rate = SPANISH_KITCHENS
    return "es" if share(seed, "language", business.key) < rate else "en"


def defects_of(rng: random.Random, kinds: tuple[str, ...], count: int, vertical: str) -> set[str]:
    """``count`` different defects, the commoner ones likelier (weighted sampling without replacement)."""
    tilt = TILTS.get(vertical, {})
    keys = {kind: rng.random() ** (1 / (WEIGHTS.get(kind, 3) * tilt.get(kind, 1))) for kind in kinds}
    return set(sorted(keys, key=lambda kind: -keys[kind])[:count])
