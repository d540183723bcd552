"""What never happens, whatever is asked of the simulator and in whichever order."""

from __future__ import annotations

import copy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from controller.simulator import model
from tests.controller.simulator import running

FLAVORS = ("b3-8", "c3-16", "l40s-90")
LIMITS = model.Quota(cores=60, ram=250_000, instances=12)


class Machine(RuleBasedStateMachine):
    """Any order of requests, time, lost objects and repairs in a small project with little stock."""

    pools = Bundle("pools")

    def __init__(self) -> None:
        super().__init__()
        self.sim = running.simulation(running.ONE_ZONE, running.THREE_ZONES, quota=LIMITS)
        self.sim.world.stock = {"b3-8@nova": 3, "b3-8@eu-west-par-a": 3, "c3-16@eu-west-par-a": 1}
        self.whole = dict(self.sim.world.stock)
        self.count = 0
        self.asked: set[str] = set()

    @rule(target=pools, index=st.integers(0, 1), flavor=st.sampled_from(FLAVORS), desired=st.integers(0, 6))
    def create(self, index: int, flavor: str, desired: int) -> str:
        self.count += 1
        before = copy.deepcopy(self.sim.world)
        try:
            return running.create(self.sim, index, name=f"p{self.count}", flavorName=flavor, desiredNodes=desired).id
        except model.Refusal:
            assert self.sim.world == before, "a refusal changes nothing"
            return ""

    @rule(pool_id=pools, desired=st.integers(0, 8), share=st.floats(0, 1), unknown=st.booleans())
    def update(self, pool_id: str, desired: int, share: float, unknown: bool) -> None:
        pool = self.sim.world.pools.get(pool_id)
        if pool is None:
            return
        staying = [node for node in self.sim.nodes(pool_id) if not node.leaving]
        listed = [node.id for node in staying[: int(share * len(staying))]]
        rest = sorted((n for n in staying if n.id not in listed), key=lambda n: (n.created_at, n.id), reverse=True)
        before = copy.deepcopy(self.sim.world)
        try:
            running.update(self.sim, pool, desiredNodes=desired, nodesToRemove=[*listed, *(["x"] if unknown else [])])
        except model.Refusal:
            assert self.sim.world == before, "a refusal changes nothing"
            return
        self.asked |= {*listed, *(node.id for node in rest[: max(0, len(rest) - desired)])}

    @rule(pool_id=consumes(pools))
    def delete(self, pool_id: str) -> None:
        pool = self.sim.world.pools.get(pool_id)
        if pool is None:
            return
        nodes = {node.id for node in self.sim.nodes(pool_id)}
        try:
            self.sim.delete_pool(pool.cluster_id, pool_id)
        except model.Refusal:
            return
        self.asked |= nodes

    @rule(seconds=st.sampled_from([0.5, 3.0, 30.0, 200.0, 1000.0, 5000.0]))
    def wait(self, seconds: float) -> None:
        standing = {key for key, node in self.sim.world.nodes.items() if not node.leaving} - self.asked
        self.sim.advance(self.sim.world.now + seconds)
        for key in standing:
            assert key in self.sim.world.nodes
            assert not self.sim.world.nodes[key].leaving, "no pool loses a node unasked"

    @rule(pick=st.integers(0, 99), lost=st.booleans())
    def trouble(self, pick: int, lost: bool) -> None:
        ready = [node for node in self.sim.world.nodes.values() if node.status == "READY"]
        if not ready:
            return
        node = ready[pick % len(ready)]
        self.asked.add(node.id)
        if lost:
            self.sim.object_seen(node.id)
            self.sim.object_lost(node.id)
        else:
            self.sim.break_node(node.id)

    @invariant()
    def quota_is_never_exceeded(self) -> None:
        for region, limits in self.sim.world.quotas.items():
            cores, ram, instances = self.sim.used(region)
            assert cores <= limits.cores
            assert ram <= limits.ram
            assert instances <= limits.instances

    @invariant()
    def a_pool_has_a_record_for_each_desired_node(self) -> None:
        for pool in self.sim.world.pools.values():
            staying = [node for node in self.sim.nodes(pool.id) if not node.leaving]
            assert pool.deleting or len(staying) == pool.desired

    @invariant()
    def stock_is_neither_made_nor_lost(self) -> None:
        for key, whole in self.whole.items():
            flavor, zone = key.split("@")
            held = sum(
                node.instance_id is not None and (node.flavor, node.zone) == (flavor, zone)
                for node in self.sim.world.nodes.values()
            )
            assert self.sim.world.stock[key] == whole - held >= 0

    @invariant()
    def a_ready_pool_has_only_ready_nodes(self) -> None:
        for pool in self.sim.world.pools.values():
            if pool.status == "READY" and not pool.deleting:
                assert all(node.status == "READY" for node in self.sim.nodes(pool.id))

    @invariant()
    def joined_nodes_have_a_machine(self) -> None:
        for node in self.sim.world.nodes.values():
            assert node.instance_id is not None or not node.joined

    def teardown(self) -> None:
        """In the end every request can be withdrawn: sizes to zero, pools away, nothing left."""
        for pool in list(self.sim.world.pools.values()):
            if not pool.deleting:
                running.update(self.sim, pool, desiredNodes=0, minNodes=0)
        self.sim.advance(self.sim.world.now + 10_000)
        for pool in list(self.sim.world.pools.values()):
            self.sim.delete_pool(pool.cluster_id, pool.id)
        self.sim.advance(self.sim.world.now + 10_000)
        assert (self.sim.world.pools, self.sim.world.nodes, self.sim.world.stock) == ({}, {}, self.whole)


def test_any_order_of_requests_keeps_the_books() -> None:
    """Quota, stock, sizes and READY mean what they say, and no node goes unasked."""
    run_state_machine_as_test(Machine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
