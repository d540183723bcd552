"""`catalog`: flavors, zones, prices, allocatable amounts."""

from __future__ import annotations

import click

from crds import quantity
from solver.cli import errors, values


@click.group(invoke_without_command=True, short_help="Flavors, zones, prices and allocatable amounts.")
@click.pass_context
def catalog(ctx: click.Context) -> None:
    """Show the catalogue that plans are made from."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_flavors)


@catalog.command("list")
@click.option("-o", "--output", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@click.option("--catalog", "catalogue_file", metavar="FILE", help="Another catalogue (CSV).")
@click.option("--category", help="Only this category, such as general or gpu.")
@click.option("--flavor", "flavor_glob", metavar="GLOB", help="Only these flavors, such as 'b3-*'.")
@click.option(
    "--min-cpu",
    type=values.Amount(quantity.milli),
    metavar="QUANTITY",
    help="At least this much CPU, such as 4 or 500m.",
)
@click.option(
    "--min-memory",
    type=values.Amount(quantity.whole),
    metavar="QUANTITY",
    help="At least this much memory, such as 16Gi.",
)
@click.option("--gpu", is_flag=True, help="Only flavors with GPUs.")
@click.option("--region", "where", help="Zones and flavors of this region.")
def list_flavors(
    output: str = "table",
    catalogue_file: str | None = None,
    category: str | None = None,
    flavor_glob: str | None = None,
    min_cpu: int | None = None,
    min_memory: int | None = None,
    gpu: bool = False,
    where: str | None = None,
) -> None:
    """List flavors with their prices and what pods can use of them."""
    from catalog import catalogue, region, render

    try:
        known = catalogue.load(catalogue_file) if catalogue_file else catalogue.embedded()
        wanted = render.Wanted(category, flavor_glob, min_cpu, min_memory, gpu or None, where)
        text = render.list_flavors(known, wanted, output)
    except catalogue.CatalogueError as error:
        raise errors.Wrong(list(error.problems)) from error
    except region.UnknownRegionError as error:
        raise errors.Wrong(f"--region: {error}") from error
    click.echo(text, nl=False)
