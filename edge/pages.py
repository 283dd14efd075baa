"""The edge's pages: templates with escaping always on, one style that the security policy names by its hash."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

from leadfactory import seller

FOLDER = Path(__file__).resolve().parent / "templates"
STYLE = (FOLDER / "style.css").read_text()
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals["style"] = STYLE


def page(name: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page of the folder ``templates``; each extends ``base.html.j2`` and may use ``seller``."""
    text = _TEMPLATES.get_template(f"{name}.html.j2").render(seller=seller.current(), **values)
    return HTMLResponse(text, status_code=status, headers=headers)
