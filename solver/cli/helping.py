"""`help`: what `--help` prints, for those who write it as a word."""

from __future__ import annotations

import click


@click.command("help", short_help="Explain a command, as --help does.")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Explain a command, or list all of them."""
    here = ctx.find_root()
    for word in words:
        command = here.command.get_command(here, word) if isinstance(here.command, click.Group) else None
        if command is None:
            raise click.UsageError(f"{here.command_path} has no command {word!r}", here)
        here = click.Context(command, parent=here, info_name=word)
    click.echo(here.get_help())
