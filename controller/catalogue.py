"""`catalog`, with the one command of it that talks to OVHcloud: `catalog refresh`."""

from __future__ import annotations

import os

import click

from solver.cli import errors
from solver.cli.catalogue import catalog

__all__ = ["catalog"]


@catalog.command("refresh", short_help="The catalogue as the OVHcloud API has it now.")
@click.option("--service-name", envvar="OVH_SERVICE_NAME", required=True, metavar="ID", help="Project id.")
@click.option("--kube-id", envvar="OVH_KUBE_ID", required=True, metavar="ID", help="Id of the MKS cluster.")
@click.option(
    "--subsidiary", default="FR", show_default=True, metavar="CODE", help="Whose price list; it must be in EUR."
)
@click.option("-o", "--output", type=click.Choice(["csv", "table", "json"]), default="csv", show_default=True)
def refresh(service_name: str, kube_id: str, subsidiary: str, output: str) -> None:
    """
    Ask the OVHcloud API which flavors a cluster may use, what is in stock, and what it costs; only reads.

    Credentials come from the environment: OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET and
    OVH_CONSUMER_KEY, or OVH_CLIENT_ID and OVH_CLIENT_SECRET.

    \b
    Example:
      karpenter-ovhcloud catalog refresh --service-name ID --kube-id ID > flavors.csv
      karpenter-ovhcloud solve -f cluster.yaml --catalog flavors.csv
    """
    from catalog import refresh as answers
    from catalog import region, render
    from controller import ratelimit
    from controller.ovh import client as clients
    from controller.ovh import credentials, market, transport
    from controller.ovh import errors as ovh

    try:
        endpoint, keys = credentials.parse(os.environ)
    except ovh.CredentialsError as error:
        raise errors.Wrong(str(error)) from None
    client = clients.OVHClient(
        transport.Transport(endpoint, keys, limiter=ratelimit.TokenBucket(1, 10)), service_name, kube_id
    )
    try:
        where = client.region(client.cluster().region)
        prices = client.price_catalogue(subsidiary)
        found = market.catalogue(client, where.name, where.availability_zones, prices)
        wanted = render.Wanted(where=None if output == "csv" else region.get(where.name))
        text = render.list_flavors(found, wanted, output)
    except (ovh.OVHError, answers.RefreshError, region.UnknownRegionError) as error:
        raise errors.Failed(str(error)) from None
    click.echo(text, nl=False)
