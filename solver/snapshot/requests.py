"""
What a pod requests, as kube-scheduler and Karpenter count it.

The rules are those of k8s.io/component-helpers/resource (`PodRequests`) and of the API server's defaulting: a missing
request is the limit; sidecars (init containers that always restart) count like containers; ordinary init containers
need their room one after the other, beside the sidecars that were started before them; pod-level resources go before
the sum; the runtime's overhead comes on top; while a pod is resized in place the largest of the sizes in question
counts. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from catalog import allocatable
from crds import wording
from solver import cluster
from solver.snapshot.view import View

Amounts = dict[str, int]

_NATIVE = ("cpu", "memory", "ephemeral-storage")
_PAGES = "hugepages-"


def effective(spec: View, status: View) -> cluster.Amounts:
    """
    Effective requests of a pod: resource names and integers, sorted, without zeros and without the one of "pods".

    `spec` is a pod spec, `status` the pod's status (an empty mapping for templates).
    """
    sizes = {
        item.text("name"): item
        for key in ("containerStatuses", "initContainerStatuses")
        for item in (status.items(key) if key in status else ())
        if "resources" in item
    }
    infeasible = any(
        item.raw.get("type") == "PodResizePending" and item.raw.get("reason") == "Infeasible"
        for item in (status.items("conditions") if sizes else ())
    )
    running: Amounts = {}
    for container in spec.items("containers"):
        _add(running, _container(container, sizes, infeasible))
    started: Amounts = {}
    peak: Amounts = {}
    for container in spec.items("initContainers"):
        if container.choice("restartPolicy", ("Always", "OnFailure", "Never"), "Never") == "Always":
            amounts = _container(container, sizes, infeasible)
            _add(running, amounts)
            _add(started, amounts)
            _raise(peak, started)
        else:
            _raise(peak, _sum(_container(container, {}, infeasible), started))
    _raise(running, peak)
    _pod_level(running, spec)
    _add(running, spec.amounts("overhead"))
    return tuple(sorted((name, amount) for name, amount in running.items() if amount))


def _container(container: View, sizes: Mapping[str, View], infeasible: bool) -> Amounts:
    container.misspelled("Container")
    requests = _requests(container)
    size = sizes.get(container.text("name"))
    if size is None:
        return requests
    amounts = {} if infeasible else requests
    _raise(amounts, size.mapping("resources").amounts("requests"))
    _raise(amounts, size.amounts("allocatedResources"))
    return amounts


def _requests(container: View) -> Amounts:
    """Requests of a container, missing ones filled from its limits."""
    if "resources" not in container:
        return {}
    resources = container.mapping("resources")
    resources.misspelled("ResourceRequirements")
    requests, limits = resources.amounts("requests"), resources.amounts("limits")
    _check_names(resources, _of_containers)
    for name, amount in requests.items():
        if amount > limits.get(name, amount):
            message = f"is above the limit of {resources.mapping('limits').raw[name]}"
            resources.wrong(message, "lower the request or raise the limit", wording.path(("requests", name)))
    return limits | requests


def _pod_level(amounts: Amounts, spec: View) -> None:
    """Lets pod-level requests go before the sum; pod-level limits stand for what no container requests."""
    if "resources" not in spec:
        return
    resources = spec.mapping("resources")
    resources.misspelled("ResourceRequirements")
    _check_names(resources, _of_pods)
    for name, amount in resources.amounts("limits").items():
        amounts.setdefault(name, amount)
    amounts.update(resources.amounts("requests"))


def _check_names(resources: View, known: Callable[[str], str]) -> None:
    """Notes names that are no resources, with what `known` says of each."""
    for key in ("requests", "limits"):
        for name in resources.mapping(key).raw if key in resources else ():
            if hint := known(str(name)):
                resources.wrong("is no resource here", hint, wording.path((key, name)))


def _of_pods(name: str) -> str:
    """What to write instead of a resource that cannot be requested for a whole pod; "" when it can."""
    if name in ("cpu", "memory") or name.startswith(_PAGES):
        return ""
    return "a whole pod has cpu, memory and hugepages; write others in its containers"


def _of_containers(name: str) -> str:
    """What to write instead of a resource that cannot be requested in a container; "" when it can."""
    if name in _NATIVE or name.startswith(_PAGES) or "/" in name:
        return ""
    meant = allocatable.GPU if name.lower() in ("gpu", "gpus") else wording.closest(name, _NATIVE)
    return f"did you mean {meant}?" if meant else "write its domain before it, such as example.com/license"


def _add(total: Amounts, amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        total[name] = total.get(name, 0) + amount


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> Amounts:
    total = dict(first)
    _add(total, second)
    return total


def _raise(total: Amounts, amounts: Mapping[str, int]) -> None:
    for name, amount in amounts.items():
        total[name] = max(total.get(name, 0), amount)
