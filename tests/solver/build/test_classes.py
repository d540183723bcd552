"""Pod classes: pods that no rule tells apart, and none that some rule does."""

import hypothesis
from hypothesis import strategies

from solver import build, cluster
from tests.solver.rules import world


def sizes(built) -> list[int]:
    return sorted(len(each.pods) for each in built.problem.classes)


def test_equal_pods_are_one_class():
    """Pods of one template are one class, in a fixed order, highest priority first."""
    built = world.compiled(
        world.pods("web", 3), world.pods("api", 2, of=world.spec(200)), world.pod("vip", world.spec(300, priority=5))
    )

    assert [each.pods for each in built.problem.classes] == [
        ("default/vip",),
        ("default/api-0", "default/api-1"),
        ("default/web-0", "default/web-1", "default/web-2"),
    ]
    assert [each.priority for each in built.problem.classes] == [5, 0, 0]


def test_labels_count_only_when_somebody_asks():
    """Pods with different labels and namespaces are one class while no selector looks at them."""
    pods = [world.pod(f"p{index}", labels={"index": str(index)}, namespace=f"ns{index}") for index in range(4)]

    assert sizes(world.compiled(pods)) == [4]


def test_selectors_tell_pods_apart():
    """Planned pods' terms, and running pods' required anti-affinity, split pods that they match from the rest."""
    spread = cluster.Spread(world.ZONE, 1, True, world.selector(app="a"))
    pods = [world.pod(f"p{index}", labels={"app": "a" if index < 3 else "b"}) for index in range(5)]
    guard = world.pod("guard", world.spec(anti_affinity=(world.near(world.ZONE, app="a"),)), node="n")

    assert sizes(world.compiled(pods, world.pod("owner", world.spec(spread=(spread,))))) == [1, 2, 3]
    assert sizes(world.compiled(pods, guard, world.node("n"))) == [2, 3]


def test_own_terms_tell_pods_apart():
    """One template in two namespaces means different pods by its terms, so these are two classes."""
    spec = world.spec(anti_affinity=(world.near(world.HOSTNAME, app="a"),))
    pods = [world.pod(f"p{index}", spec, namespace=f"ns{index % 2}") for index in range(4)]

    assert sizes(world.compiled(pods)) == [2, 2]


def test_equal_specs_need_not_be_one_object():
    """Specs are compared by what they say."""
    pods = [world.pod(f"p{index}", world.spec(100)) for index in range(3)]

    assert sizes(world.compiled(pods)) == [3]


def test_pods_that_run_are_no_demand():
    """Waiting pods and those of nodes in deletion are placed; daemon pods and protected ones stay with their node."""
    built = world.compiled(
        world.pod("waiting"),
        world.pod("gated", gated=True),
        world.pod("running", node="old"),
        world.pod("moves", node="leaving"),
        world.pod("daemon", node="leaving", owner=cluster.Owner("DaemonSet", "d")),
        world.pod("protected", node="leaving", annotations={"karpenter.sh/do-not-disrupt": "true"}),
        world.node("old"),
        world.node("leaving", deleting=True),
    )

    assert [each.pods for each in built.problem.classes] == [("default/moves", "default/waiting")]


def test_removable_nodes_have_residents():
    """Pods that would move with their node stand beside those that wait, in the same class when they are equal."""
    built = world.compiled(
        world.pods("new", 2),
        world.pods("old", 3, node="n"),
        world.pod("daemon", node="n", owner=cluster.Owner("DaemonSet", "d")),
        world.node("m"),
        world.node("n"),
        removable={"n": build.Removal("Underutilized", 70)},
    )
    (pod_class,) = built.problem.classes
    index = world.node_index(built, "n")
    node = built.problem.nodes[index]

    assert pod_class.pods == ("default/new-0", "default/new-1")
    assert pod_class.residents == {index: ("default/old-0", "default/old-1", "default/old-2")}
    assert (node.removable, node.reason, node.removal_cost) == (True, "Underutilized", 70)
    assert not built.problem.nodes[1 - index].removable
    assert built.problem.node_room[index].tolist()[2] == 110 - 4
    assert built.problem.residents.sum() == 3


def test_a_class_may_have_residents_only():
    """Its name is then a resident's."""
    built = world.compiled(world.pod("old", node="n"), world.node("n"), removable={"n": build.Removal("Empty")})

    assert [each.name for each in built.problem.classes] == ["default/old"]
    assert built.problem.counts.tolist() == [0]


LABELS = strategies.dictionaries(strategies.sampled_from("xy"), strategies.sampled_from("12"), max_size=2)


@hypothesis.given(
    strategies.lists(strategies.tuples(LABELS, strategies.sampled_from(["n1", "n2"])), min_size=1, max_size=8),
    strategies.lists(strategies.tuples(LABELS, strategies.sampled_from(["n1", "n2"])), min_size=1, max_size=3),
)
@hypothesis.settings(max_examples=60)
def test_pods_of_a_class_are_matched_alike(pods, askers):
    """Whatever anti-affinity terms there are, each matches all pods of a class or none of them."""
    objects = [world.pod(f"p{i}", labels=labels, namespace=space) for i, (labels, space) in enumerate(pods)]
    terms = [world.near(world.HOSTNAME, **labels) for labels, _ in askers]
    asking = [
        world.pod(f"q{i}", world.spec(100 + i, anti_affinity=(term,)), namespace=space)
        for i, (term, (_, space)) in enumerate(zip(terms, askers, strict=True))
    ]
    built = world.compiled(objects, asking)
    by_key = {pod.key: pod for pod in objects}

    for labels, space in askers:
        for each in built.problem.classes:
            members = [by_key[key] for key in each.pods if key in by_key]
            matched = {pod.namespace == space and labels.items() <= pod.labels.items() for pod in members}
            assert len(matched) <= 1
    assert sum(len(each.pods) for each in built.problem.classes) == len(objects) + len(asking)
