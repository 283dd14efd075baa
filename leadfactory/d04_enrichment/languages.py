"""Which language a page speaks: by its script, then by its commonest words, then by what it says of itself."""

from __future__ import annotations

import re
from collections import Counter

from selectolax.lexbor import LexborHTMLParser

READ = 20_000  # characters
LEAST_WORDS = 25  # fewer say nothing
_SCRIPTS = (
    ("ja", re.compile("[\u3040-\u30ff]")), ("ko", re.compile("[\uac00-\ud7af]")), ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")), ("ar", re.compile("[\u0600-\u06ff]")), ("he", re.compile("[\u0590-\u05ff]")),
    ("hi", re.compile("[\u0900-\u097f]")), ("th", re.compile("[\u0e00-\u0e7f]")), ("el", re.compile("[\u0370-\u03ff]")),
)  # fmt: skip
# Words that are common in one of these languages and rare in the others.
_WORDS = {
    "en": {"the", "and", "of", "to", "our", "we", "you", "with", "for", "your", "is", "are", "from", "us"},
    "es": {"el", "los", "las", "y", "nuestro", "nuestra", "con", "para", "una", "por", "del", "su", "más", "es"},
    "fr": {"le", "les", "et", "des", "nous", "vous", "avec", "pour", "votre", "nos", "une", "est", "dans", "du"},
    "de": {"der", "die", "und", "das", "wir", "sie", "mit", "für", "unser", "unsere", "ist", "von", "ein", "eine"},
    "pt": {"os", "nosso", "nossa", "com", "uma", "você", "não", "mais", "ao", "pelo", "são", "seu", "e", "dos"},
    "it": {"il", "gli", "nostro", "nostra", "per", "di", "che", "una", "della", "sono", "più", "e", "con", "nel"},
    "vi": {"và", "của", "chúng", "tôi", "cho", "với", "là", "các", "được", "không", "những", "một"},
}


def spoken(tree: LexborHTMLParser, text: str) -> str | None:
    """ISO 639-1 code of the language of a page's visible text; None when nothing tells."""
    shown = text[:READ]
    letters = sum(1 for each in shown if each.isalpha())
    for code, script in _SCRIPTS:
        if letters >= LEAST_WORDS and len(script.findall(shown)) >= (0.1 if code == "ja" else 0.3) * letters:
            return code
    words = Counter(re.findall(r"[^\W\d_]+", shown.lower()))
    if words.total() >= LEAST_WORDS:
        counted = {code: sum(words[each] for each in known) for code, known in _WORDS.items()}
        first, second = sorted(counted.values())[-1:-3:-1]
        if first >= 3 and first > second:
            return next(code for code, count in counted.items() if count == first)
    node = tree.css_first("html[lang]")
    told = re.match(r"[a-z]{2}\b", ((node.attributes.get("lang") or "") if node is not None else "").lower())
    return told[0] if told else None
