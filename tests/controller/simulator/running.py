"""A simulator in this process with a clock that stands still, and everybody who talks to it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ovh

from catalog import catalogue
from controller import ratelimit, retry
from controller.ovh import client as clients
from controller.ovh import credentials, transport, types
from controller.simulator import auth, clock, command, model, rules, server, shop, state

START = 1_788_000_000.0
KEYS = auth.Keys()
APPLICATION = credentials.ApplicationKey(KEYS.application_key, KEYS.application_secret, KEYS.consumer_key)
ACCOUNT = credentials.ServiceAccount(KEYS.client_id, KEYS.client_secret)
ONE_ZONE = "GRA11"
THREE_ZONES = "EU-WEST-PAR"
PLENTY = model.Quota(cores=2000, ram=8_000_000, instances=500)


def simulation(*regions: str, quota: model.Quota = PLENTY, seed: int = 1) -> state.Simulation:
    """A fresh world with one cluster a region, a one-zone region unless told."""
    world = command.new_world(regions or (ONE_ZONE,), None, command.PROJECT, quota, seed, START)
    return state.Simulation(world, shop.open_shop(catalogue.embedded()))


@dataclass
class Running:
    """A served simulator, and what tests need of it."""

    simulator: server.Simulator
    root: str
    waits: list[float] = field(default_factory=list)

    @property
    def sim(self) -> state.Simulation:
        return self.simulator.sim

    def cluster(self, index: int = 0) -> model.Cluster:
        return list(self.sim.world.clusters.values())[index]

    def client(
        self, keys: credentials.Credentials = APPLICATION, index: int = 0, read: float = 5.0
    ) -> clients.OVHClient:
        """Our client; its waits are written down instead of slept."""
        now = [0.0]

        def sleep(seconds: float) -> None:
            self.waits.append(seconds)
            now[0] += seconds

        def time() -> float:
            return now[0]

        made = transport.Transport(
            credentials.endpoint(f"{self.root}/1.0"),
            keys,
            timeouts=transport.Timeouts(5.0, read),
            limiter=ratelimit.TokenBucket(1.0, 1000, clock=time, sleep=sleep),
            backoff=retry.Backoff(attempts=4, patience=1000.0),
            clock=time,
            sleep=sleep,
            draw=lambda low, high: high,
        )
        return clients.OVHClient(made, self.sim.world.project, self.cluster(index).id)

    def library(self) -> Any:
        """python-ovh itself."""
        ovh.client.ENDPOINTS[self.root] = f"{self.root}/1.0"
        return ovh.Client(
            self.root,
            application_key=KEYS.application_key,
            application_secret=KEYS.application_secret,
            consumer_key=KEYS.consumer_key,
            timeout=5.0,
        )

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the operator's side; its answer, or the error's text."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.root}/control{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return json.loads(error.read())["message"]

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.control("POST", "/clock", {"advance": seconds})

    def fault(self, kind: str, **order: Any) -> None:
        """Order a fault."""
        answer = self.control("POST", "/faults", {"kind": kind, **order})
        assert isinstance(answer, dict), answer

    def calls(self, method: str = "") -> list[tuple[str, str, int]]:
        """Method, path and status of the calls to the API so far."""
        return [
            (call["method"], call["path"].partition(self.cluster().id)[2] or call["path"], call["status"])
            for call in self.control("GET", "/calls")
            if call["method"] == method or not method
        ]


@contextmanager
def serve(sim: state.Simulation | None = None, state_file: Path | None = None) -> Iterator[Running]:
    """Run a simulator on a free port."""
    made = sim or simulation()
    simulator = server.Simulator(made, clock.ManualClock(made.world.now), KEYS, state_file=state_file)
    with server.serve(simulator, "127.0.0.1", 0) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield Running(simulator, listening.url.removesuffix("/1.0"))
        finally:
            listening.shutdown()
            thread.join()


def spec(name: str = "pool", flavor: str = "b3-8", desired: int = 2, **more: Any) -> types.NodePoolSpec:
    """A pool to be."""
    return types.NodePoolSpec(name=name, flavor=flavor, desired_nodes=desired, **more)


def rules_of(of: types.NodePoolSpec) -> rules.Creation:
    """The creation that a client's request becomes."""
    return rules.creation(of.body())


def create(sim: state.Simulation, index: int = 0, **body: Any) -> model.Pool:
    """A pool of two b3-8 in a cluster, by its index; fields of the request come on top."""
    cluster = list(sim.world.clusters.values())[index]
    body = {"name": "pool", "flavorName": "b3-8", "desiredNodes": 2} | body
    if cluster.zones:
        body.setdefault("availabilityZones", [cluster.zones[0]])
    return sim.create_pool(cluster.id, rules.creation(body))


def update(sim: state.Simulation, pool: model.Pool, **body: Any) -> None:
    """Change a pool."""
    sim.update_pool(pool.cluster_id, pool.id, rules.update(body))
