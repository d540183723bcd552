"""The fingerprint of a question depends on values alone, and on all of them."""

import dataclasses

import pytest

from catalog import catalogue
from solver import cluster, digest, options

KNOWN = catalogue.embedded()


def web(called: str, **given: object) -> cluster.Pod:
    """A pod with objects of its own."""
    spec = cluster.PodSpec(requests=(("cpu", 500),), tolerations=(cluster.Toleration("a", "Exists", "", ""),))
    return dataclasses.replace(cluster.Pod("shop", called, spec, {"app": "web"}, {}), **given)  # type: ignore[arg-type]


def of(*pods: cluster.Pod, **given: object) -> str:
    """The fingerprint of a cluster of these pods."""
    found = cluster.Cluster(pods={pod.key: pod for pod in pods})
    return digest.digest(found, KNOWN, options.Options(**given))  # type: ignore[arg-type]


def test_neither_order_nor_identity_of_objects_counts():
    """Pods in another order, with specs shared or not, are the same question."""
    one, two = web("a"), web("b")
    shared = dataclasses.replace(two, spec=one.spec, labels=one.labels, annotations=one.annotations)
    assert of(one, two) == of(two, one) == of(one, shared)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "c"},
        {"uid": "7"},
        {"created": 7},
        {"started": 7},
        {"node": "n"},
        {"owner": cluster.Owner("ReplicaSet", "web")},
        {"labels": {"app": "api"}},
        {"annotations": {"app": "web"}},
        {"spec": cluster.PodSpec(requests=(("cpu", 501),))},
        {"ready": False},
    ],
)
def test_every_field_of_a_pod_counts(change: dict[str, object]):
    """One field of one pod makes another question."""
    assert of(web("a"), web("b")) != of(web("a"), web("b", **change))


def test_values_do_not_change_places():
    """What one pod has and another has not may not be swapped unnoticed."""
    one, other = {"labels": {"x": "1"}}, {"annotations": {"x": "1"}}
    assert of(web("a", **one), web("b", **other)) != of(web("a", **other), web("b", **one))


def test_the_instant_counts_where_time_plays_a_part():
    """Provisioning asks the same at any time, consolidation does not."""
    assert of(web("a"), now=1) == of(web("a"), now=2)
    assert of(web("a"), mode="consolidate", now=1) != of(web("a"), mode="consolidate", now=2)


def test_the_present_instant_is_no_part_of_the_question():
    """Asked twice in a row, a question is the same, whatever the clock shows."""
    asked = {"mode": "consolidate", "clock": True}
    assert of(web("a"), now=1, **asked) == of(web("a"), now=2, **asked)
    assert of(web("a"), now=1, clock=True) == of(web("a"), now=1)
