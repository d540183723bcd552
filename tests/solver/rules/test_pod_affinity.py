"""Required and preferred pod affinity."""

from solver import cluster, problem
from tests.solver.rules import world
from tests.solver.rules.world import HOSTNAME, ZONE


def near(key=ZONE, **fields) -> cluster.PodTerm:
    fields = {"selector": world.selector(app="db")} | fields
    return cluster.PodTerm(key, **fields)


def test_affinity_to_others():
    """Owners need a target in their domain; running targets are counted where they are, terminating ones too."""
    built = world.compiled(
        world.pod("web", world.spec(affinity=(near(),))),
        world.pod("db", labels={"app": "db"}),
        world.node("old"),
        world.pod("going", node="old", labels={"app": "db"}, deleting=True),
    )
    (block,) = built.problem.attractions

    assert world.owners(built, block.owners) == {"web"}
    assert world.owners(built, block.targets.members) == {"db"}
    assert block.targets.base.tolist() == [1]
    assert not block.bootstrap.any()
    assert [built.problem.topologies[index].key for index in block.topologies] == [ZONE]


def test_affinity_to_itself_may_start():
    """A pod that matches its own terms may be the first."""
    built = world.compiled(world.pod("db", world.spec(affinity=(near(),)), labels={"app": "db"}))

    assert built.problem.attractions[0].bootstrap.all()


def test_all_terms_hold_of_one_pod():
    """Targets are pods that match every term, and every term's label is needed."""
    both = (near(), near(HOSTNAME, selector=world.selector(tier="1")))
    built = world.compiled(
        world.pod("web", world.spec(affinity=both)),
        world.pod("half", labels={"app": "db"}),
        world.pod("full", labels={"app": "db", "tier": "1"}),
    )
    (block,) = built.problem.attractions

    assert world.owners(built, block.targets.members) == {"full"}
    assert set(block.topologies) == {problem.HOST, 0}


def test_terms_that_match_nothing():
    """Without a selector a term matches no pod: the block has no target."""
    built = world.compiled(world.pod("web", world.spec(affinity=(near(selector=None),)), labels={"app": "db"}))

    assert not built.problem.attractions[0].targets.members.any()
    assert not built.problem.attractions[0].bootstrap.any()


def test_namespaces():
    """Own namespace by default; a list, a selector, both together, and the empty selector for all."""
    pods = [
        world.pod("own", labels={"app": "db"}),
        world.pod("listed", labels={"app": "db"}, namespace="listed"),
        world.pod("chosen", labels={"app": "db"}, namespace="chosen"),
        world.pod("far", labels={"app": "db"}, namespace="far"),
    ]
    namespaces = {"chosen": {"team": "a"}, "far": {"team": "b"}}

    def matched(**fields) -> set[str]:
        owner = world.pod("web", world.spec(affinity=(near(**fields),)))
        built = world.compiled(world.world(owner, pods, namespaces=namespaces))
        (block,) = built.problem.attractions
        return world.pods_in(built, block.targets.members)

    assert matched() == {"own"}
    assert matched(namespaces=("listed",)) == {"listed"}
    assert matched(namespace_selector=world.selector(team="a")) == {"chosen"}
    assert matched(namespaces=("listed",), namespace_selector=world.selector(team="a")) == {"listed", "chosen"}
    assert matched(namespace_selector=cluster.Selector()) == {"own", "listed", "chosen", "far"}
    by_name = cluster.Selector((world.within("kubernetes.io/metadata.name", "In", "listed"),))
    assert matched(namespace_selector=by_name) == {"listed"}


def test_match_and_mismatch_label_keys():
    """The pod's own value is added to the selector, or excluded; keys that it lacks are passed over."""
    same = world.spec(affinity=(near(match_label_keys=("rev", "none")),))
    other = world.spec(affinity=(near(mismatch_label_keys=("rev",)),))
    built = world.compiled(
        world.pod("one", same, labels={"rev": "1"}),
        world.pod("two", other, labels={"rev": "1"}),
        world.pod("db1", labels={"app": "db", "rev": "1"}),
        world.pod("db2", labels={"app": "db", "rev": "2"}),
    )

    targets = {
        next(iter(world.owners(built, b.owners))): world.owners(built, b.targets.members)
        for b in built.problem.attractions
    }
    assert targets == {"one": {"db1"}, "two": {"db2"}}


def test_nodes_without_the_label_take_no_owner():
    """The node itself must have the topology's label."""
    built = world.compiled(
        world.pod("web", world.spec(affinity=(near("rack"),))),
        world.node("old"),
        world.node("new", labels={"rack": "1"}),
    )

    assert world.nodes_of(built, "web") == {"new"}
    assert world.why_offer(built, "web") == (
        "pod_affinity",
        "unsatisfiable topology constraint for pod affinity, key=rack (counts = none: the label is missing",
    )


def test_preferred_terms_have_a_weight():
    """Each preferred term is a block of its own with its weight; Ignore leaves them out."""
    wishes = (cluster.PreferredPodTerm(7, near()), cluster.PreferredPodTerm(3, near(HOSTNAME)))
    pod = world.pod("web", world.spec(preferred_affinity=wishes))
    built = world.compiled(pod)

    assert [(block.weight, block.topologies) for block in built.problem.attractions] == [
        (7, (0,)),
        (3, (problem.HOST,)),
    ]
    assert world.compiled(pod, preference_policy="Ignore").problem.attractions == ()
