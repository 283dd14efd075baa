"""Pictures of pages of the sample report. `python -m edge.samples` draws them anew (it needs Pango and the development packages)."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).resolve().parent / "static"
WIDTH, HEIGHT = 640, 828  # US letter
# page of the PDF, and what is on it
PAGES = {
    "sample-cover": (0, "The cover: the website’s grade and score"),
    "sample-issue": (3, "A priority issue: what was measured, why it matters, how to mend it"),
    "sample-speed": (5, "Speed: every metric on its scale of good and poor"),
}
_IMAGES = {f"{name}.png": (FOLDER / f"{name}.png").read_bytes() for name in PAGES if (FOLDER / f"{name}.png").is_file()}
VERSION = hashlib.sha256(b"".join(_IMAGES.values())).hexdigest()[:12]


async def picture(request: Request) -> Response:
    """One picture; its address changes with it, so that browsers may keep it."""
    content = _IMAGES.get(request.path_params["name"])
    if content is None:
        return Response(status_code=404)
    return Response(content, media_type="image/png", headers={"Cache-Control": "public, max-age=31536000, immutable"})


def draw() -> None:
    """Renders the sample and stores its pages as small pictures."""
    import io

    import pypdfium2
    from PIL import Image

    from leadfactory.d06_reports.rendering import render_html, render_pdf
    from leadfactory.d06_reports.sample import sample

    given = sample()
    pdf, _ = render_pdf(render_html(given)[0], given.report_on)
    document = pypdfium2.PdfDocument(pdf)
    for name, (number, _) in PAGES.items():
        page = document[number]
        drawn = page.render(scale=2 * WIDTH / page.get_width()).to_pil().resize(
            (WIDTH, HEIGHT), Image.Resampling.LANCZOS
        )  # fmt: skip
        out = io.BytesIO()
        drawn.convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(out, "PNG", optimize=True)
        (FOLDER / f"{name}.png").write_bytes(out.getvalue())


if __name__ == "__main__":
    draw()
