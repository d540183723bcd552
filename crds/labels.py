"""
Label keys and values: what Kubernetes accepts, and what Karpenter keeps to itself.

Syntax: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set.
Restrictions: karpenter core, `pkg/apis/v1/labels.go`.
"""

from __future__ import annotations

import re

DOMAIN = "karpenter.sh"
NODEPOOL = "karpenter.sh/nodepool"
CAPACITY_TYPE = "karpenter.sh/capacity-type"
HOSTNAME = "kubernetes.io/hostname"
CAPACITY_TYPES = ("on-demand", "spot", "reserved")

QUALIFIED = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\/))?"
    r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"
)
VALUE = r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"

LONGEST_NAME = 63
LONGEST_PREFIX = 253

_NAME = re.compile(r"(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


def in_reserved_domain(key: str) -> bool:
    """
    Whether the schema reserves the key for Karpenter.

    The domain is compared by its end, as upstream does: `foo.karpenter.sh/x` and `mykarpenter.sh/x` are reserved,
    `karpenter.ovhcloud.sh/x` is not.
    """
    return key not in (CAPACITY_TYPE, NODEPOOL) and key.split("/", 1)[0].endswith(DOMAIN)


def is_qualified_name(key: str) -> bool:
    """Whether the key is a name of at most 63 characters, after a domain of at most 253 and a slash if there is one."""
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > LONGEST_PREFIX or not _SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= LONGEST_NAME and _NAME.fullmatch(name) is not None


def is_label_value(value: str) -> bool:
    """Whether the text may be the value of a label: empty, or a name of at most 63 characters."""
    return not value or (len(value) <= LONGEST_NAME and _NAME.fullmatch(value) is not None)


def is_object_name(name: str) -> bool:
    """Whether the text may be the name of a cluster-wide object."""
    return len(name) <= LONGEST_PREFIX and _SUBDOMAIN.fullmatch(name) is not None
