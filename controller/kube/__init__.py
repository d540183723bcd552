"""The Kubernetes API as the controller sees it: raw JSON, a mirror of the cluster, a lease, events."""
