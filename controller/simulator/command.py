"""The command ``simulate-ovh``."""

from __future__ import annotations

import logging
import re
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import click

from catalog import catalogue as catalogues
from catalog import region as regions
from controller.simulator import auth, clock, cluster, control, joiner, model, server, shop, state, store
from solver.cli import errors

log = logging.getLogger(__name__)

PROJECT = "0123456789abcdef0123456789abcdef"
VERSION = "1.34.1"

_MEMORY = re.compile(r"(\d+)(GB?|MB?)?", re.IGNORECASE)


class QuotaOption(click.ParamType[model.Quota]):
    """``vcpus=N,memory=NG,instances=N``; what is left out keeps its default."""

    name = "quota"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> model.Quota:
        """The quota of a text."""
        if isinstance(value, model.Quota):
            return value
        quota = model.Quota(cores=2000, ram=8_000_000, instances=500)
        for part in str(value).split(",") if value else []:
            name, _, amount = part.partition("=")
            memory = _MEMORY.fullmatch(amount)
            if name == "memory" and memory:
                quota.ram = int(memory[1]) * (1 if (memory[2] or "M").upper().startswith("M") else 1000)
            elif name in ("vcpus", "instances") and amount.isdigit():
                setattr(quota, "cores" if name == "vcpus" else name, int(amount))
            else:
                self.fail(f"{part!r} is not one of vcpus=N, memory=NG, instances=N", param, ctx)
        return quota


def new_world(
    names: tuple[str, ...], kube_id: str | None, project: str, quota: model.Quota, seed: int, now: float
) -> model.World:
    """A project with one empty cluster in each region; raises ``regions.UnknownRegionError``."""
    world = model.World(project=project, seed=seed, now=now)
    for index, name in enumerate(names):
        place = regions.get(name)
        cluster_id = kube_id if kube_id and index == 0 else str(uuid.uuid5(uuid.NAMESPACE_URL, f"{seed}/{name}"))
        world.clusters[cluster_id] = model.Cluster(
            id=cluster_id,
            name=f"simulated-{name.lower()}",
            region=name,
            plan=place.plan,
            zones=place.zones if place.multi_zone else (),
            version=VERSION,
            created_at=now,
        )
        world.quotas[name] = model.Quota(quota.cores, quota.ram, quota.instances)
    return world


@click.command("simulate-ovh", short_help="an HTTP server that behaves like the OVH API")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes a free one."
)
@click.option(
    "--region",
    "names",
    multiple=True,
    default=("EU-WEST-PAR",),
    show_default=True,
    help="Region with one cluster; repeatable. --kubeconfig is for the first.",
)
@click.option("--project", default=PROJECT, show_default=True, help="Id of the public cloud project (ovh.serviceName).")
@click.option("--kube-id", help="Id of the first cluster (ovh.kubeId); made from the seed if not given.")
@click.option(
    "--quota", type=QuotaOption(), default="", help="Per region: vcpus=34,memory=430G,instances=10 (default: plenty)."
)
@click.option(
    "--catalog", "catalog_file", type=click.Path(path_type=Path), help="Catalogue instead of the embedded one."
)
@click.option("--seed", default=0, show_default=True, help="Ids, names and durations follow from it.")
@click.option(
    "--speed", default=1.0, show_default=True, type=click.FloatRange(min=0.001), help="60: a minute a second."
)
@click.option("--manual-clock", is_flag=True, help="Time moves only by POST /control/clock.")
@click.option("--state", "state_file", type=click.Path(path_type=Path), help="File that keeps the state over restarts.")
@click.option("--gpu-plugin", type=float, metavar="SECONDS", help="Show nvidia.com/gpu so long after a node is ready.")
@click.option("--least-rights", is_flag=True, help="Grant only the rights that the controller's documents ask for.")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Join nodes to this cluster as MKS would.")
@click.option("--context", help="Context of the kubeconfig.")
def simulate_ovh(
    host: str,
    port: int,
    names: tuple[str, ...],
    project: str,
    kube_id: str | None,
    quota: model.Quota,
    catalog_file: Path | None,
    seed: int,
    speed: float,
    manual_clock: bool,
    state_file: Path | None,
    gpu_plugin: float | None,
    least_rights: bool,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """Run an HTTP server that behaves like the OVH API for managed Kubernetes.

    The first line on standard output is the endpoint for OVH_ENDPOINT. What it forgets, when it errs and how it is
    steered: docs/simulator.md and GET /control.
    """
    try:
        catalogue = catalogues.load(catalog_file) if catalog_file else catalogues.embedded()
        if state_file and state_file.exists():
            world = store.load(state_file)
        else:
            world = new_world(names, kube_id, project, quota, seed, time.time())
    except (regions.UnknownRegionError, catalogues.CatalogueError, store.StateFileError) as error:
        raise click.UsageError(str(error)) from None
    goods = shop.open_shop(catalogue)
    unknown = {pool.flavor for pool in world.pools.values()} - goods.flavors.keys()
    if unknown:
        raise click.UsageError(f"state file {state_file}: the catalogue does not sell {', '.join(sorted(unknown))}")
    if gpu_plugin is not None:
        world.timings.gpu_plugin = gpu_plugin
    ticking = clock.ManualClock(world.now) if manual_clock else clock.RunningClock(world.now, speed)
    simulator = server.Simulator(state.Simulation(world, goods), ticking, auth.Keys(), state_file=state_file)
    if least_rights:
        simulator.gate.granted = control.least(world)
    target = _join(simulator, kubeconfig, context)
    try:
        listening = server.serve(simulator, host, port)
    except OSError as error:
        raise errors.Failed(f"cannot listen on {host}:{port}: {error}") from None
    _announce(listening.url, world, simulator.gate.keys)
    _run(listening, simulator, target)


def _join(simulator: server.Simulator, kubeconfig: Path | None, context: str | None) -> joiner.Joiner | None:
    if kubeconfig is None and context is None:
        return None
    try:
        reached = cluster.KubernetesCluster(str(kubeconfig) if kubeconfig else None, context)
        first = next(iter(simulator.sim.world.clusters))
        made = joiner.Joiner(simulator, first, reached)
        made.check()
    except cluster.ClusterError as error:
        raise errors.Failed(str(error)) from None
    simulator.after_advance = made.sync
    return made


def _announce(url: str, world: model.World, keys: auth.Keys) -> None:
    click.echo(url)
    lines = [
        f"OVH_ENDPOINT={url}",
        f"OVH_APPLICATION_KEY={keys.application_key}",
        f"OVH_APPLICATION_SECRET={keys.application_secret}",
        f"OVH_CONSUMER_KEY={keys.consumer_key}",
        f"project (ovh.serviceName) {world.project}",
        *(f"cluster (ovh.kubeId) {each.id} in {each.region}, {each.plan}" for each in world.clusters.values()),
    ]
    for line in lines:
        click.echo(line, err=True)


def _run(listening: server.Server, simulator: server.Simulator, target: joiner.Joiner | None) -> None:
    """Serve until SIGINT or SIGTERM, then write the state down."""
    stop = threading.Event()
    threads = [threading.Thread(target=listening.serve_forever, name="http", daemon=True)]
    if target is not None:
        threads.append(threading.Thread(target=target.run, args=(stop,), name="joiner", daemon=True))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    for thread in threads:
        thread.start()
    stop.wait()
    listening.shutdown()
    for thread in threads:
        thread.join(timeout=10)
    listening.server_close()
    simulator.advance()
    simulator.save(always=True)
