"""
`--scenarios FILE`: what-ifs with names, each a set of flags that are added to those of the command line.

    as it is: {}
    black friday:
      scale: [deployment/web=40, deployment/api=20]
    zone b is gone:
      without-zone: eu-west-par-b
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from solver.cli import errors

FLAGS = (
    "scale",
    "only-flavors",
    "without-flavors",
    "without-zone",
    "quota",
    "region",
    "catalog",
    "mode",
    "preference-policy",
    "preference-price",
    "min-values-policy",
    "weights",
    "node-charge",
    "disruption-price",
    "horizon",
    "max-evictions",
    "max-nodes",
    "now",
    "seed",
    "time-limit",
)
"""Flags that a scenario may set, as they are called on the command line."""

Values = dict[str, Any]
A = TypeVar("A")
T = TypeVar("T")


def read(path: str, ctx: click.Context, given: Values) -> dict[str, Values]:
    """
    The values of all flags by the name of each scenario: those `given`, and over them the scenario's own.

    Repeatable flags are added to those given. Raises `errors.Wrong` with everything that is wrong in the file.
    """
    from solver.snapshot import yamltext

    try:
        found = list(yamltext.documents(Path(path).read_bytes()))
    except OSError as error:
        raise errors.Wrong(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except yamltext.YamlError as error:
        raise errors.Wrong(f"{path}: {error}") from None
    scenarios = found[0] if len(found) == 1 else None
    if not isinstance(scenarios, dict) or not scenarios:
        raise errors.Wrong(f"{path}: is not a mapping; write a name for each scenario and its flags below it")
    options = {option.opts[-1].lstrip("-"): option for option in ctx.command.params}
    problems: list[str] = []
    result = {}
    for name, flags in scenarios.items():
        where = f"{path}, scenario {name}"
        result[name] = dict(given)
        if not isinstance(flags or {}, dict):
            problems.append(f"{where}: is not a mapping of flags; write for instance scale: deployment/web=40")
            continue
        for flag, value in (flags or {}).items():
            if flag not in FLAGS:
                problems.append(f"{where}, {flag}: is not a flag of scenarios; write one of {', '.join(FLAGS)}")
                continue
            option = options[flag]
            assert option.name is not None
            try:
                result[name][option.name] = _value(option, value, ctx, given[option.name])
            except click.UsageError as error:
                problems.append(f"{where}, {flag}: {error.message}")
    if problems:
        raise errors.Wrong(problems)
    return result


def asked(path: str, of: Mapping[str, A], ask: Callable[[A], T]) -> dict[str, T]:
    """
    What `ask` makes of each scenario.

    Raises `errors.Wrong` with all that is wrong: what every scenario meets once, the rest with the name of its scenario.
    """
    found: dict[str, T] = {}
    wrong: dict[str, list[str]] = {}
    for name, each in of.items():
        try:
            found[name] = ask(each)
        except errors.Wrong as error:
            wrong[name] = error.problems
    if not wrong:
        return found
    everywhere = [each for each in next(iter(wrong.values())) if all(each in wrong.get(name, ()) for name in of)]
    own = [
        f"{path}, scenario {name}: {each}"
        for name, problems in wrong.items()
        for each in problems
        if each not in everywhere
    ]
    raise errors.Wrong([*everywhere, *own])


def _value(option: click.Parameter, value: Any, ctx: click.Context, given: Any) -> Any:
    """What the flag means with this value; lists are for repeatable flags and come after those given."""
    if value is None or isinstance(value, (bool, dict)):
        raise click.BadParameter("has no value; write one as on the command line")
    texts = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    if option.multiple:
        return (*given, *(option.type_cast_value(ctx, texts)))
    if len(texts) != 1:
        raise click.BadParameter("takes one value, not a list")
    return option.type_cast_value(ctx, texts[0])
