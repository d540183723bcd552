"""What OVH sells to a cluster, from the answers of several calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from catalog import catalogue as catalogues
from catalog import refresh
from controller.ovh import client as clients


def catalogue(
    client: clients.OVHClient, where: str, zones: Sequence[str], prices: dict[str, Any] | None
) -> catalogues.Catalogue:
    """
    Flavors of a cluster in the region `where` with its availability `zones`; without `prices` the embedded ones stand.

    Raises the errors of `controller.ovh.errors`, and `refresh.RefreshError` for answers that cannot be used.
    """
    flavors = [each.model_dump(by_alias=True) for each in client.kube_flavors()]
    details = [each.model_dump(by_alias=True) for each in client.nova_flavors(where)]
    return refresh.from_api(where, flavors, details, prices, availability_zones=zones, version="OVHcloud API")
