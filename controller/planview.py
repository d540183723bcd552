"""The command `plan`: what the controller decided last, from the ConfigMap that it writes."""

from __future__ import annotations

import json
import time

import click

from controller import settings
from controller.kube import api as apis
from controller.kube import conditions, kinds
from controller.loops import lastplan
from solver.cli import errors
from solver.snapshot import yamltext


@click.command(short_help="Show the controller's last plan.")
@click.option("--kubeconfig", envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig to use.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "-n",
    "--namespace",
    default=settings.Settings().namespace,
    show_default=True,
    help="Where the controller is installed.",
)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True, help="Format."
)
def plan(kubeconfig: str | None, context: str | None, namespace: str, output: str) -> None:
    """
    Show the last plan that the controller made: what it buys, what that costs, how good it is, and who is left out.

    A controller with --dry-run writes no plan into the cluster; it shows its plan at /debug/plan of its metrics port.
    """
    try:
        client = apis.Client(apis.connection(kubeconfig, context), dry_run=True)
        found = client.get(kinds.CONFIG_MAP, lastplan.NAME, namespace)
    except apis.NotFoundError as error:
        raise errors.Failed(
            f"no plan in namespace {namespace}: no pod has waited for room since the controller was installed, or it "
            "is installed elsewhere (-n), or it is a dry run (/debug/plan of its metrics port)"
        ) from error
    except (apis.ApiError, apis.UnreachableError) as error:
        raise errors.Failed(f"the cluster cannot be read: {error}") from error
    click.echo(shown(found["data"], output, time.time()), nl=False)


def shown(data: dict[str, str], output: str, now: float) -> str:
    """The data of the ConfigMap in a format, with the plan's age for people."""
    if output == "json":
        return json.dumps(json.loads(data[lastplan.DOCUMENT]), indent=2, ensure_ascii=False) + "\n"
    if output == "yaml":
        return yamltext.dump([json.loads(data[lastplan.DOCUMENT])])
    made = conditions.seconds(data[lastplan.TIME])
    age = _age(now - (now if made is None else made))
    return lastplan.heading(data, age) + data[lastplan.TEXT]


def _age(seconds: float) -> str:
    """As kubectl writes ages: the largest unit alone."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= 2 * size:
            return f"{whole // size}{unit}"
    return f"{whole}s"
