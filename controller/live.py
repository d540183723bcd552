"""Reading a live cluster, never writing: `snapshot`, and the input of `solve --live`."""

from __future__ import annotations

from typing import Any

import click

from controller.kube import api as apis
from controller.kube import kinds
from solver.cli import errors
from solver.snapshot import yamltext

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
    click.echo(yamltext.dump([found]), nl=False)
