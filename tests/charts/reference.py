"""The configuration reference, from the definitions and the command: `python -m tests.charts.reference` writes it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import click

from controller import command
from crds import generate

FOLDER = pathlib.Path(__file__).parents[2] / "docs" / "reference"


def rows(schema: dict[str, Any], path: str) -> Iterator[str]:
    """A row for each described field below a schema."""
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        text = " ".join(str(field.get("description", "")).split()).replace("|", "\\|")
        default = f"`{field['default']}`" if "default" in field else ""
        yield f"| `{where}` | {field.get('type', '')} | {default} | {text} |"
        yield from rows(field, where)
        yield from rows(field.get("items", {}), f"{where}[]")


def pages() -> dict[str, str]:
    """File names and texts."""
    found = {}
    for kind in generate.KINDS:
        top = generate.definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        name = kind.model.__name__
        head = f"# {name}\n\n`{kind.group}/{kind.version}`. {top['description']}\n\n"
        head += "| field | type | default | meaning |\n| --- | --- | --- | --- |\n"
        both = {key: top["properties"][key] for key in ("spec", "status") if key in top["properties"]}
        found[f"{name.lower()}.md"] = head + "\n".join(line for k, v in both.items() for line in rows(v, k)) + "\n"
    lines = ["# Settings of the controller", "", "| flag | variable | default | meaning |", "| --- | --- | --- | --- |"]
    for each in command.controller.params:
        assert isinstance(each, click.Option)
        names = [each.envvar] if isinstance(each.envvar, str) else list(each.envvar or ())
        default = f"`{each.default}`" if isinstance(each.default, (str, int, float)) and each.default != "" else ""
        variables = ", ".join(f"`{name}`" for name in names)
        lines.append(f"| `{'`, `'.join(each.opts)}` | {variables} | {default} | {each.help or ''} |")
    return found | {"settings.md": "\n".join(lines) + "\n"}


if __name__ == "__main__":
    for file, text in pages().items():
        (FOLDER / file).write_text(text)
