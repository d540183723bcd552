"""From flags to what the planner is asked: the input, read once, the catalogue, and the options."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from solver.cli import errors
from solver.options import Options

if TYPE_CHECKING:
    from catalog import catalogue as catalogues
    from solver import cluster as clusters
    from solver import warm

Values = dict[str, Any]
"""Flags by the name of their parameter; `present` is the instant that stands for `--now` where that is left out."""
Question = tuple["clusters.Cluster", "catalogues.Catalogue", Options]
Ask = Callable[[Values], Question]


def source(ctx: click.Context, given: Values) -> Ask:
    """
    A function from the values of flags to what they ask; files, standard input or the live cluster are read here, once.

    It raises `errors.Wrong` for input and catalogues with mistakes.
    """
    from solver.snapshot import errors as reading
    from solver.snapshot import reader

    if given["live"] or given["context"]:
        live = (ctx.obj or {}).get("live")
        if live is None:
            raise errors.Wrong("this program cannot read live clusters; use -f")
        found = live(given["kubeconfig"], given["context"])

        def cluster(values: Values) -> clusters.Cluster:
            return reader.from_objects(found, strict=False, scale=values["scale"], name="the cluster")

    else:
        read = reader.load(list(given["files"]), sys.stdin)

        def cluster(values: Values) -> clusters.Cluster:
            return read.cluster(values["scale"], elsewhere=bool(values["region"]))

    def ask(values: Values) -> Question:
        try:
            return _kept(cluster(values)), _catalogue(values["catalogue_file"]), _options(values)
        except reading.SnapshotError as error:
            raise errors.Wrong([str(problem) for problem in error.problems]) from error

    return ask


def _kept(cluster: clusters.Cluster) -> clusters.Cluster:
    """A cluster that the garbage collector need not look through again: it stays until the program ends, as all code does."""
    gc.freeze()
    gc.enable()
    return cluster


def earlier(path: str | None) -> warm.Earlier | None:
    """
    The earlier plan of a file, JSON or YAML.

    Raises
    ------
    errors.Wrong: when there is no such file, or no plan in it.
    """
    if path is None:
        return None
    from solver import warm
    from solver.snapshot import yamltext

    try:
        data = Path(path).read_bytes()
        (document,) = [json.loads(data)] if data.lstrip()[:1] == b"{" else yamltext.documents(data)
        return warm.of_document(document)
    except OSError as error:
        raise errors.Wrong(f"--warm-from {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise errors.Wrong(f"--warm-from {path} is no plan as -o json and -o yaml print it") from error


def _catalogue(path: str | None) -> catalogues.Catalogue:
    from catalog import catalogue as catalogues

    try:
        return catalogues.load(path) if path else catalogues.embedded()
    except catalogues.CatalogueError as error:
        raise errors.Wrong(list(error.problems)) from error


def _options(given: Values) -> Options:
    return Options(
        mode=given["mode"],
        now=given["now"] if given["now"] is not None else given["present"],
        clock=given["now"] is None,
        time_limit=given["time_limit"],
        seed=given["seed"],
        deterministic=given["deterministic"],
        gap=given["gap"],
        preference_policy=given["preference_policy"],
        min_values_policy=given["min_values_policy"],
        preference_price=given["preference_price"],
        weights=given["weights"],
        node_charge=given["node_charge"],
        disruption_price=given["disruption_price"],
        horizon=given["horizon"],
        max_evictions=given["max_evictions"],
        max_nodes=given["max_nodes"],
        region=given["region"],
        quota=given["quota"] or {},
        only_flavors=given["only_flavors"],
        without_flavors=given["without_flavors"],
        without_zones=given["without_zones"],
        feature_gates=given["feature_gates"] or {},
    )
