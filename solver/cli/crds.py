"""`crds`: the CRD manifests."""

from __future__ import annotations

import click


@click.command(short_help="Print the CRD manifests.")
def crds() -> None:
    """Print the CustomResourceDefinitions of NodePool, NodeClaim and OVHNodeClass, ready for `kubectl apply -f -`."""
    from crds import generate

    click.echo(
        "---\n".join(text if text.endswith("\n") else text + "\n" for text in generate.manifests().values()), nl=False
    )
