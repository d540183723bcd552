"""OVH's routes as functions of a simulation: no sockets, no authentication, no faults."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog import region as regions
from controller.simulator import bodies, model, rules, shop, state

VOID = object()
"""The answer of a call without a result."""


@dataclass(frozen=True)
class Request:
    """A request that got through: ``params`` from the path, ``query`` with one value per name, ``body`` decoded."""

    sim: state.Simulation
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    base: str = ""


Handler = Callable[[Request], Any]


@dataclass(frozen=True)
class Route:
    """A method and a path with ``{names}``; ``public`` needs no credentials."""

    method: str
    path: str
    handler: Handler
    public: bool = False

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The names' values if the route is meant, else None."""
        if method != self.method:
            return None
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else found.groupdict()


def find(method: str, path: str, routes: Sequence[Route]) -> tuple[Route, dict[str, str]] | None:
    """The first route that fits, and the values in its path."""
    for route in routes:
        params = route.match(method, path)
        if params is not None:
            return route, params
    return None


def _project(request: Request) -> state.Simulation:
    if request.params["project"] != request.sim.world.project:
        raise model.Refusal(404, "Client::NotFound", "This service does not exist")
    return request.sim


def _cluster(request: Request) -> model.Cluster:
    return _project(request).cluster(request.params["kube"])


def _pool(request: Request) -> model.Pool:
    """A pool that answers: a new one may not for a while, as the terraform provider found out."""
    pool = _project(request).pool(request.params["kube"], request.params["pool"])
    if pool.visible_at > request.sim.world.now:
        raise model.Refusal(404, "Client::NotFound", f"node pool {pool.id} does not exist")
    return pool


def _zones(request: Request, name: str) -> tuple[str, ...]:
    """Availability zones of a region that has a quota; empty where there is one zone."""
    if name not in _project(request).world.quotas:
        raise model.Refusal(404, "Client::NotFound", f"region {name} does not exist")
    place = regions.get(name)
    return place.zones if place.multi_zone else ()


def _project_body(request: Request) -> Any:
    return {"project_id": _project(request).world.project, "projectName": "simulator", "status": "ok"}


def _cluster_flavors(request: Request) -> Any:
    cluster = _cluster(request)
    return bodies.kube_flavors(request.sim, cluster.region, cluster.zones)


def _capabilities(request: Request) -> Any:
    name = _asked_region(request)
    return bodies.kube_flavors(request.sim, name, _zones(request, name))


def _nova_flavors(request: Request) -> Any:
    asked = request.query.get("region")
    names = [asked] if asked else list(_project(request).world.quotas)
    return [each for name in names for each in bodies.nova_flavors(request.sim, name, _zones(request, name))]


def _asked_region(request: Request) -> str:
    name = request.query.get("region")
    if not name:
        raise rules.bad("[region] Property is mandatory")
    return name


def _region(request: Request) -> Any:
    name = request.params["region"]
    return bodies.region(name, _zones(request, name))


def _quota(request: Request) -> Any:
    _zones(request, request.params["region"])
    return bodies.quota(request.sim, request.params["region"])


def _pools(request: Request) -> Any:
    return [bodies.pool(request.sim, pool) for pool in request.sim.pools(_cluster(request).id)]


def _create_pool(request: Request) -> Any:
    cluster = _cluster(request)
    return bodies.pool(request.sim, request.sim.create_pool(cluster.id, rules.creation(request.body)))


def _update_pool(request: Request) -> Any:
    request.sim.update_pool(_cluster(request).id, request.params["pool"], rules.update(request.body))
    return VOID


def _delete_pool(request: Request) -> Any:
    request.sim.delete_pool(_cluster(request).id, request.params["pool"])
    return VOID


def _pool_nodes(request: Request) -> Any:
    return [bodies.node(request.sim, node) for node in request.sim.nodes(_pool(request).id)]


def _nodes(request: Request) -> Any:
    pools = request.sim.pools(_cluster(request).id)
    return [bodies.node(request.sim, node) for pool in pools for node in request.sim.nodes(pool.id)]


def _node(request: Request) -> Any:
    for node in _nodes(request):
        if node["id"] == request.params["node"]:
            return node
    raise model.Refusal(404, "Client::NotFound", f"node {request.params['node']} does not exist")


def _delete_node(request: Request) -> Any:
    request.sim.delete_node(_cluster(request).id, request.params["node"])
    return VOID


def _prices(request: Request) -> Any:
    subsidiary = request.query.get("ovhSubsidiary", "")
    if subsidiary not in shop.EUROS:
        raise rules.bad(f"[ovhSubsidiary] {subsidiary!r} is not one of {', '.join(sorted(shop.EUROS))}")
    return shop.price_catalogue(request.sim.shop, subsidiary)


_P = "/cloud/project/{project}"
_K = f"{_P}/kube/{{kube}}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/order/catalog/public/cloud", _prices, public=True),
    Route("GET", "/cloud/project", lambda request: [request.sim.world.project]),
    Route("GET", _P, _project_body),
    Route("GET", f"{_P}/flavor", _nova_flavors),
    Route("GET", f"{_P}/quota", lambda r: [bodies.quota(r.sim, name) for name in _project(r).world.quotas]),
    Route("GET", f"{_P}/region", lambda request: list(_project(request).world.quotas)),
    Route("GET", f"{_P}/region/{{region}}", _region),
    Route("GET", f"{_P}/region/{{region}}/quota", _quota),
    Route("GET", f"{_P}/capabilities/kube/regions", lambda request: list(_project(request).world.quotas)),
    Route("GET", f"{_P}/capabilities/kube/flavors", _capabilities),
    Route("GET", f"{_P}/kube", lambda request: list(_project(request).world.clusters)),
    Route("GET", _K, lambda request: bodies.cluster(_cluster(request), request.base)),
    Route("GET", f"{_K}/flavors", _cluster_flavors),
    Route("GET", f"{_K}/nodepool", _pools),
    Route("POST", f"{_K}/nodepool", _create_pool),
    Route("GET", f"{_K}/nodepool/{{pool}}", lambda request: bodies.pool(request.sim, _pool(request))),
    Route("PUT", f"{_K}/nodepool/{{pool}}", _update_pool),
    Route("DELETE", f"{_K}/nodepool/{{pool}}", _delete_pool),
    Route("GET", f"{_K}/nodepool/{{pool}}/nodes", _pool_nodes),
    Route("GET", f"{_K}/node", _nodes),
    Route("GET", f"{_K}/node/{{node}}", _node),
    Route("DELETE", f"{_K}/node/{{node}}", _delete_node),
)
