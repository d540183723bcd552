"""
A real Kubernetes control plane on this machine: etcd, API server, controller manager, scheduler, and kwok for kubelets.

    with controlplane.ControlPlane() as plane:
        plane.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}})
        plane.run("kubectl", "get", "namespaces")

`scripts/control-plane` builds the programs. `binaries.missing()` says in one sentence why they cannot be
used here, or is None.
"""

from tests.e2e.controlplane.client import ApiError, Client
from tests.e2e.controlplane.plane import FULL, JUDGE, ControlPlane

__all__ = ["FULL", "JUDGE", "ApiError", "Client", "ControlPlane"]
