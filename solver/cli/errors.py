"""Errors and exit codes of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

import click

DONE = 0
FAILURE = 1
WRONG = 2
CHANGES = 3
LEFT_OUT = 4
INTERRUPTED = 130


class Wrong(click.ClickException):
    """Wrong usage or bad input: each problem is one line on standard error, exit code 2, nothing on standard output."""

    exit_code = WRONG

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the problems."""
        for problem in self.problems:
            click.echo(f"error: {problem}", err=True, file=file)


class Failed(click.ClickException):
    """Something that is not the caller's fault: one line, exit code 1."""

    exit_code = FAILURE

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the problem."""
        click.echo(f"error: {self.message}", err=True, file=file)


def show_usage(error: click.UsageError) -> None:
    """Print wrong usage: one line with what is wrong and where the right words stand."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    message = error.format_message().rstrip(".")
    where = f" ({error.ctx.command_path} --help shows what there is)" if error.ctx is not None else ""
    click.echo(f"error: {message[:1].lower()}{message[1:]}{where}", err=True)
