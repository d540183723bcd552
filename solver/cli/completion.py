"""`completion`: scripts for shells."""

from __future__ import annotations

import click
from click import shell_completion

SHELLS = ("bash", "zsh", "fish", "kubectl")

PLUGIN = """\
#!/bin/sh
# Completion of the kubectl plugin: install as kubectl_complete-karpenter_ovhcloud on PATH.
exec karpenter-ovhcloud completion --answer -- "$@"
"""


@click.command(short_help="Print a completion script for bash, zsh or fish.")
@click.option("--answer", is_flag=True, hidden=True, help="Answer the words that kubectl passes on.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="bash|zsh|fish|kubectl")
@click.pass_context
def completion(ctx: click.Context, /, answer: bool, words: tuple[str, ...]) -> None:
    """
    Print a completion script.

    \b
    bash:    source <(karpenter-ovhcloud completion bash)
    zsh:     source <(karpenter-ovhcloud completion zsh)
    fish:    karpenter-ovhcloud completion fish | source
    kubectl: karpenter-ovhcloud completion kubectl > /usr/local/bin/kubectl_complete-karpenter_ovhcloud
    """
    root = ctx.find_root().command
    if answer:
        _answer(root, list(words))
        return
    if len(words) != 1 or words[0] not in SHELLS:
        raise click.UsageError("name one shell: bash, zsh, fish or kubectl")
    shell = words[0]
    if shell == "kubectl":
        click.echo(PLUGIN, nl=False)
        return
    kind = shell_completion.get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "karpenter-ovhcloud", "_KARPENTER_OVHCLOUD_COMPLETE").source(), nl=False)


def _answer(root: click.Command, words: list[str]) -> None:
    """One suggestion a line, then the directive, as kubectl asks plugins for completion."""
    done, last = (words[:-1], words[-1]) if words else ([], "")
    engine = shell_completion.ShellComplete(root, {}, "karpenter-ovhcloud", "_KARPENTER_OVHCLOUD_COMPLETE")
    found = engine.get_completions(done, last)
    files = any(item.type in ("file", "dir") for item in found)
    for item in found:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help}" if item.help else item.value)
    click.echo(":0" if files else ":4")
