"""Required and preferred pod anti-affinity, in both directions."""

from solver import cluster, problem
from tests.solver.rules import world
from tests.solver.rules.world import HOSTNAME, ZONE


def away(key=HOSTNAME, app="web") -> cluster.PodTerm:
    return cluster.PodTerm(key, world.selector(app=app))


def test_replicas_keep_apart():
    """A class that matches its own term is owner and target."""
    built = world.compiled(world.pods("web", 3, of=world.spec(anti_affinity=(away(),)), labels={"app": "web"}))
    (block,) = built.problem.exclusions

    assert block.topology == problem.HOST
    assert world.owners(built, block.owners) == world.owners(built, block.targets.members) == {"web-0"}
    assert block.weight is None


def test_running_targets_and_running_owners_count():
    """Running pods that match keep owners away, running pods whose term matches keep targets away."""
    spec = world.spec(anti_affinity=(away(),))
    built = world.compiled(
        world.pod("new", spec),
        world.pod("web", labels={"app": "web"}),
        world.node("a"),
        world.node("b"),
        world.pod("owner", spec, node="a"),
        world.pod("target", labels={"app": "web"}, node="b"),
    )
    (block,) = built.problem.exclusions

    assert world.owners(built, block.owners) == {"new"}
    assert world.owners(built, block.targets.members) == {"web"}
    assert block.owner_base.tolist() == [1, 0]
    assert block.targets.base.tolist() == [0, 1]


def test_a_running_pod_alone_keeps_ours_away():
    """Symmetry needs no owner among the planned pods; a term of a running pod that matches none of them is no block."""
    owner = world.pod("owner", world.spec(anti_affinity=(away(ZONE), away(ZONE, "nobody"))), node="a")

    built = world.compiled(world.pod("web", labels={"app": "web"}), world.node("a"), owner)
    (block,) = built.problem.exclusions

    assert not block.owners.any()
    assert block.owner_base.tolist() == [1]
    assert world.owners(built, block.targets.members) == {"web"}


def test_equal_terms_are_one_block():
    """Classes with the same term share a block; another key or target makes another."""
    one, two = world.spec(100, anti_affinity=(away(),)), world.spec(200, anti_affinity=(away(), away(ZONE)))

    built = world.compiled(world.pod("one", one), world.pod("two", two))

    assert [world.owners(built, block.owners) for block in built.problem.exclusions] == [{"one", "two"}, {"two"}]


def test_preferred_terms_have_a_weight():
    """Running owners of preferred terms are not asked; Ignore leaves the terms out."""
    spec = world.spec(preferred_anti_affinity=(cluster.PreferredPodTerm(5, away()),))
    objects = [
        world.pod("new", spec, labels={"app": "web"}),
        world.node("a"),
        world.pod("old", spec, labels={"app": "web"}, node="a"),
    ]
    built = world.compiled(*objects)
    (block,) = built.problem.exclusions

    assert block.weight == 5
    assert block.owner_base.tolist() == [0]
    assert block.targets.base.tolist() == [1]
    assert world.compiled(*objects, preference_policy="Ignore").problem.exclusions == ()
