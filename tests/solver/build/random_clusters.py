"""
Random small clusters over all rules together, the same for the same seed.

They are dense on purpose: few zones, few labels and little room, so that rules meet. Nothing in them is malformed;
nodes, claims, volumes and NodePools come in every state that a live cluster can be met in.
"""

import dataclasses
import random
from collections.abc import Callable
from typing import Any, TypeVar

from solver import cluster, options
from solver.snapshot import pending
from tests.solver.rules import world
from tests.solver.rules.world import GIB, HOSTNAME, TYPE, ZONE, ZONES

T = TypeVar("T")
CINDER = "cinder.csi.openstack.org"
SPACES = ("one", "two")
KEYS = (ZONE, ZONE, HOSTNAME, HOSTNAME, "rack", "karpenter.sh/nodepool")
TAINT = cluster.Taint("t", "", "NoSchedule")


class Dice:
    """Draws parts of a cluster."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.one_of: Callable[[Any], Any] = self._random.choice
        self.number: Callable[[int, int], int] = self._random.randint

    def with_chance(self, percent: int) -> bool:
        return self._random.random() * 100 < percent

    def maybe(self, percent: int, value: T, otherwise: Any = ()) -> T | Any:
        return value if self.with_chance(percent) else otherwise

    def labels(self) -> dict[str, str]:
        return {key: self.one_of("12") for key in "ab" if self.with_chance(60)}

    def selector(self) -> cluster.Selector | None:
        kinds = [None, cluster.Selector(), *[world.selector(**{self.one_of("ab"): self.one_of("12")})] * 5]
        kinds.append(cluster.Selector((world.within("a", self.one_of(["NotIn", "In"]), "1"),)))
        kinds.append(cluster.Selector((world.within("b", self.one_of(["Exists", "DoesNotExist"])),)))
        chosen: cluster.Selector | None = self.one_of(kinds)
        return chosen

    def pod_term(self) -> cluster.PodTerm:
        return cluster.PodTerm(
            self.one_of(KEYS),
            self.selector(),
            self.one_of([(), (), ("one",), SPACES]),
            self.one_of([None, None, None, cluster.Selector(), world.selector(team="x")]),
            self.maybe(20, ("a",)),
            self.maybe(10, ("b",)),
        )

    def spread(self) -> cluster.Spread:
        hard = self.with_chance(75)
        return cluster.Spread(
            self.one_of(KEYS),
            self.one_of([1, 1, 2]),
            hard,
            self.selector(),
            self.one_of([None, None, 2, 3]) if hard else None,
            self.maybe(20, ("a",)),
            self.with_chance(70),
            self.with_chance(30),
        )

    def node_term(self) -> cluster.NodeTerm:
        key, values = self.one_of([(ZONE, ZONES), (TYPE, ("b3-8", "b3-16")), ("rack", ("1", "2"))])
        return world.term(world.within(key, self.one_of(["In", "NotIn"]), self.one_of(values)))

    def spec(self) -> cluster.PodSpec:
        fields: dict[str, Any] = {
            "node_selector": self.maybe(
                20, self.one_of([((ZONE, self.one_of(ZONES)),), ((TYPE, "b3-8"),), (("rack", "1"),)])
            ),
            "node_terms": self.maybe(15, tuple(self.node_term() for _ in range(self.number(1, 2))), None),
            "preferred_node_terms": self.maybe(20, (cluster.PreferredNodeTerm(self.number(1, 100), self.node_term()),)),
            "tolerations": self.maybe(30, (cluster.Toleration(self.one_of(["t", ""]), "Exists", "", ""),)),
            "affinity": self.maybe(25, tuple(self.pod_term() for _ in range(self.one_of([1, 1, 2])))),
            "anti_affinity": self.maybe(25, (self.pod_term(),)),
            "preferred_affinity": self.maybe(10, (cluster.PreferredPodTerm(self.number(1, 100), self.pod_term()),)),
            "preferred_anti_affinity": self.maybe(
                10, (cluster.PreferredPodTerm(self.number(1, 100), self.pod_term()),)
            ),
            "spread": self.maybe(35, tuple(self.spread() for _ in range(self.one_of([1, 1, 2])))),
            "host_ports": self.maybe(
                15, (cluster.HostPort(self.one_of(["0.0.0.0", "10.0.0.1"]), "TCP", self.one_of([80, 81])),)
            ),
            "claims": self.maybe(
                20, tuple(self._random.sample(["c0", "c1", "c2", "c3", "c4"], self.one_of([1, 1, 2])))
            ),
            "ephemeral_claims": self.maybe(8, (cluster.EphemeralClaim("scratch", "late"),)),
            "resource_claims": self.maybe(2, ("gpu",)),
            "priority": self.one_of([0, 0, 0, 5]),
            "requests": self.maybe(10, {"nvidia.com/gpu": 1}),
        }
        return world.spec(self.one_of([100, 500, 1000, 1700]), self.one_of([GIB // 4, GIB, 3 * GIB]), **fields)

    def node(self, name: str) -> cluster.Node:
        labels = {"rack": self.one_of("12")} if self.with_chance(50) else {}
        labels |= {"karpenter.sh/nodepool": "general"} if self.with_chance(50) else {}
        return world.node(
            name,
            self.one_of(ZONES),
            self.one_of([1000, 4000]),
            labels=labels,
            taints=self.one_of([(), (), (TAINT,), (cluster.Taint("t", "", "PreferNoSchedule"),)]),
            unschedulable=self.with_chance(10),
            deleting=self.with_chance(10),
        )

    def claim(self, name: str, node: cluster.Node | None) -> cluster.NodeClaim:
        ready = {"Registered": cluster.ClaimCondition("True"), "Initialized": cluster.ClaimCondition("True")}
        return cluster.NodeClaim(
            name,
            "general",
            labels={TYPE: "b3-16", ZONE: node.labels[ZONE] if node else self.one_of(ZONES), "rack": "1"},
            **self.one_of([{}, {}, {"taints": (TAINT,)}, {"startup_taints": (TAINT,)}]),
            allocatable=self.maybe(70, {"cpu": 1840, "memory": 5 * GIB, "pods": 110}, {}),
            capacity=self.maybe(70, {"cpu": 2000, "memory": 7 * GIB, "pods": 110}, {}),
            node=node.name if node else "",
            provider_id=f"openstack:///{name}",
            conditions=self.maybe(50, ready, {}),
            deleting=self.with_chance(10),
        )

    def pool(self, name: str) -> cluster.NodePool:
        requirements: list[dict[str, Any]] = []
        if self.with_chance(40):
            operator = self.one_of(["In", "In", "Exists", "NotIn"])
            requirements.append(
                {"key": "rack", "operator": operator} | ({} if operator == "Exists" else {"values": ["1", "2", "3"]})
            )
        if self.with_chance(20):
            requirements.append({"key": TYPE, "operator": "In", "values": ["b3-8", "b3-16"], "minValues": 2})
        if self.with_chance(20):
            requirements.append({"key": ZONE, "operator": "In", "values": list(ZONES[: self.number(1, 2)])})
        fields: dict[str, Any] = {"requirements": requirements}
        fields |= self.maybe(30, {"weight": self.one_of([5, 10])}, {})
        fields |= self.maybe(
            30, {"limits": {self.one_of(["cpu", "nodes", "memory"]): self.one_of(["4", "8", "16Gi"])}}, {}
        )
        fields |= self.maybe(
            30, {"taints": [{"key": "t", "effect": self.one_of(["NoSchedule", "PreferNoSchedule"])}]}, {}
        )
        fields |= self.maybe(20, {"labels": {"team": "x"}}, {})
        fields |= self.one_of([{}] * 12 + [{"ready": False}, {"deleting": True}])
        return world.pool(name, **fields)

    def volumes(self, space: str, name: str) -> list[Any]:
        modes = self.maybe(30, ("ReadWriteOncePod",))
        if self.with_chance(50):
            return [cluster.VolumeClaim(space, name, self.one_of(["late", "late", "late", "gone"]), access_modes=modes)]
        key, value = self.one_of([(ZONE, self.one_of(ZONES))] * 4 + [(HOSTNAME, "node0")])
        terms = self.maybe(60, (world.term(world.within(key, "In", value)),), None)
        volume = cluster.Volume(f"{space}-{name}", terms, self.one_of([CINDER, CINDER, ""]))
        return [cluster.VolumeClaim(space, name, "late", volume.name, "Bound", modes, bind_completed=True), volume]


class AlikeDice(Dice):
    """Draws pods that look alike to most selectors, many with a spread and many without: workloads count each other."""

    def labels(self) -> dict[str, str]:
        return {"a": "1"} | self.maybe(40, {"b": self.one_of("12")}, {})

    def selector(self) -> cluster.Selector | None:
        chosen: cluster.Selector = self.one_of([world.selector(a="1")] * 4 + [world.selector(b="1")])
        return chosen

    def spec(self) -> cluster.PodSpec:
        pinned = ((ZONE, self.one_of(ZONES)),)
        spread = self.maybe(50, tuple(self.spread() for _ in range(self.one_of([1, 1, 2]))))
        return dataclasses.replace(
            super().spec(),
            node_selector=self.maybe(35, pinned),
            affinity=self.maybe(10, (self.pod_term(),)),
            anti_affinity=self.maybe(10, (self.pod_term(),)),
            spread=spread,
        )


def draw_tiny(seed: int) -> tuple[cluster.Cluster, options.Options]:
    """The same with so few waiting pods, zones and flavors that all plans can be tried."""
    of, asked = draw(seed)
    pools = dict(list(of.node_pools.items())[:2])
    waiting = [key for key, pod in of.pods.items() if not pod.node and not pod.nominated_node]
    moving = pending.reschedulable(of, asked.now)
    most = max(1, 4 - len(moving) - (len(pools) > 1))
    kept = set(random.Random(seed).sample(waiting, min(len(waiting), most)))
    pods = {key: pod for key, pod in of.pods.items() if key in kept or key not in waiting}
    asked = dataclasses.replace(asked, without_zones=(ZONES[2],), without_flavors=asked.without_flavors or ("l4-32",))
    return dataclasses.replace(of, pods=pods, node_pools=pools), asked


def draw_alike(seed: int) -> tuple[cluster.Cluster, options.Options]:
    """The same with pods of different workloads that the same constraints count."""
    return _drawn(AlikeDice(seed))


def draw(seed: int) -> tuple[cluster.Cluster, options.Options]:
    """A cluster with waiting pods, and options for a question about it."""
    return _drawn(Dice(seed))


def _drawn(dice: Dice) -> tuple[cluster.Cluster, options.Options]:
    templates = [(dice.spec(), dice.labels()) for _ in range(dice.number(1, 4))]
    objects: list[Any] = []
    for index, (spec, labels) in enumerate(templates):
        objects += world.pods(f"p{index}", dice.number(1, 4), of=spec, labels=labels, namespace=dice.one_of(SPACES))
    for index in range(dice.number(0, 3)):
        node = dice.node(f"node{index}")
        objects.append(node)
        if dice.with_chance(30):
            objects.append(dice.claim(f"claim{index}", node))
        for number in range(dice.number(0, 3)):
            spec, labels = dice.one_of(templates) if dice.with_chance(60) else (dice.spec(), dice.labels())
            place = {"node": node.name} if dice.with_chance(90) else {"nominated_node": node.name}
            pod = world.pod(f"run{index}-{number}", spec, labels=labels, namespace=dice.one_of(SPACES), **place)
            pod.deleting = dice.with_chance(10) and bool(pod.node)
            pod.annotations = dice.maybe(10, {"karpenter.sh/do-not-disrupt": "true"}, {})
            objects.append(pod)
    if dice.with_chance(30):
        objects.append(dice.claim("claim-x", None))
    for index in range(dice.number(0, 2)):
        ports = dice.maybe(30, (cluster.HostPort("0.0.0.0", "TCP", 80),))
        tolerations = dice.maybe(50, (cluster.Toleration("", "Exists", "", ""),))
        selector = dice.maybe(30, (("rack", "1"),))
        spec = world.spec(
            dice.one_of([50, 200]), GIB // 8, tolerations=tolerations, node_selector=selector, host_ports=ports
        )
        objects.append(cluster.DaemonSet("kube-system", f"ds{index}", spec))
    objects += [dice.pool(name) for name in ("general", "other", "third")[: dice.number(1, 3)]]
    objects.append(world.node_class(antiAffinity=dice.with_chance(20)))
    for space in SPACES:
        for name in ("c0", "c1", "c2", "c3", "c4"):
            objects += dice.volumes(space, name)
    allowed = dice.maybe(50, (world.term(world.within(ZONE, "In", *ZONES[:2])),))
    objects.append(cluster.StorageClass("late", CINDER, True, allowed))
    limits = {f"node{index}": {CINDER: dice.number(0, 2)} for index in range(3) if dice.with_chance(20)}
    asked = options.Options(
        time_limit=1.0,
        deterministic=True,
        workers=1,
        quota=dice.maybe(20, {"instances": dice.one_of([1, 3])}, {})
        | dice.maybe(10, {"vcpus": dice.one_of([4, 8])}, {}),
        preference_policy=dice.one_of(["Respect", "Respect", "Ignore"]),
        weights=dice.one_of(["strict", "price"]),
        min_values_policy=dice.one_of(["Strict", "BestEffort"]),
        without_zones=dice.maybe(10, (ZONES[2],)),
        without_flavors=dice.maybe(10, ("b3-16",)),
    )
    objects = [
        dataclasses.replace(each, selected_node=dice.maybe(10, f"node{dice.number(0, 3)}", ""))
        if isinstance(each, cluster.VolumeClaim) and not each.volume
        else each
        for each in objects
    ]
    return world.world(objects, csi_limits=limits, namespaces={"one": {"team": "x"}}), asked
