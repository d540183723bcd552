"""The calls that the controller makes to OVH for one cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from pydantic import AfterValidator, TypeAdapter

from controller.ovh import transport as transports
from controller.ovh import types


def _with_addons(catalogue: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(catalogue.get("addons"), list):
        raise ValueError("no list of addons")
    return catalogue


_CLUSTER = TypeAdapter(types.Cluster)
_KUBE_FLAVORS = TypeAdapter(tuple[types.KubeFlavor, ...])
_NOVA_FLAVORS = TypeAdapter(tuple[types.NovaFlavor, ...])
_POOL = TypeAdapter(types.NodePool)
_POOLS = TypeAdapter(tuple[types.NodePool, ...])
_NODES = TypeAdapter(tuple[types.Node, ...])
_QUOTA = TypeAdapter(types.Quota)
_REGION = TypeAdapter(types.Region)
_CREDENTIAL = TypeAdapter(types.GrantedCredential)
_PRICES = TypeAdapter(Annotated[dict[str, Any], AfterValidator(_with_addons)])


def _nothing(_answer: Any) -> None:
    """Whatever a call without a result answers: null, an empty body, sometimes the object."""


class OVHClient:
    """One project's cluster at OVH: reads, and the three writes on node pools.

    Every method raises the errors of ``controller.ovh.errors``. Reads, absolute updates and deletions by id are
    repeated after throttling and outages. A creation, and an update that names nodes to remove, are not: when one of
    these may have acted without telling, ``AmbiguousError`` is raised, and the caller lists before it decides. Lists
    are whole: an answer with one entry that is not understood is an outage, never a shorter list.
    """

    def __init__(self, transport: transports.Transport, service_name: str, kube_id: str) -> None:
        self.transport = transport
        self.service_name = service_name
        self.kube_id = kube_id
        self._project = f"/cloud/project/{quote(service_name, safe='')}"
        self._cluster = f"{self._project}/kube/{quote(kube_id, safe='')}"

    def __repr__(self) -> str:
        return f"OVHClient({self.transport.endpoint.base}, {self.service_name}, {self.kube_id})"

    def cluster(self) -> types.Cluster:
        """The cluster, with the region name and the plan that decide about zones and limits."""
        return self._get("cluster", self._cluster, _CLUSTER)

    def kube_flavors(self) -> tuple[types.KubeFlavor, ...]:
        """The flavors that this cluster may use."""
        return self._get("kube_flavors", f"{self._cluster}/flavors", _KUBE_FLAVORS)

    def nova_flavors(self, region: str) -> tuple[types.NovaFlavor, ...]:
        """The project's Linux flavors in a region, with disk, stock, quota head-room and plan codes."""
        path = f"{self._project}/flavor?{urlencode({'region': region})}"
        flavors = self._get("nova_flavors", path, _NOVA_FLAVORS)
        return tuple(flavor for flavor in flavors if flavor.os_type == "linux")

    def region(self, name: str) -> types.Region:
        """A region and its availability zones."""
        return self._get("region", f"{self._project}/region/{quote(name, safe='')}", _REGION)

    def quota(self, region: str) -> types.Quota:
        """The project's quota and its use in a region."""
        return self._get("quota", f"{self._project}/region/{quote(region, safe='')}/quota", _QUOTA)

    def node_pools(self) -> tuple[types.NodePool, ...]:
        """All pools of the cluster, those of others included."""
        return self._get("node_pools", f"{self._cluster}/nodepool", _POOLS)

    def node_pool(self, pool_id: str) -> types.NodePool:
        """One pool. For about two minutes after its creation ``NotFoundError`` may be untrue."""
        return self._get("node_pool", self._pool(pool_id), _POOL)

    def nodes(self, pool_id: str) -> tuple[types.Node, ...]:
        """The nodes of a pool, whatever their state."""
        return self._get("nodes", f"{self._pool(pool_id)}/nodes", _NODES)

    def create_node_pool(self, spec: types.NodePoolSpec) -> types.NodePool:
        """Create a pool; its nodes are made in the background. Not repeated: a second POST would make a second pool."""
        return self.transport.call(
            "create_node_pool",
            "POST",
            f"{self._cluster}/nodepool",
            spec.body(),
            parse=_POOL.validate_python,
            repeatable=False,
        )

    def update_node_pool(
        self,
        pool_id: str,
        *,
        desired_nodes: int | None = None,
        nodes_to_remove: Sequence[str] = (),
        min_nodes: int | None = None,
        max_nodes: int | None = None,
        template: types.Template | None = None,
    ) -> None:
        """Change what is given of a pool; what is left out keeps its value, a template is replaced as a whole.

        ``desired_nodes`` is absolute. With ``nodes_to_remove`` (MKS node ids, instance ids or provider ids) exactly
        these nodes go, and ``desired_nodes`` must be given and lower by their number; without it a lower size removes
        the newest nodes. Whether a second request that names a removed node is ignored, refused or removes another
        one is not documented, so it is not repeated.
        """
        if nodes_to_remove and desired_nodes is None:
            raise ValueError("nodes_to_remove needs desired_nodes: OVH would replace the removed nodes")
        body: dict[str, Any] = {}
        for name, value in (("desiredNodes", desired_nodes), ("minNodes", min_nodes), ("maxNodes", max_nodes)):
            if value is not None:
                body[name] = value
        if nodes_to_remove:
            body["nodesToRemove"] = list(nodes_to_remove)
        if template is not None:
            body["template"] = template.body()
        self.transport.call(
            "update_node_pool", "PUT", self._pool(pool_id), body, parse=_nothing, repeatable=not nodes_to_remove
        )

    def delete_node_pool(self, pool_id: str) -> None:
        """Delete a pool and its nodes; ``NotFoundError`` says it is gone. Repeated, as ids are never used twice."""
        self.transport.call("delete_node_pool", "DELETE", self._pool(pool_id), parse=_nothing, repeatable=True)

    def price_catalogue(self, subsidiary: str) -> dict[str, Any]:
        """The public price catalogue of an OVH subsidiary (FR, IE, …) as it comes: several MB, public."""
        path = f"/order/catalog/public/cloud?{urlencode({'ovhSubsidiary': subsidiary})}"
        return self.transport.call(
            "price_catalogue", "GET", path, parse=_PRICES.validate_python, repeatable=True, signed=False
        )

    def granted(self) -> types.GrantedCredential | None:
        """The access rules of the consumer key in use; None for a service account, whose rights only a refusal shows.

        Any consumer key may read itself.
        """
        if not self.transport.consumer_key_used:
            return None
        return self._get("granted", "/auth/currentCredential", _CREDENTIAL)

    def _pool(self, pool_id: str) -> str:
        return f"{self._cluster}/nodepool/{quote(pool_id, safe='')}"

    def _get(self, operation: str, path: str, adapter: TypeAdapter[transports.T]) -> transports.T:
        return self.transport.call(operation, "GET", path, parse=adapter.validate_python, repeatable=True)
