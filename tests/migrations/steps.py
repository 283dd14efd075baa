"""Reads migrations for steps that take something away from under the code that still runs, or ask it for what it does not give."""

from __future__ import annotations

import ast
import re
from pathlib import Path

DROPS = {"drop_column", "drop_table", "rename_table"}
DANGEROUS_SQL = re.compile(
    r"\bDROP\s+(COLUMN|TABLE|FUNCTION|SCHEMA|VIEW|TYPE)\b|\bRENAME\b|\bSET\s+NOT\s+NULL\b|\bALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE\b",
    re.IGNORECASE,
)


def refused(path: Path) -> list[str]:
    """Each step of ``upgrade`` that code of the version before may not survive, with its line."""
    tree = ast.parse(path.read_text())
    texts = _constants(tree)
    found = []
    for node in _upgraded(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            said = _judged(node, texts)
            if said:
                found.append(f"{path.name}:{node.lineno}: {said}")
    return found


def _upgraded(tree: ast.Module) -> list[ast.AST]:
    """Everything but ``downgrade``."""
    kept = [each for each in tree.body if not (isinstance(each, ast.FunctionDef) and each.name == "downgrade")]
    return [node for each in kept for node in ast.walk(each)]


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names of the module that stand for text."""
    found = {}
    for each in tree.body:
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
            found[each.targets[0].id] = _text(each.value)
    return found


def _text(node: ast.AST) -> str:
    return " ".join(
        str(each.value) for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def _judged(call: ast.Call, texts: dict[str, str]) -> str | None:
    assert isinstance(call.func, ast.Attribute)
    name = call.func.attr
    given = {each.arg: each.value for each in call.keywords}
    if name in DROPS:
        return f"{name} takes away what the version before reads: stop using it in this version, drop it in the next"
    if name == "alter_column":
        if "new_column_name" in given:
            return (
                "a renamed column is gone for the version before: add a column, fill both, drop the old one in the next"
            )
        if "type_" in given:
            return "the version before reads and writes the old type: add a column instead"
        if _is(given.get("nullable"), False):
            return "the version before may leave it out: give it a default, and NOT NULL in the next version"
        if _is(given.get("server_default"), None) and "server_default" in given:
            return "the version before rests on the default"
    if name == "add_column" and _not_null_without_default(call):
        return "a new column is NOT NULL without a server_default: the version before does not write it"
    if name in {"create_check_constraint", "create_unique_constraint", "create_foreign_key"}:
        return f"{name} may refuse rows that the version before writes: say why it does not"
    if name == "create_index" and _is(given.get("unique"), True):
        return "a new unique index may refuse rows that the version before writes: say why it does not"
    if name == "execute":
        said = " ".join(
            [_text(call), *(texts.get(each.id, "") for each in ast.walk(call) if isinstance(each, ast.Name))]
        )
        match = DANGEROUS_SQL.search(said)
        if match:
            return f"SQL that says {match[0]!r} takes away what the version before uses"
    return None


def _not_null_without_default(call: ast.Call) -> bool:
    for each in ast.walk(call):
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "Column":
            given = {word.arg: word.value for word in each.keywords}
            if _is(given.get("nullable"), False) and "server_default" not in given:
                return True
    return False


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value
