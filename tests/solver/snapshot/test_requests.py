"""
What a pod requests: regular containers, sidecars, init containers, pod-level resources, overhead, resize.

Each row is worked out by hand from the rule that it is about.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.snapshot import errors, requests
from solver.snapshot.view import Report, View

MI = 2**20


def container(name: str = "main", limits: dict[str, Any] | None = None, **amounts: Any) -> dict[str, Any]:
    """A container that requests `amounts`."""
    return {"name": name, "resources": {"requests": amounts, "limits": limits or {}}}


def sidecar(name: str = "proxy", **amounts: Any) -> dict[str, Any]:
    """An init container that keeps running."""
    return container(name, **amounts) | {"restartPolicy": "Always"}


def effective(spec: dict[str, Any], status: dict[str, Any] | None = None) -> dict[str, int]:
    report = Report(errors.Origin("test"), [])
    amounts = requests.effective(View(spec, report), View(status or {}, report))
    assert report.clean
    return dict(amounts)


TABLE: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("nothing requested", {"containers": [{"name": "main"}]}, {}),
    ("containers add up", {"containers": [container(cpu="100m"), container(cpu="250m")]}, {"cpu": 350}),
    ("numbers without quotes", {"containers": [container(cpu=0.5, memory=1024)]}, {"cpu": 500, "memory": 1024}),
    ("fractions are rounded up", {"containers": [container(cpu="0.1m", memory="0.5")]}, {"cpu": 1, "memory": 1}),
    ("zeros are left out", {"containers": [container(cpu="0", memory="1Mi")]}, {"memory": MI}),
    (
        "a limit stands for a missing request",
        {"containers": [container(limits={"cpu": 2}, memory="1")]},
        {"cpu": 2000, "memory": 1},
    ),
    ("a request below its limit stays", {"containers": [container(limits={"cpu": 2}, cpu=1)]}, {"cpu": 1000}),
    ("extended resources", {"containers": [container(limits={"nvidia.com/gpu": 1})]}, {"nvidia.com/gpu": 1}),
    (
        "the largest init container counts when it is larger than what runs",
        {"containers": [container(cpu=1)], "initContainers": [container(cpu=3), container(cpu=2)]},
        {"cpu": 3000},
    ),
    (
        "each resource by itself",
        {"containers": [container(cpu=2, memory="1Mi")], "initContainers": [container(cpu=1, memory="2Mi")]},
        {"cpu": 2000, "memory": 2 * MI},
    ),
    (
        "sidecars run beside containers",
        {"containers": [container(cpu=1)], "initContainers": [sidecar(cpu="500m"), sidecar(cpu="250m")]},
        {"cpu": 1750},
    ),
    (
        "an init container runs beside the sidecars before it: 0.5 + 2, against 1 + 0.5 + 0.25",
        {
            "containers": [container(cpu=1)],
            "initContainers": [sidecar(cpu="500m"), container(cpu=2), sidecar(cpu="250m")],
        },
        {"cpu": 2500},
    ),
    (
        "an init container before the sidecars runs alone",
        {"containers": [container(cpu=1)], "initContainers": [container(cpu=2), sidecar(cpu="500m")]},
        {"cpu": 2000},
    ),
    (
        "pod-level requests go before the sum, resource by resource",
        {"containers": [container(cpu=1, memory="1Mi")], "resources": {"requests": {"cpu": 3}}},
        {"cpu": 3000, "memory": MI},
    ),
    (
        "pod-level requests may be smaller than what init containers would need",
        {"containers": [container(cpu=1)], "initContainers": [container(cpu=5)], "resources": {"requests": {"cpu": 2}}},
        {"cpu": 2000},
    ),
    (
        "a pod-level limit stands for what no container requests",
        {"containers": [container(cpu=1)], "resources": {"limits": {"cpu": 4, "memory": "1Mi"}}},
        {"cpu": 1000, "memory": MI},
    ),
    (
        "hugepages may be pod-level",
        {
            "containers": [{"name": "main", "resources": {"requests": {"example.com/a": 1}}}],
            "resources": {"requests": {"hugepages-2Mi": "4Mi"}},
        },
        {"hugepages-2Mi": 4 * MI, "example.com/a": 1},
    ),
    (
        "overhead comes on top of everything",
        {
            "containers": [container(cpu=1)],
            "resources": {"requests": {"cpu": 2}},
            "overhead": {"cpu": "250m", "memory": "1Mi"},
        },
        {"cpu": 2250, "memory": MI},
    ),
]


@pytest.mark.parametrize(("spec", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_effective_requests(spec: dict[str, Any], expected: dict[str, int]) -> None:
    """The sum that a scheduler counts with."""
    assert effective(spec) == expected


def sizes(spec: Any, actuated: Any, allocated: Any, reason: str | None = None, key: str = "containerStatuses") -> int:
    """CPU of a pod whose container asks for `spec`, runs with `actuated` and has been granted `allocated`."""
    status: dict[str, Any] = {
        key: [{"name": "main", "resources": {"requests": {"cpu": actuated}}, "allocatedResources": {"cpu": allocated}}],
        "conditions": [] if reason is None else [{"type": "PodResizePending", "status": "True", "reason": reason}],
    }
    inner = container(cpu=spec)
    if key == "initContainerStatuses":
        return effective({"containers": [], "initContainers": [inner | {"restartPolicy": "Always"}]}, status)["cpu"]
    return effective({"containers": [inner]}, status)["cpu"]


@pytest.mark.parametrize("key", ["containerStatuses", "initContainerStatuses"])
def test_a_resize_in_progress_counts_the_largest_size(key: str) -> None:
    """Room is held for what runs, what is granted and what is asked for, in containers and sidecars."""
    assert sizes(1, 2, 3, key=key) == 3000
    assert sizes(1, 3, 2, key=key) == 3000
    assert sizes(3, 1, 2, key=key) == 3000
    assert sizes(3, 1, 2, reason="Deferred", key=key) == 3000


def test_a_resize_that_cannot_happen_is_not_waited_for() -> None:
    """Infeasible: the new size of the spec is left out."""
    assert sizes(3, 1, 2, reason="Infeasible") == 2000


def test_statuses_without_resources_change_nothing() -> None:
    """As clusters write them that cannot resize."""
    status = {"containerStatuses": [{"name": "main", "allocatedResources": {"cpu": 5}}]}

    assert effective({"containers": [container(cpu=1)]}, status) == {"cpu": 1000}


MILLI = st.integers(0, 50)


@given(st.lists(MILLI, min_size=1, max_size=3), st.lists(st.tuples(MILLI, st.booleans()), max_size=4))
def test_requests_are_the_peak_of_a_pods_life(regular: list[int], init: list[tuple[int, bool]]) -> None:
    """Played step by step: init containers start in turn, sidecars stay, then everything runs together."""
    spec = {
        "containers": [container(cpu=f"{amount}m") for amount in regular],
        "initContainers": [sidecar(cpu=f"{m}m") if stays else container(cpu=f"{m}m") for m, stays in init],
    }
    running = peak = 0
    for amount, stays in init:
        peak = max(peak, running + amount)
        running += amount if stays else 0
    peak = max(peak, running + sum(regular))

    assert effective(spec) == ({"cpu": peak} if peak else {})
