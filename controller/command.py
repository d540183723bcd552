"""The command `controller`: settings from flags and environment, then one replica until a signal."""

from __future__ import annotations

import logging
import os
import pathlib
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import click

from controller import settings
from controller.kube import api as apis
from solver.cli import errors

log = logging.getLogger(__name__)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_SERVICE_ACCOUNT_NAMESPACE = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Seconds(click.ParamType[float]):
    """A duration such as 1s, 1m30s, 500ms, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds."""
        try:
            seconds = settings.parse_seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds < 0:
            self.fail(f"{value} is below zero", param, ctx)
        return seconds


class Gates(click.ParamType[dict[str, bool]]):
    """Feature gates such as StaticCapacity=true."""

    name = "gates"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, bool]:
        """The gates by name."""
        if isinstance(value, dict):
            return value
        try:
            return settings.parse_gates(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _namespace() -> str:
    try:
        return _SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
    except OSError:
        return "karpenter"


def _seconds(flag: str, variable: str, default: str, text: str) -> Decorator:
    return click.option(flag, envvar=variable, type=Seconds(), default=default, show_default=True, help=text)


def _number(flag: str, variable: str, default: int, text: str, least: int = 0) -> Decorator:
    kind = click.IntRange(min=least)
    return click.option(flag, envvar=variable, type=kind, default=default, show_default=True, help=text)


def _switch(flag: str, variable: str, text: str) -> Decorator:
    return click.option(flag, envvar=variable, is_flag=True, default=False, help=text)


@click.command("controller", short_help="The in-cluster controller.")
@_seconds("--batch-idle-duration", "BATCH_IDLE_DURATION", "1s", "A batch closes when no pod has come for so long.")
@_seconds("--batch-max-duration", "BATCH_MAX_DURATION", "10s", "A batch closes after this long at the latest.")
@click.option(
    "--preference-policy",
    envvar="PREFERENCE_POLICY",
    type=click.Choice(["Respect", "Ignore"]),
    default="Respect",
    show_default=True,
    help="Keep soft rules of pods wherever that costs no pod its place, or leave them out.",
)
@click.option(
    "--min-values-policy",
    envvar="MIN_VALUES_POLICY",
    type=click.Choice(["Strict", "BestEffort"]),
    default="Strict",
    show_default=True,
    help="Whether minValues of NodePools must hold.",
)
@click.option("--feature-gates", envvar="FEATURE_GATES", type=Gates(), default="", help="NAME=true,NAME=false.")
@click.option(
    "--log-level",
    envvar="LOG_LEVEL",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The least important lines to log.",
)
@click.option(
    "--log-format",
    envvar="LOG_FORMAT",
    type=click.Choice(["json", "text"]),
    default="json",
    show_default=True,
    help="JSON lines, or lines for people.",
)
@_number("--metrics-port", "METRICS_PORT", 8080, "Port of /metrics; 0 takes a free one.")
@_number("--health-probe-port", "HEALTH_PROBE_PORT", 8081, "Port of /healthz and /readyz; 0 takes a free one.")
@_switch(
    "--disable-cluster-state-observability",
    "DISABLE_CLUSTER_STATE_OBSERVABILITY",
    "Leave out metrics with a series for each pod, node or condition.",
)
@click.option(
    "--disable-leader-election",
    envvar="DISABLE_LEADER_ELECTION",
    type=bool,
    default=False,
    is_flag=True,
    help="Do not ask whether another replica leads; only for a single replica.",
)
@click.option(
    "--leader-election-name",
    envvar="LEADER_ELECTION_NAME",
    default="karpenter-leader-election",
    show_default=True,
    help="Name of the Lease.",
)
@click.option(
    "--leader-election-namespace",
    "--namespace",
    "namespace",
    envvar=["LEADER_ELECTION_NAMESPACE", "POD_NAMESPACE", "SYSTEM_NAMESPACE"],
    default=None,
    help="Namespace of the Lease, of the last plan, and of Secrets named without one. [default: the pod's]",
)
@click.option("--ovh-service-name", "service_name", envvar="OVH_SERVICE_NAME", default="", help="Project id.")
@click.option("--ovh-kube-id", "kube_id", envvar="OVH_KUBE_ID", default="", help="Id of the MKS cluster.")
@click.option("--ovh-region", "region", envvar="OVH_REGION", default="", help="Region of the cluster.")
@click.option(
    "--installation-id",
    "installation",
    envvar="INSTALLATION_ID",
    default="karpenter-ovhcloud",
    show_default=True,
    help="Marks the OVH pools that are ours; only these are ever resized below their claims or deleted.",
)
@click.option(
    "--placement",
    envvar="PLACEMENT",
    type=click.Choice(["reserve", "nominate", "none"]),
    default="reserve",
    show_default=True,
    help="How pods are brought to the nodes planned for them: a taint and tolerations, nomination, or not at all.",
)
@_switch("--dry-run", "DRY_RUN", "Plan and report, and write nothing but events to the cluster, nothing to OVH.")
@_seconds("--solve-time-limit", "SOLVE_TIME_LIMIT", "5s", "How long a search may take.")
@_number("--solve-workers", "SOLVE_WORKERS", 2, "Threads of the search.", least=1)
@_number("--seed", "SEED", 0, "Seed of the search.")
@click.option(
    "--ovh-request-rate",
    envvar="OVH_REQUEST_RATE",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Calls to OVH a second, on average.",
)
@_number("--ovh-request-burst", "OVH_REQUEST_BURST", 5, "Calls to OVH that may follow one another at once.", least=1)
@_seconds("--ovh-poll-interval", "OVH_POLL_INTERVAL", "5s", "Pause between looks at OVH while something is under way.")
@_seconds("--ovh-idle-interval", "OVH_IDLE_INTERVAL", "1m", "The same while nothing is.")
@_seconds("--ovh-settle-time", "OVH_SETTLE_TIME", "150s", "How long OVH may hide a pool that it has just created.")
@_seconds("--validation-delay", "VALIDATION_DELAY", "15s", "How long a disruption must stay right before it is made.")
@_seconds("--disruption-interval", "DISRUPTION_INTERVAL", "10s", "Pause between looks for nodes to remove.")
@_seconds("--registration-timeout", "REGISTRATION_TIMEOUT", "15m", "How long a node may take to join.")
@_seconds("--gpu-registration-timeout", "GPU_REGISTRATION_TIMEOUT", "80m", "The same for flavors with GPUs.")
@_seconds("--launch-timeout", "LAUNCH_TIMEOUT", "5m", "How long OVH may take to accept a node.")
@_seconds("--empty-pool-after", "EMPTY_POOL_AFTER", "2m", "How long an OVH pool stays empty before it is deleted.")
@_seconds("--orphan-after", "ORPHAN_AFTER", "2m", "How long a node of ours without a claim is left alone.")
@_seconds("--reservation-timeout", "RESERVATION_TIMEOUT", "30s", "How long a ready node is held for its pods.")
@_seconds("--node-class-interval", "NODE_CLASS_INTERVAL", "1m", "Pause between looks at node classes and quota.")
@_seconds("--drained-delay", "DRAINED_DELAY", "5s", "How long a drained node is watched for late pods.")
@click.option("--kubeconfig", envvar="KUBECONFIG", default=None, help="Kubeconfig, instead of the service account.")
@click.option("--context", default=None, help="Context of the kubeconfig.")
def controller(
    disable_leader_election: bool,
    disable_cluster_state_observability: bool,
    namespace: str | None,
    batch_idle_duration: float,
    batch_max_duration: float,
    kubeconfig: str | None,
    context: str | None,
    solve_workers: int,
    **given: Any,
) -> None:
    """
    Run the controller: watches the cluster, plans, buys nodes from OVHcloud and removes them.

    Credentials come from the environment (OVH_ENDPOINT, OVH_APPLICATION_KEY, OVH_APPLICATION_SECRET, OVH_CONSUMER_KEY,
    or OVH_CLIENT_ID and OVH_CLIENT_SECRET) or from the Secret that an OVHNodeClass names.
    """
    chosen = settings.Settings(
        batch_idle=batch_idle_duration,
        batch_max=batch_max_duration,
        leader_election=not disable_leader_election,
        cluster_state_observability=not disable_cluster_state_observability,
        namespace=namespace or _namespace(),
        workers=solve_workers,
        **given,
    )
    from controller import app as apps
    from controller import logs

    logs.set_up(chosen.log_level, chosen.log_format)
    log.info("starting", extra={"settings": chosen.shown()})
    try:
        api = apis.Client(apis.connection(kubeconfig, context), dry_run=chosen.dry_run)
    except apis.UnreachableError as error:
        raise errors.Failed(str(error)) from None
    app = apps.App(api, chosen)
    _stop_on_signals(app.stop)
    app.run()
    if app.lost_lead:
        raise errors.Failed("leadership was lost to another replica")


def _stop_on_signals(stop: threading.Event) -> None:
    """The first signal ends in order, the second at once."""

    def handle(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
