"""`solve`: an offline plan from manifests."""

from __future__ import annotations

import dataclasses
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from solver.cli import errors, values
from solver.options import DEFAULT_DISRUPTION_PRICE, DEFAULT_NODE_CHARGE, Options

if TYPE_CHECKING:
    from solver import cluster as clusters
    from solver import plan as plans
    from solver.search import params

OUTPUTS = ("table", "wide", "json", "yaml", "name", "manifests")
LATER = {
    "html": "-o html does not exist yet; use -o table, wide, json, yaml, name or manifests",
}


@click.command(short_help="The cheapest nodes for pending pods, from manifests, without a cluster.")
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE|DIR|-", help="Manifests to read; repeatable.")
@click.option("-o", "--output", default="table", metavar="|".join(OUTPUTS), help="How to print the plan.")
@click.option(
    "--mode",
    type=click.Choice(["provision", "consolidate", "repack"]),
    default="provision",
    show_default=True,
    help="What to ask: nodes for pending pods; also remove nodes; the cheapest fleet from zero.",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    default=5.0,
    show_default=True,
    help="Seconds; the best plan found by then is printed.",
)
@click.option(
    "--seed", type=click.IntRange(min=0, max=2**31 - 1), default=0, show_default=True, help="Seed of the search."
)
@click.option("--deterministic", is_flag=True, help="Same input, same seed: byte-identical plan, times printed as 0.")
@click.option(
    "--gap",
    type=click.FloatRange(min=0, max=1),
    default=0.0,
    show_default=True,
    help="Stop once the plan is proved to be within this share of the optimum.",
)
@click.option("--now", type=values.Instant(), help="Instant used for budgets, expiry and windows. [default: now]")
@click.option("--catalog", "catalogue_file", metavar="FILE", help="Another catalogue of flavors and prices (CSV).")
@click.option("--region", help="Region to buy in, instead of the node class's.")
@click.option("--scale", multiple=True, metavar="KIND/NAME=N", help="What if this workload had N replicas; repeatable.")
@click.option("--only-flavors", multiple=True, metavar="GLOB", help="What if only these flavors existed; repeatable.")
@click.option(
    "--without-flavors", multiple=True, metavar="GLOB", help="What if these flavors were sold out; repeatable."
)
@click.option(
    "--without-zone", "without_zones", multiple=True, metavar="ZONE", help="What if this zone were gone; repeatable."
)
@click.option("--quota", type=values.Quota(), default=None, help="Project quota that is left (hard).")
@click.option(
    "--preference-policy",
    type=click.Choice(["Respect", "Ignore"]),
    default="Respect",
    show_default=True,
    help="Keep soft rules wherever that costs no pod its place, or leave them out.",
)
@click.option(
    "--preference-price",
    type=values.Euro(),
    default=None,
    help="EUR/h that a preference of weight 100 is worth, instead of Respect.",
)
@click.option(
    "--min-values-policy",
    type=click.Choice(["Strict", "BestEffort"]),
    default="Strict",
    show_default=True,
    help="Whether minValues of NodePools must hold.",
)
@click.option(
    "--weights",
    type=click.Choice(["strict", "price"]),
    default="strict",
    show_default=True,
    help="NodePools strictly by weight, or the price decides.",
)
@click.option(
    "--node-charge",
    type=values.Euro(),
    default=DEFAULT_NODE_CHARGE,
    help=f"EUR/h added per node to break ties. [default: {DEFAULT_NODE_CHARGE / 1e6:.6f}]",
)
@click.option(
    "--disruption-price",
    type=values.Euro(),
    default=DEFAULT_DISRUPTION_PRICE,
    help="EUR per eviction. [default: 0.001]",
)
@click.option(
    "--horizon", type=values.Duration(), default=24 * 3600, help="Time over which savings count. [default: 24h]"
)
@click.option(
    "--max-evictions", type=click.IntRange(min=0), default=None, help="Move at most this many pods (consolidate)."
)
@click.option(
    "--max-nodes", type=click.IntRange(min=0), default=None, help="Remove at most this many nodes (consolidate)."
)
@click.option("--feature-gates", type=values.Gates(), default=None, help="As the controller's.")
@click.option("--exit-code", is_flag=True, help="Exit 3 when the plan changes something, 4 when pods cannot be placed.")
@click.option("--report", default=None, metavar="FILE", hidden=True)
@click.option("--scenarios", default=None, metavar="FILE", hidden=True)
@click.option("--compare", default=None, metavar="NAMES", hidden=True)
@click.option(
    "--frontier", is_flag=True, help="Also the plans worth choosing from: saving against pods moved (consolidate)."
)
@click.option("--warm-from", default=None, metavar="PLAN", hidden=True)
@click.option("--live", is_flag=True, help="Read the cluster of the current context instead of files; never writes.")
@click.option("--context", default=None, help="The same for another context.")
@click.option("--kubeconfig", default=None, envvar="KUBECONFIG", metavar="FILE", help="Kubeconfig for --live.")
@click.pass_context
def solve(ctx: click.Context, /, **given: Any) -> None:
    """
    Print the cheapest nodes for the pending pods of some manifests, checked, with a proven bound.

    Reads any mix of Kubernetes manifests (YAML, JSON, List, directories, standard input as "-"): NodePools and
    OVHNodeClasses, pods or workloads, and what a cluster has already. Needs no cluster, no account, no network.

    \b
    Examples:
      karpenter-ovhcloud solve -f examples/inflate
      kubectl get nodepools,ovhnodeclasses,nodes,nodeclaims,pods,daemonsets -A -o yaml | karpenter-ovhcloud solve -f -
      helm template shop | karpenter-ovhcloud solve -f - -f nodepools.yaml -o json

    \b
    Exit codes: 0 done, 1 failure, 2 wrong usage or bad input, 130 interrupted;
    with --exit-code also 3 (the plan changes something) and 4 (some pods cannot be placed).
    """
    _refuse_what_does_not_exist(given)
    asked = _options(given)
    with _loading():
        from catalog import catalogue
        from solver import planner
        from solver.snapshot import errors as reading

    try:
        known = catalogue.load(given["catalogue_file"]) if given["catalogue_file"] else catalogue.embedded()
        cluster = _cluster(ctx, given)
    except reading.SnapshotError as error:
        raise errors.Wrong([str(problem) for problem in error.problems]) from error
    except catalogue.CatalogueError as error:
        raise errors.Wrong(list(error.problems)) from error
    from catalog import region

    with _interruptible() as stop:
        meter = _Meter(enabled=sys.stderr.isatty())
        try:
            run = planner.Run(clock=time.monotonic, stop=stop.is_set, progress=meter.show, relax=True)
            plan = planner.plan(cluster, known, asked, run)
            if given["frontier"]:
                plan = planner.with_frontier(cluster, known, asked, run, plan)
        except planner.RejectedPlanError as error:
            raise errors.Failed(str(error)) from error
        except region.UnknownRegionError as error:
            raise errors.Wrong(str(error)) from error
        finally:
            meter.clear()
    if asked.deterministic:
        plan = without_times(plan)
    click.echo(_text(plan, given["output"]), nl=False)
    if stop.is_set():
        ctx.exit(errors.INTERRUPTED)
    if given["exit_code"]:
        ctx.exit(
            errors.LEFT_OUT if plan.unschedulable else errors.CHANGES if plan.create or plan.delete else errors.DONE
        )


def _refuse_what_does_not_exist(given: dict[str, Any]) -> None:
    """One clear sentence for what is announced and not built."""
    output = given["output"]
    if output in LATER:
        raise errors.Wrong(LATER[output])
    if output not in OUTPUTS:
        raise errors.Wrong(f"-o {output} is unknown; use {', '.join(OUTPUTS[:-1])} or {OUTPUTS[-1]}")
    for flag in ("report", "scenarios", "compare", "warm_from"):
        if given[flag]:
            raise errors.Wrong(f"--{flag.replace('_', '-')} does not exist yet; leave it out")
    for flag in ("frontier", "max_evictions", "max_nodes"):
        if given[flag] and given["mode"] != "consolidate":
            raise errors.Wrong(f"--{flag.replace('_', '-')} is about removing nodes; use it with --mode consolidate")
    if (given["live"] or given["context"]) and given["files"]:
        raise errors.Wrong("--live reads a cluster, -f reads files; use one of them")
    if not (given["files"] or given["live"] or given["context"]):
        raise errors.Wrong("nothing to read; give manifests with -f FILE, -f DIR or -f - for standard input")


def _cluster(ctx: click.Context, given: dict[str, Any]) -> clusters.Cluster:
    """The cluster that files describe, or a live one by way of the root command, which knows how to read it."""
    from solver.snapshot import reader

    if not (given["live"] or given["context"]):
        return reader.read(list(given["files"]), sys.stdin, scale=list(given["scale"]))
    live = (ctx.obj or {}).get("live")
    if live is None:
        raise errors.Wrong("this program cannot read live clusters; use -f")
    found = live(given["kubeconfig"], given["context"])
    return reader.from_objects(found, strict=False, scale=list(given["scale"]), name="the cluster")


def _options(given: dict[str, Any]) -> Options:
    return Options(
        mode=given["mode"],
        now=given["now"] if given["now"] is not None else int(time.time()),
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


def without_times(plan: plans.Plan) -> plans.Plan:
    """The plan with all times 0, as `--deterministic` promises."""
    phases = tuple(dataclasses.replace(p, seconds=0.0) for p in plan.solve.phases)
    return dataclasses.replace(plan, solve=dataclasses.replace(plan.solve, wall_seconds=0.0, phases=phases))


def _text(plan: plans.Plan, output: str) -> str:
    from solver.render import document, manifests, people

    if output == "json":
        return document.to_json(plan)
    if output == "yaml":
        return document.to_yaml(plan)
    if output == "name":
        return manifests.names(plan)
    if output == "manifests":
        return manifests.to_yaml(plan)
    again = "karpenter-ovhcloud " + shlex.join(sys.argv[1:]) if len(sys.argv) > 1 else ""
    if again and "--seed" not in again:
        again += f" --seed {plan.inputs.seed}"
    return people.show(plan, wide=output == "wide", again=again)


class _Meter:
    """A line on standard error while the search takes longer than a second: elapsed, best cost, bound, gap."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.width = 0

    def show(self, progress: params.Progress) -> None:
        """Write over the line before."""
        if not self.enabled or progress.seconds < 1:
            return
        from solver.render import money, people

        words = [f"{progress.seconds:5.1f} s"]
        if progress.cost is not None:
            words.append(f"best {money.text(progress.cost)} EUR/h")
        if progress.bound:
            words.append(f"bound {money.text(progress.bound)}")
            if progress.cost is not None:
                words.append(f"gap {people.gap(max(0, progress.cost - progress.bound) / progress.bound)}")
        line = "  ".join(words)
        click.echo(f"\r{line:<{self.width}}", err=True, nl=False)
        self.width = len(line)

    def clear(self) -> None:
        """Remove the line."""
        if self.width:
            click.echo("\r" + " " * self.width + "\r", err=True, nl=False)
            self.width = 0


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C once ends the search with the best plan so far, twice quits."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _loading() -> Iterator[None]:
    """Importing the optimiser takes part of a second; Ctrl-C in it is quiet."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.Abort from None
