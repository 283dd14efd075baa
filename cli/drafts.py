"""`leadfactory drafts …`: what the letters say, which ones wait for a person, and the person's word."""

from __future__ import annotations

import getpass
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from cli.output import CommandError, Table, as_json, console, paint

if TYPE_CHECKING:
    import sqlalchemy as sa

    from leadfactory.d08_personalization.desk import Case

app = typer.Typer(
    no_args_is_help=True, help="Letters: list, show, approve, edit, reject, and the pages to review them on."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Campaign = Annotated[str | None, typer.Option(help="Only this campaign.")]
DraftId = Annotated[str, typer.Argument(help="The id that `drafts list` prints, or its beginning.")]
Reviewer = Annotated[str | None, typer.Option("--as", help="Who says it; your login when left out.")]


@app.command(
    "list",
    epilog="Examples: leadfactory drafts list --state=waiting   ·   leadfactory drafts list --campaign=restaurant-10001 --json",
)
def list_drafts(
    campaign: Campaign = None,
    state: Annotated[
        str | None, typer.Option(help="waiting, approved, edited, rejected, unreviewed, or refused (by the guard).")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most this many rows.")] = 50,
    json: Json = False,
) -> None:
    """List the newest version of each letter, those that wait for a person first."""
    from cli.campaigns import system_of_record
    from leadfactory.d08_personalization import listing

    with system_of_record() as db, db.begin() as tx:
        rows = listing.listed(tx, campaign=campaign, state=state, limit=limit)
    if json:
        return as_json(rows)
    table = Table("draft", "business", "step", "subject", "words of", "state", "send", "reason")
    for row in rows:
        table.add_row(
            str(row["draft_id"]), row["site_host"] or str(row["business_id"]), str(row["step"]), row["subject"] or "–",
            row["wording"], row["state"], row["send"] or "–", row["reason"] or "",
        )  # fmt: skip
    console.print(table if rows else "no letters: the nightly run of a campaign-day writes them")
    return None


@app.command(epilog="Example: leadfactory drafts show 3f0c2a9e --json")
def show(draft: DraftId, json: Json = False) -> None:
    """Show a letter as plain text, the source of each of its numbers, what the guard says, and all that was said about it."""
    from cli.campaigns import system_of_record
    from leadfactory.d08_personalization import reviews

    with system_of_record() as db, db.begin() as tx:
        case = _case(tx, draft)
        problems, said = case.problems(), reviews.history(tx, case.row)
    sources = _sources(case)
    if json:
        names = ("draft_id", "campaign", "cohort_on", "business_id", "step", "version", "status", "reason", "subject", "preview",
                 "body_text", "wording", "template_version", "prompt_version", "model", "input_tokens", "output_tokens",
                 "cost_microusd", "price_cents", "currency")  # fmt: skip
        return as_json(
            {name: getattr(case.row, name) for name in names}
            | {
                "numbers": sources,
                "guard": [{"code": p.code, "value": p.value, "remedy": p.remedy} for p in problems],
                "reviews": [dict(row._mapping, content_hash=row.content_hash.hex()) for row in said],
            }
        )
    row = case.row
    console.print(paint("bold", row.subject), f"{row.preview}\n\n{row.body_text}", sep="\n")
    told = ", ".join(f"{number}: {source}" for number, source in sources.items())
    console.print(f"numbers: {told or 'none'}")
    versions = f"template {row.template_version}, prompt {row.prompt_version or '–'}, model {row.model or '–'}"
    console.print(
        f"version {row.version}, words of {row.wording}, {versions}, {row.cost_microusd or 0} millionths of a dollar"
    )
    for problem in problems:
        console.print(f"guard: {problem!s}   →  {problem.remedy}")
    for each in said:
        why = f": {each.reason}" if each.reason else ""
        console.print(
            f"{each.reviewed_at:%Y-%m-%d %H:%M}  version {each.version} {each.state} by {each.reviewer or 'us'}{why}"
        )
    return None


@app.command(
    epilog="Examples: leadfactory drafts approve 3f0c2a9e   ·   leadfactory drafts approve 3f0c2a9e 77ab10c2 --as=ana"
)
def approve(
    drafts: Annotated[list[str], typer.Argument(help="Ids that `drafts list` prints, or their beginnings.")],
    reviewer: Reviewer = None,
    json: Json = False,
) -> None:
    """Let letters leave; all of them or none."""
    from cli.campaigns import system_of_record
    from leadfactory.d08_personalization import desk
    from leadfactory.settings import settings

    now, by = settings().clock.now(), reviewer or getpass.getuser()
    with system_of_record() as db, db.begin() as tx:
        done = [desk.approve(tx, _case(tx, each), by, now) for each in drafts]
    _told({"approved": done, "reviewer": by}, f"{len(done)} approved by {by}", json=json)


@app.command(
    epilog="Examples: leadfactory drafts edit 3f0c2a9e --subject='How your page comes up on a phone'   ·   "
    "leadfactory drafts edit 3f0c2a9e --text-file=letter.txt"
)
def edit(
    draft: DraftId,
    subject: Annotated[str | None, typer.Option(help="Another subject.")] = None,
    preview: Annotated[str | None, typer.Option(help="Another preview, shown beside the subject.")] = None,
    text_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the part before the link; blank lines part paragraphs, a first line of its own heads a box."
        ),
    ] = None,
    reviewer: Reviewer = None,
    json: Json = False,
) -> None:
    """Word a letter otherwise. It passes the guard again, becomes a new version, and may leave; without options it opens your editor."""
    from cli.campaigns import system_of_record
    from leadfactory.d08_personalization import desk
    from leadfactory.settings import settings

    by = reviewer or getpass.getuser()
    try:
        text = None if text_file is None else text_file.read_text()
    except (OSError, UnicodeError) as error:
        raise CommandError(
            f"--text-file={text_file} cannot be read ({error}): give a file of plain text in UTF-8"
        ) from None
    with system_of_record() as db:
        if subject is preview is text is None:
            with db.begin() as tx:
                before = _case(tx, draft).own_words
            text = click.edit(before)
            if text is None or text.strip() == before.strip():
                raise CommandError(
                    "nothing was changed: save the text in your editor, or give --subject, --preview or --text-file"
                )
        with db.begin() as tx:
            change = desk.Edit(subject, preview, text)
            new = desk.edit(tx, _case(tx, draft), change, by, settings().clock.now())
    _told({"draft_id": new, "reviewer": by}, f"stored as {new}, worded by {by}", json=json)


@app.command(epilog="Example: leadfactory drafts reject 3f0c2a9e --reason='they closed last week'")
def reject(
    draft: DraftId,
    reason: Annotated[str, typer.Option(help="Why; kept with the draft and its send.")],
    reviewer: Reviewer = None,
    json: Json = False,
) -> None:
    """Stop a letter for good; what was planned of it is refused."""
    from cli.campaigns import system_of_record
    from leadfactory.d08_personalization import desk
    from leadfactory.settings import settings

    by = reviewer or getpass.getuser()
    with system_of_record() as db, db.begin() as tx:
        row = desk.row_of(tx, _found(tx, draft))
        desk.reject(tx, row, by, reason, settings().clock.now())
    _told({"rejected": row.draft_id, "reviewer": by}, f"rejected by {by}", json=json)


@app.command(epilog="Examples: leadfactory drafts review   ·   leadfactory drafts review --as='Ana Ruiz' --json")
def review(reviewer: Reviewer = None, json: Json = False) -> None:
    """Print a link that opens the review pages in a browser for twelve hours, in your name. Whoever has it can let letters leave."""
    from leadfactory.operator_links import LIVES, OperatorLinks
    from leadfactory.settings import settings

    by, now = reviewer or getpass.getuser(), settings().clock.now()
    try:
        token = OperatorLinks(settings().signing_keys.get_secret_value()).sign(by, now)
    except ValueError as error:
        raise CommandError(f"--as: {error}") from None
    url = f"{settings().public_url.rstrip('/')}/review/as/{token}"
    if json:
        return as_json({"url": url, "reviewer": by.strip(), "until": now + LIVES})
    console.print(url)
    return None


def _found(tx: sa.Connection, draft: str) -> uuid.UUID:
    import sqlalchemy as sa

    from leadfactory.d08_personalization.tables import email_drafts

    wanted = draft.strip().lower()
    if len(wanted) < 6 or not set(wanted) <= set("0123456789abcdef-"):
        raise CommandError(f"draft={draft!r} is no id: copy it from `leadfactory drafts list`, at least six characters")
    column = email_drafts.c.draft_id
    found = list(tx.scalars(sa.select(column).where(sa.cast(column, sa.Text).startswith(wanted)).limit(2)))
    if len(found) != 1:
        raise CommandError(f"draft={draft!r} names {'several drafts: give more of it' if found else 'no draft'}")
    return uuid.UUID(str(found[0]))


def _case(tx: sa.Connection, draft: str) -> Case:
    from leadfactory.d08_personalization import desk
    from leadfactory.settings import settings
    from leadfactory.tokens import Tokens

    tokens = Tokens(settings().signing_keys.get_secret_value())
    return desk.case_of(tx, _found(tx, draft), tokens, settings().public_url, settings().clock.now())


def _sources(case: Case) -> dict[str, str]:
    """Each number of the letter with what it rests on, in words."""
    said = {str(fact.finding_id): f"{fact.kind}: {fact.says}" for fact in case.facts}
    return {number: said.get(source, source) for number, source in case.row.facts.items()}


def _told(figures: dict[str, Any], sentence: str, *, json: bool) -> None:
    if json:
        as_json(figures)
    else:
        console.print(sentence)
