"""Where each fact of a website is read: a selector, a header, an address. Evidence for people, next to URL and time."""

from __future__ import annotations

EVIDENCE: dict[str, str] = {
    "https": "address", "compressed": "header content-encoding", "has_hsts": "header strict-transport-security",
    "has_csp": "header content-security-policy", "frame_protected": "headers x-frame-options, content-security-policy",
    "has_nosniff": "header x-content-type-options", "has_referrer_policy": "header referrer-policy",
    "insecure_cookie_count": "header set-cookie", "version_told": "headers server, x-powered-by; meta[name=generator]",
    "php_version": "header x-powered-by", "wordpress_version": "meta[name=generator]", "home_is_error": "status",
    "redirect_count": "redirects", "tls_valid": "certificate", "tls_days_left": "certificate", "http_forwarded": "answer over http",
    "robots_block_home": "/robots.txt", "robots_blocked_key_page_count": "/robots.txt", "robots_broken": "/robots.txt",
    "has_sitemap": "/robots.txt and the usual sitemap addresses", "key_page_error_count": "status", "broken_link_count": "a[href]",
    "heavy_image_count": "img[src]", "has_title": "head > title", "title_length": "head > title", "default_title": "head > title",
    "has_meta_description": "meta[name=description]", "description_length": "meta[name=description]",
    "has_viewport": "meta[name=viewport]", "fixed_viewport": "meta[name=viewport]", "zoom_blocked": "meta[name=viewport]",
    "has_lang": "html[lang]", "has_favicon": "link[rel~=icon], /favicon.ico", "noindex": "meta[name=robots], header x-robots-tag",
    "has_open_graph": "meta[property^=og:]", "has_og_image": "meta[property=og:image]", "has_canonical": "link[rel=canonical]",
    "canonical_elsewhere": "link[rel=canonical]", "has_json_ld_business": "script[type=application/ld+json]",
    "json_ld_missing_count": "script[type=application/ld+json]", "h1_count": "h1", "heading_skip_count": "h1, h2, h3, h4, h5, h6",
    "images_without_alt": "img:not([alt])", "untitled_frame_count": "iframe[src]:not([title])",
    "inputs_without_label": "input, textarea, select", "form_count": "form", "tel_link_count": "a[href^=tel:]",
    "generic_link_count": "a", "table_layout": "table table", "has_flash": "object, embed", "has_frameset": "frameset",
    "dated_element_count": "font, center, marquee, blink, big, tt, applet", "autoplay_sound": "audio, video, bgsound",
    "mixed_content_count": "img, iframe, script, link[rel=stylesheet]", "test_host_link_count": "addresses",
    "blocking_script_count": "head script[src]", "jquery_version": "script[src]", "has_analytics": "script",
    "tracker_without_consent": "script", "has_call_to_action": "a[href], button, input[type=submit]", "has_contact_link": "a[href]",
    "has_privacy_link": "a[href]", "has_accessibility_link": "a[href]", "dead_social_link_count": "a[href]",
    "duplicate_title_count": "head > title", "duplicate_description_count": "meta[name=description]", "insecure_form": "form",
    "has_contact_form": "form", "contact_form_fields": "form", "has_booking": "a[href], button, iframe, script, form",
    "has_menu": "a[href], h1, h2, h3", "menu_only_as_file": "a[href]", "has_ordering": "a[href], button, iframe, script, form",
    "only_free_mail": "a[href^=mailto:], visible text",
}  # fmt: skip
_VISIBLE_TEXT = "visible text"  # where every other fact is read


def where(fact: str) -> str:
    """Where a fact is read."""
    return EVIDENCE.get(fact, _VISIBLE_TEXT)
