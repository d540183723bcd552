"""Reading a live cluster, never writing: `snapshot`, `plan`, and the input of `solve --live`."""

from __future__ import annotations

import json
from typing import Any

import click
import yaml

from controller import settings
from controller.kube import api as apis
from controller.kube import kinds
from controller.loops import lastplan
from solver.cli import errors

Manifest = dict[str, Any]

OPTIONAL = (kinds.NODE_POOL, kinds.NODE_CLAIM, kinds.NODE_CLASS, kinds.CSI_NODE)
"""Kinds that a cluster may not serve (their CRDs are not installed)."""

LEFT_OUT = ("env", "envFrom", "command", "args")
"""Fields of containers that may hold secrets and that no plan depends on."""


def objects(kubeconfig: str | None, context: str | None) -> list[Manifest]:
    """
    Everything of a cluster that a plan depends on; Secrets are never read, and fields that may hold one are taken out.

    Raises `click.ClickException` in one sentence when the cluster cannot be read.
    """
    try:
        client = apis.Client(apis.connection(kubeconfig, context), dry_run=True)
        return [
            {"apiVersion": kind.api_version, "kind": kind.name, **bare(found)}
            for kind in kinds.PLANNED
            for found in _all(client, kind)
        ]
    except (apis.ApiError, apis.UnreachableError) as error:
        raise errors.Failed(f"the cluster cannot be read: {error}") from error


def _all(client: apis.Client, kind: kinds.Kind) -> list[Manifest]:
    try:
        return client.list(kind)[0]
    except apis.NotFoundError:
        if kind in OPTIONAL:
            return []
        raise


def bare(found: Manifest) -> Manifest:
    """An object without what a plan does not need: managed fields, last applied text, and what containers are told."""
    metadata = {key: value for key, value in found.get("metadata", {}).items() if key != "managedFields"}
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if key != "kubectl.kubernetes.io/last-applied-configuration"
    }
    if "annotations" in metadata:
        metadata["annotations"] = annotations
    result = {**found, "metadata": metadata}
    spec = found.get("spec")
    if isinstance(spec, dict):
        result["spec"] = _without(spec)
    return result


def _without(value: Any) -> Any:
    """The same structure without `LEFT_OUT` in containers."""
    if isinstance(value, list):
        return [_without(item) for item in value]
    if not isinstance(value, dict):
        return value
    drop = LEFT_OUT if "image" in value and "name" in value else ()
    return {key: _without(item) for key, item in value.items() if key not in drop}


@click.command(short_help="Write what `solve -f` needs of a live cluster as one YAML List.")
@click.option("--kubeconfig", envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig to use.")
@click.option("--context", help="Context of the kubeconfig.")
def snapshot(kubeconfig: str | None, context: str | None) -> None:
    """
    Write everything of a cluster that a plan depends on, as one YAML List on standard output.

    Read-only. Secrets are never included; environment, commands and arguments of containers are left out.
    """
    found = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": objects(kubeconfig, context)}
    click.echo(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), nl=False)


@click.command(short_help="Show the controller's last plan.")
@click.option("--kubeconfig", envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig to use.")
@click.option("--context", help="Context of the kubeconfig.")
@click.option("-n", "--namespace", default=settings.Settings().namespace, show_default=True, help="The controller's.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def plan(kubeconfig: str | None, context: str | None, namespace: str, output: str) -> None:
    """Show the last plan that the controller made: what it buys, what that costs and how good it is."""
    try:
        client = apis.Client(apis.connection(kubeconfig, context), dry_run=True)
        found = client.get(kinds.CONFIG_MAP, lastplan.NAME, namespace)
    except apis.NotFoundError as error:
        raise errors.Failed(f"no plan in namespace {namespace} yet; is the controller installed there?") from error
    except (apis.ApiError, apis.UnreachableError) as error:
        raise errors.Failed(f"the cluster cannot be read: {error}") from error
    text = found["data"]["plan.json"]
    if output == "json":
        click.echo(text)
        return
    click.echo(summary(json.loads(text), str(found["data"].get("time", ""))), nl=False)


def summary(document: Manifest, time: str) -> str:
    """The plan's main figures from its document."""
    from solver.render import columns

    cost = document["cost"]
    lines = [
        f"plan of {time}: {document['status']}, verification {'ok' if document['verification']['ok'] else 'FAILED'}",
        f"cost: {cost['beforeHourly']:.4f} -> {cost['afterHourly']:.4f} EUR/hour",
        f"gap to the proven bound: {'-' if cost['gap'] is None else format(cost['gap'], '.2%')}",
    ]
    text = "\n".join(lines) + "\n"
    if document["create"]:
        rows = [
            (n["name"], n["flavor"], n["zone"], n["nodePool"], len(n["pods"]), f"{n['hourlyEur']:.4f}")
            for n in document["create"]
        ]
        heads = ["CREATE", "FLAVOR", "ZONE", "NODEPOOL", "PODS", "EUR/HOUR"]
        text += "\n" + columns.table(heads, rows, right=["PODS", "EUR/HOUR"])
    if document["unschedulable"]:
        rows2 = [(u["pod"], u["message"]) for u in document["unschedulable"]]
        text += "\n" + columns.table(["LEFT OUT", "WHY"], rows2)
    return text
