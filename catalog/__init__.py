"""Flavors, regions and zones, prices, labels and allocatable of OVHcloud Managed Kubernetes."""
