"""The root of the command line. Each command's module is imported only when that command is used."""

from __future__ import annotations

import importlib
import io
import sys
from typing import Any

import click

from solver.cli import errors

COMMANDS = {
    "solve": ("solver.cli.solve:solve", "The cheapest nodes for pending pods, from manifests, without a cluster."),
    "catalog": ("controller.catalogue:catalog", "Flavors, zones, prices and allocatable amounts."),
    "crds": ("solver.cli.crds:crds", "Print the CRD manifests."),
    "snapshot": ("controller.live:snapshot", "Write what solve -f needs of a live cluster as one YAML List."),
    "plan": ("controller.planview:plan", "Show the controller's last plan."),
    "controller": ("controller.command:controller", "The in-cluster controller (Helm runs this)."),
    "simulate-ovh": (
        "controller.simulator.command:simulate_ovh",
        "An HTTP server that behaves like the OVHcloud API, for tests and demos.",
    ),
    "completion": ("solver.cli.completion:completion", "Print a completion script for bash, zsh or fish."),
    "help": ("solver.cli.helping:help_", "Explain a command, as --help does."),
}


DEBUG = "--debug"


class Root(click.Group):
    """A group whose commands are loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise click.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="karpenter-ovhcloud", prog_name="karpenter-ovhcloud")
@click.option(DEBUG, is_flag=True, help="Show tracebacks.")
@click.pass_context
def root(ctx: click.Context, debug: bool) -> None:
    """
    Node autoscaling for OVHcloud Managed Kubernetes: which nodes should this cluster have?

    Exit codes: 0 done, 1 failure, 2 wrong usage or bad input, 130 interrupted.
    """
    ctx.obj = {"debug": debug, "live": _live}


def _live(kubeconfig: str | None, context: str | None) -> list[dict[str, Any]]:
    """What `solve --live` plans for; the client is loaded only then."""
    live = importlib.import_module("controller.live")
    found: list[dict[str, Any]] = live.objects(kubeconfig, context)
    return found


def _words() -> list[str]:
    """The words of the command line, `--debug` in front wherever people wrote it."""
    words = sys.argv[1:]
    own = words[: words.index("--")] if "--" in words else words
    if DEBUG not in own:
        return words
    return [DEBUG, *(word for word in own if word != DEBUG), *words[len(own) :]]


def main() -> None:
    """The command line that `controller.__main__` begins with."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # The caller has closed it.
            setattr(sys, stream, io.StringIO())
    words = _words()
    try:
        code = root.main(words, prog_name="karpenter-ovhcloud", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.UsageError as error:
        errors.show_usage(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if words[:1] == [DEBUG]:
            raise
        text = str(error).strip().splitlines()
        click.echo(
            f"error: {type(error).__name__}: {text[0] if text else 'no details'} (--debug shows where)", err=True
        )
        sys.exit(1)
