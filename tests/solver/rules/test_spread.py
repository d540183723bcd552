"""Topology spread constraints."""

from typing import Any

from catalog import flavor
from solver import cluster, problem
from tests.solver.rules import world
from tests.solver.rules.world import HOSTNAME, ZONE, ZONES

WEB = {"app": "web"}


def spread(key=ZONE, skew=1, **changes) -> cluster.Spread:
    fields: dict[str, Any] = {"hard": True, "selector": world.selector(app="web")} | changes
    return cluster.Spread(key, skew, **fields)


def domains(built, mask, key=ZONE) -> set[str]:
    (topology,) = [each for each in built.problem.topologies if each.key == key]
    return {domain for domain, chosen in zip(topology.domains, mask, strict=True) if chosen}


def test_a_hard_constraint_becomes_one_block():
    """Owners, counted pods, skew and domains are those of the constraint; zones that can be bought always count."""
    built = world.compiled(
        world.pods("web", 3, of=world.spec(spread=(spread(skew=2, min_domains=2),)), labels=WEB),
        world.pod("same", labels=WEB),
        world.pod("other"),
        world.node("old", ZONES[0]),
        world.pod("running", node="old", labels=WEB),
    )
    (block,) = built.problem.spreads

    assert world.owners(built, block.owners) == {"web-0"}
    assert world.owners(built, block.group.members) == {"web-0", "same"}
    assert block.group.base.tolist() == [1]
    assert (block.max_skew, block.min_domains, block.weight) == (2, 2, None)
    assert domains(built, block.always) == set(ZONES)
    assert block.node_counted.all()
    assert block.offer_counted.all()


def test_counts_are_of_the_own_namespace_and_of_pods_that_stay():
    """Pods of other namespaces, finished and terminating pods do not count, nor do pods that match nothing."""
    running = [
        world.pod("a", node="old", labels=WEB),
        world.pod("b", node="old", labels=WEB, namespace="elsewhere"),
        world.pod("c", node="old", labels=WEB, deleting=True),
        world.pod("d", node="old", labels=WEB, terminal=True),
        world.pod("e", node="old", labels={"app": "other"}),
    ]
    built = world.compiled(world.pod("web", world.spec(spread=(spread(),)), labels=WEB), world.node("old"), running)

    assert built.problem.spreads[0].group.base.tolist() == [1]


def test_a_constraint_may_not_match_its_own_pod():
    """The owner need not be among those that count."""
    built = world.compiled(world.pod("web", world.spec(spread=(spread(),)), labels={"app": "else"}))

    assert not built.problem.spreads[0].group.members.any()
    assert built.problem.spreads[0].owners.all()


def test_no_selector_counts_nothing():
    """A constraint without a selector counts no pod, and neither does one with an empty selector."""
    for selector in (None, cluster.Selector()):
        built = world.compiled(world.pod("web", world.spec(spread=(spread(selector=selector),)), labels=WEB))

        assert not built.problem.spreads[0].group.members.any()


def test_match_label_keys_split_revisions():
    """Pods with different values of the key count apart."""
    spec = world.spec(spread=(spread(match_label_keys=("hash", "missing")),))
    built = world.compiled(
        world.pod("one", spec, labels=WEB | {"hash": "1"}), world.pod("two", spec, labels=WEB | {"hash": "2"})
    )

    blocks = {
        frozenset(world.owners(built, b.owners)): world.owners(built, b.group.members) for b in built.problem.spreads
    }
    assert blocks == {frozenset({"one"}): {"one"}, frozenset({"two"}): {"two"}}


def test_node_affinity_decides_which_nodes_count():
    """By default only nodes that the pod's selector and affinity let in count; with Ignore all do."""
    nodes = [world.node("a", ZONES[0]), world.node("b", ZONES[1])]
    selector = ((ZONE, ZONES[0]),)
    honor = world.compiled(world.pod("web", world.spec(spread=(spread(),), node_selector=selector)), nodes)
    ignore = world.compiled(
        world.pod("web", world.spec(spread=(spread(honor_affinity=False),), node_selector=selector)), nodes
    )

    (block,) = honor.problem.spreads
    assert block.node_counted.tolist() == [True, False]
    assert domains(honor, block.always) == {ZONES[0]}
    (block,) = ignore.problem.spreads
    assert block.node_counted.tolist() == [True, True]
    assert domains(ignore, block.always) == {ZONES[0]}


def test_taints_decide_only_when_asked_to():
    """By default tainted nodes count although the pod cannot go there; with Honor they do not."""
    node = world.node("old", taints=(cluster.Taint("x", "", "NoSchedule"),))
    ignore = world.compiled(world.pod("web", world.spec(spread=(spread(),))), node)
    honor = world.compiled(world.pod("web", world.spec(spread=(spread(honor_taints=True),))), node)

    assert ignore.problem.spreads[0].node_counted.tolist() == [True]
    assert honor.problem.spreads[0].node_counted.tolist() == [False]


def test_only_zones_that_the_pod_can_buy_count_without_a_node():
    """A zone where no flavor holds the pod, or that a limit closes, does not hold the others back."""
    flavors = (
        flavor.make("b3-8", 2, 8, hourly_micro_eur=1),
        flavor.make("b3-16", 4, 16, hourly_micro_eur=2, unavailable_zones=frozenset({ZONES[2]})),
    )
    built = world.compiled(world.pod("web", world.spec(3000, spread=(spread(),))), flavors=flavors)

    assert domains(built, built.problem.spreads[0].always) == {ZONES[0], ZONES[1]}


def test_nodes_without_the_label_take_no_owner():
    """A hard constraint needs its label; nodes without it, or without another key of the pod, do not count."""
    bare = world.node("bare", labels={"rack": "1"})
    bare.labels = {key: value for key, value in bare.labels.items() if key != ZONE}
    nodes = [bare, world.node("full", labels={"rack": "2"}), world.node("rackless")]
    built = world.compiled(world.pod("web", world.spec(spread=(spread(), spread("rack")))), nodes)

    assert world.nodes_of(built, "web") == {"full"}
    assert world.why_node(built, "web", "bare") == (
        "spread",
        f"unsatisfiable topology constraint for topology spread, key={ZONE} (counts = none: the label is missing",
    )
    names = [node.name for node in built.problem.nodes]
    for block in built.problem.spreads:
        assert {name for name, counted in zip(names, block.node_counted, strict=True) if counted} == {"full"}
    assert world.offers_of(built, "web") == set()


def test_hostnames_are_domains_of_their_own():
    """Every node is a domain, none is there before its node."""
    built = world.compiled(world.pod("web", world.spec(spread=(spread(HOSTNAME),))), world.node("old"))
    (block,) = built.problem.spreads

    assert block.topology == problem.HOST
    assert len(block.always) == 0


def test_schedule_anyway_is_a_preference():
    """ScheduleAnyway costs 100 per pod too many, places without the label cost as much, and Ignore leaves it out."""
    pod = world.pod("web", world.spec(spread=(spread(hard=False), spread("rack", hard=False))))
    built = world.compiled(pod, world.node("old", labels={"rack": "1"}))
    ignoring = world.compiled(pod, world.node("old"), preference_policy="Ignore")

    assert [block.weight for block in built.problem.spreads] == [100, 100]
    assert built.problem.node_penalty.tolist() == [[0]]
    assert set(built.problem.offer_penalty[0].tolist()) == {100}
    assert world.flavors_of(built, "web") == {"b3-8", "b3-16", "l4-32"}
    assert ignoring.problem.spreads == ()


def test_leaving_nodes_are_no_domains():
    """A node in deletion whose pods all move counts for nothing; one that a protected pod holds still counts."""
    web = world.spec(spread=(spread(HOSTNAME),))
    protected = {"karpenter.sh/do-not-disrupt": "true"}
    built = world.compiled(
        world.pod("web", web, labels=WEB),
        world.node("free", deleting=True),
        world.pod("moves", web, labels=WEB, node="free"),
        world.node("held", deleting=True),
        world.pod("stays", web, labels=WEB, node="held", annotations=protected),
    )
    (block,) = built.problem.spreads
    names = [node.name for node in built.problem.nodes]

    assert dict(zip(names, block.node_counted.tolist(), strict=True)) == {"free": False, "held": True}
    assert dict(zip(names, block.group.base.tolist(), strict=True)) == {"free": 0, "held": 1}
    assert world.class_of(built, "moves") == world.class_of(built, "web")
