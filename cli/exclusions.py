"""`leadfactory exclusions …`: whom campaigns leave out: add, list, remove, by value or by file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import CommandError, as_json, console

if TYPE_CHECKING:
    from leadfactory.d01_targeting.exclusion_values import Parsed
    from leadfactory.keyed_hashes import KeyedHashes

app = typer.Typer(
    no_args_is_help=True,
    help="Whom campaigns leave out: existing customers, competitors, chains, lists of your own. Only keyed hashes are stored.",
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Given = Annotated[
    str,
    typer.Argument(metavar="FILE|VALUE", help="A CSV or a list of values in a file, or one phone, domain or address."),
]
List = Annotated[str | None, typer.Option("--list", help="customers, competitors, chains or own.")]
Campaign = Annotated[str | None, typer.Option(help="Count for this campaign only; for every campaign when left out.")]
Kind = Annotated[str | None, typer.Option(help="phone, domain, address or name; seen from the value when left out.")]
WITH_DOMAIN = ("customers", "competitors")  # whose address stands for their business, so for its own domain too
SHOWN = 20


@app.command(
    epilog="Examples: leadfactory exclusions add customers.csv --list=customers --dry-run   ·   "
    "leadfactory exclusions add joes.com   ·   leadfactory exclusions add 'Pronto Slice' --list=chains --kind=name"
)
def add(
    given: Given,
    into: List = "own",
    campaign: Campaign = None,
    kind: Kind = None,
    label: Annotated[
        str | None, typer.Option(help="Your word for where it came from; the file's name when left out.")
    ] = None,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Add the rest when rows are wrong.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be added and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Add a value, or a CSV with phone, domain, email or name columns. All rows or none, unless --skip-bad-rows.

    An address of a customer or competitor excludes its own domain too, unless that is free mail. Names count in chains only.
    """
    from leadfactory.d01_targeting import exclusions
    from leadfactory.settings import settings

    exclusions.check_list(into or "own")
    into = into or "own"
    parsed = _read(given, kind, into)
    word = _label(label, given)
    stopped = bool(parsed.problems) and not skip_bad_rows
    now = settings().clock.now()
    with _opened(campaign) as (tx, hashes):
        count = exclusions.add(tx, hashes, parsed.values, into=into, label=word, campaign=campaign, now=now)
        if dry_run or stopped:
            tx.rollback()
    figures = {
        "list": into, "label": word, "campaign": campaign, "rows": parsed.rows, "values": len(parsed.values),
        "new_entries": 0 if stopped else count, "bad_rows": [{"line": p.line, "problem": p.what} for p in parsed.problems],
        "dry_run": dry_run,
    }  # fmt: skip
    _tell(
        figures,
        f"{'would add' if dry_run else 'added'} {count} entries to {into}",
        json=json,
        stopped=stopped and not dry_run,
    )


@app.command(
    "remove",
    epilog="Examples: leadfactory exclusions remove joes.com   ·   leadfactory exclusions remove customers.csv --list=customers   ·   "
    "leadfactory exclusions remove --label=customers.csv --dry-run",
)
def remove(
    given: Annotated[
        str | None, typer.Argument(metavar="[FILE|VALUE]", help="A file or one value, as it was added.")
    ] = None,
    out_of: List = None,
    campaign: Campaign = None,
    kind: Kind = None,
    label: Annotated[str | None, typer.Option(help="Take out all that was added under this label.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed and write nothing.")] = False,
    json: Json = False,
) -> None:
    """Remove a value, the values of a file, or all of a label; from one list, or from all of them."""
    from leadfactory.d01_targeting import exclusions

    if (given is None) == (label is None):
        raise CommandError("give a file or a value, or --label: one of them")
    parsed = _read(given, kind, out_of) if given is not None else None
    if parsed is not None and parsed.problems:
        first = parsed.problems[0]
        raise CommandError(f"line {first.line}: {first.what}; {len(parsed.problems)} bad rows, nothing is removed")
    with _opened(campaign) as (tx, hashes):
        if parsed is not None:
            count = exclusions.remove(tx, hashes, parsed.values, out_of=out_of, campaign=campaign)
        else:
            count = exclusions.remove_label(tx, str(label), out_of=out_of, campaign=campaign)
        if dry_run:
            tx.rollback()
    figures = {
        "list": out_of,
        "label": label,
        "campaign": campaign,
        "removed_entries": count,
        "bad_rows": [],
        "dry_run": dry_run,
    }
    none = "" if count else "; `leadfactory exclusions list` shows what there is"
    _tell(figures, f"{'would remove' if dry_run else 'removed'} {count} entries{none}", json=json, stopped=False)


@app.command("list", epilog="Examples: leadfactory exclusions list   ·   leadfactory exclusions list joes.com")
def list_entries(
    value: Annotated[str | None, typer.Argument(help="One value: the lists that hold it.")] = None,
    kind: Kind = None,
    json: Json = False,
) -> None:
    """Show what the lists hold, by label; or which of them hold one value. Values are stored as hashes and cannot be shown."""
    from cli.output import Table
    from leadfactory.d01_targeting import exclusion_values, exclusions

    with _opened(None) as (tx, hashes):
        if value is None:
            rows = exclusions.summary(tx)
        else:
            rows = exclusions.holding(tx, hashes, exclusion_values.parse(value, kind))
    if json:
        as_json([row | {"campaign": row["campaign"] or None} for row in rows])
        return
    if not rows:
        console.print(
            "no list holds it"
            if value
            else "no exclusions; add some with `leadfactory exclusions add FILE --list=customers`"
        )
        return
    table = Table()
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(
            *(str(cell or "every campaign") if name == "campaign" else str(cell) for name, cell in row.items())
        )
    console.print(table)


def _read(given: str, kind: str | None, name: str | None) -> Parsed:
    """The values of a file that exists, or the one value."""
    from leadfactory.d01_targeting import exclusion_values

    with_domain, path = name in WITH_DOMAIN, Path(given)
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        raise CommandError(f"{given} cannot be read ({error.strerror}): check the path") from None
    if content is not None:
        try:
            return exclusion_values.parse_file(content, kind, with_domain=with_domain, names=name == "chains")
        except ValueError as error:
            raise CommandError(f"{given}: {error}") from None
    if "/" in given and path.is_dir():
        raise CommandError(f"{given} is a folder: give a file or one value")
    if path.suffix.lower() in {".csv", ".txt", ".tsv"}:
        raise CommandError(f"{given} does not exist: check the path")
    return exclusion_values.Parsed((exclusion_values.parse(given, kind, with_domain=with_domain),), (), 1)


def _label(label: str | None, given: str) -> str:
    word = label if label is not None else (Path(given).name if Path(given).is_file() else "by hand")
    if not 1 <= len(word.strip()) <= 80 or not word.isprintable():
        raise CommandError(f"--label={word[:80]!r} is not a label: choose 1 to 80 printable characters")
    return word.strip()


class _opened:
    """One transaction, and the hashes of this installation; refuses another suppression key than the database's."""

    def __init__(self, campaign: str | None) -> None:
        self._campaign = campaign

    def __enter__(self) -> tuple[Any, KeyedHashes]:
        from cli.campaigns import system_of_record
        from leadfactory.d01_targeting import campaigns
        from leadfactory.d09_delivery import suppression
        from leadfactory.keyed_hashes import KeyedHashes
        from leadfactory.settings import settings

        hashes = KeyedHashes(settings().suppression_key.get_secret_value())
        self._database = system_of_record()
        self._transaction = self._database.__enter__().begin()
        tx = self._transaction.__enter__()
        try:
            suppression.establish_key(tx, hashes, settings().clock.now())
            if self._campaign is not None:
                campaigns.get(tx, self._campaign)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return tx, hashes

    def __exit__(self, *error: Any) -> None:
        try:
            self._transaction.__exit__(*error)
        finally:
            self._database.__exit__(*error)


def _tell(figures: dict[str, Any], done: str, *, json: bool, stopped: bool) -> None:
    bad = figures["bad_rows"]
    if json:
        as_json(figures)
    else:
        for row in bad[:SHOWN]:
            console.print(f"  line {row['line']}: {row['problem']}")
        if len(bad) > SHOWN:
            console.print(f"  … and {len(bad) - SHOWN} more bad rows")
        if not stopped:
            console.print(done)
    if stopped:
        raise CommandError(f"{len(bad)} bad rows: nothing is added; mend them, or add the rest with --skip-bad-rows")
