"""The mail with a report's links: what was bought, where it is, who to write to. Plain text and HTML say the same. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from html import escape

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.mail import Mail
from leadfactory.d06_reports.links import Link


def compose(
    delivery_id: uuid.UUID,
    address: str,
    links: Sequence[Link],
    kind: str,
    unit: CampaignDay,
    *,
    sender_email: str,
    sender_name: str,
    postal_address: str,
) -> Mail:
    """The mail to the paying address; one block of links for each version, the newest first."""
    newest = links[0]
    if kind == "lost":
        subject, opening = "Your report links", "You asked for the links to the reports that you bought. Here they are."
    elif newest.version > 1:
        subject = f"Your website report, measured again: {newest.domain}"
        opening = f"The measurements behind your report on {newest.domain} were older than two weeks when you bought it, so we measured again, free of charge. The report that you bought stays as it is; this is a new version beside it."
    else:
        subject = f"Your website report: {newest.domain}"
        opening = f"Thank you for buying the report on {newest.domain}. You can read it now."
    lines, html = [opening, ""], [f"<p>{escape(opening)}</p>"]
    for link in links:
        title = f"{link.domain}, version {link.version} of {link.report_on:%d %B %Y}"
        lines += [title, f"Read: {link.url}", *([f"PDF: {link.pdf_url}"] if link.pdf_url else []), ""]
        pdf = f'<br>PDF: <a href="{escape(link.pdf_url)}">{escape(link.pdf_url)}</a>' if link.pdf_url else ""
        html.append(
            f'<p><strong>{escape(title)}</strong><br>Read: <a href="{escape(link.url)}">{escape(link.url)}</a>{pdf}</p>'
        )
    closing = "The links are yours alone: whoever has them can read the report. Answer this mail if anything is wrong with it."
    lines += [closing, "", sender_name, postal_address]
    html.append(f"<p>{escape(closing)}</p><p>{escape(sender_name)}<br>{escape(postal_address)}</p>")
    return Mail(
        send_id=delivery_id,
        to_email=address,
        from_email=sender_email,
        from_name=sender_name,
        reply_to=sender_email,
        subject=subject,
        text="\n".join(lines) + "\n",
        html="\n".join(html),
        headers={},
        custom_args={"send_id": str(delivery_id), "campaign_day": unit.key},
        categories=("report", kind),
    )
