"""`solve`: an offline plan from manifests."""

from __future__ import annotations

import datetime
import gc
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from solver.cli import errors, progress, question, values
from solver.options import DEFAULT_DISRUPTION_PRICE, DEFAULT_NODE_CHARGE

if TYPE_CHECKING:
    from solver import plan as plans
    from solver import warm as earlier

OUTPUTS = ("table", "wide", "json", "yaml", "name", "manifests", "html")
SIDE_BY_SIDE = ("table", "wide", "json", "yaml")


@click.command(short_help="The cheapest nodes for pending pods, from manifests, without a cluster.")
@click.option(
    "-f",
    "--filename",
    "files",
    multiple=True,
    type=click.Path(),
    metavar="FILE|DIR|-",
    help="Manifests to read; repeatable.",
)
@click.option("-o", "--output", type=click.Choice(OUTPUTS), default="table", help="How to print the plan.")
@click.option(
    "--mode",
    type=click.Choice(["provision", "consolidate", "repack"]),
    default="provision",
    show_default=True,
    help="What to ask: nodes for pending pods; also remove nodes; the cheapest fleet from zero.",
)
@click.option(
    "--time-limit",
    type=values.Number(most=3600, above=True),
    default=5.0,
    metavar="SECONDS",
    show_default=True,
    help="The best plan found by then is printed.",
)
@click.option(
    "--seed", type=values.Whole(min=0, max=2**31 - 1), default=0, show_default=True, help="Seed of the search."
)
@click.option(
    "--deterministic",
    is_flag=True,
    help="Byte-identical plans: rounds are counted instead of seconds, and all times are 0.",
)
@click.option(
    "--gap",
    type=values.Number(most=1),
    default=0.0,
    metavar="SHARE",
    show_default=True,
    help="Stop once the plan is proved to be within this share of the optimum.",
)
@click.option("--now", type=values.Instant(), help="Instant used for budgets, expiry and windows. [default: now]")
@click.option(
    "--catalog",
    "catalogue_file",
    type=click.Path(),
    metavar="FILE",
    help="Another catalogue of flavors and prices (CSV).",
)
@click.option("--region", help="Region to buy in, instead of the node class's.")
@click.option("--scale", multiple=True, metavar="KIND/NAME=N", help="What if this workload had N replicas; repeatable.")
@click.option("--only-flavors", multiple=True, metavar="GLOB", help="What if only these flavors existed; repeatable.")
@click.option(
    "--without-flavors", multiple=True, metavar="GLOB", help="What if these flavors were sold out; repeatable."
)
@click.option(
    "--without-zone", "without_zones", multiple=True, metavar="ZONE", help="What if this zone were gone; repeatable."
)
@click.option(
    "--quota",
    type=values.Quota(),
    default=None,
    metavar="vcpus=N,memory=Q,instances=N",
    help="Project quota that is left (hard).",
)
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
    "--max-evictions", type=values.Whole(min=0), default=None, help="Move at most this many pods (consolidate)."
)
@click.option(
    "--max-nodes", type=values.Whole(min=0), default=None, help="Remove at most this many nodes (consolidate)."
)
@click.option("--feature-gates", type=values.Gates(), default=None, metavar="A=true,…", help="As the controller's.")
@click.option("--exit-code", is_flag=True, help="Exit 3 when the plan changes something, 4 when pods cannot be placed.")
@click.option("--report", type=click.Path(), metavar="FILE", help="Also write the plan as a self-contained HTML page.")
@click.option("--scenarios", type=click.Path(), metavar="FILE", help="Many what-ifs in one run, compared in one table.")
@click.option(
    "--compare", type=values.Policies(), default=(), metavar="first-fit", help="The same input by other policies."
)
@click.option(
    "--frontier", is_flag=True, help="Also the plans worth choosing from: saving against pods moved (consolidate)."
)
@click.option("--warm-from", default=None, metavar="PLAN", help="Start from an earlier plan (-o json or yaml).")
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
    _refuse(given)
    given["present"] = int(time.time())
    # Modules and manifests stay: the collector would look through all of it several times while it grows (`question`).
    gc.disable()
    with progress.loading():
        from solver.cli import answers
    ask = question.source(ctx, given)
    warm = question.earlier(given["warm_from"])
    if given["scenarios"]:
        _scenarios(ctx, given, ask, warm)
        return
    with answers.searching(warm, debug=bool((ctx.obj or {}).get("debug"))) as search:
        plan = search.plan(ask(given), frontier=given["frontier"])
        others = [(name, search.by_policy(ask(given), name)) for name in given["compare"]]
    again = _again(given)
    try:
        if given["report"]:
            _write(given["report"], answers.as_text(plan, "html", others, again))
    finally:
        # A report that cannot be written is no reason to lose the plan.
        click.echo(answers.as_text(plan, given["output"], others, again), nl=False)
    if search.interrupted:
        ctx.exit(errors.INTERRUPTED)
    if given["exit_code"]:
        ctx.exit(_code([plan]))


def _scenarios(ctx: click.Context, given: question.Values, ask: question.Ask, warm: earlier.Earlier | None) -> None:
    """Answer the same question under each scenario of a file, and show them side by side."""
    from solver.cli import answers, scenarios

    path = given["scenarios"]
    asked = scenarios.asked(path, scenarios.read(path, ctx, given), ask)
    with answers.searching(warm, debug=bool((ctx.obj or {}).get("debug"))) as search:
        named = list(scenarios.asked(path, asked, search.plan).items())
    click.echo(answers.side_by_side(named, given["output"], _again(given)), nl=False)
    if search.interrupted:
        ctx.exit(errors.INTERRUPTED)
    if given["exit_code"]:
        ctx.exit(_code([plan for _, plan in named]))


def _code(of: Sequence[plans.Plan]) -> int:
    """What `--exit-code` says of plans: the gravest of them counts."""
    if any(plan.unschedulable for plan in of):
        return errors.LEFT_OUT
    return errors.CHANGES if any(plan.create or plan.delete for plan in of) else errors.DONE


def _again(given: question.Values) -> str:
    """The command that gives the same answer again; where nodes may go, at the instant that it was asked for."""
    words = sys.argv[1:]
    if not words:
        return ""
    if not any(word.partition("=")[0] == "--seed" for word in words):
        words += ["--seed", str(given["seed"])]
    if given["mode"] != "provision" and given["now"] is None:
        words += ["--now", f"{datetime.datetime.fromtimestamp(given['present'], datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"]
    return "karpenter-ovhcloud " + shlex.join(words)


def _write(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise errors.Failed(f"{path}: cannot be written ({error.strerror})") from None


def _refuse(given: question.Values) -> None:
    """One clear sentence for flags that do not go together, or do not exist yet."""
    removing = {"frontier": given["frontier"] or None, **{flag: given[flag] for flag in ("max_evictions", "max_nodes")}}
    for flag, value in removing.items():
        if value is not None and given["mode"] != "consolidate":
            raise errors.Wrong(f"--{flag.replace('_', '-')} is about removing nodes; use it with --mode consolidate")
    if given["warm_from"] and given["mode"] == "consolidate":
        raise errors.Wrong("--warm-from is about new nodes; use it with --mode provision or repack")
    if given["compare"] and given["mode"] == "consolidate":
        raise errors.Wrong("--compare is about new nodes; use it with --mode provision or repack")
    for flag in ("report", "compare", "frontier"):
        if given[flag] and given["scenarios"]:
            raise errors.Wrong(f"--{flag} is about one plan; leave it or --scenarios out")
    if given["scenarios"] and given["output"] not in SIDE_BY_SIDE:
        raise errors.Wrong(f"--scenarios is printed as {', '.join(SIDE_BY_SIDE)}; use one of them with -o")
    if (given["live"] or given["context"]) and given["files"]:
        raise errors.Wrong("--live reads a cluster, -f reads files; use one of them")
    if not (given["files"] or given["live"] or given["context"]):
        raise errors.Wrong("nothing to read; give manifests with -f FILE, -f DIR or -f - for standard input")
