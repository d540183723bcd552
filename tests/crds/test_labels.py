"""Label keys and values: their syntax, and what is kept for Karpenter."""

from __future__ import annotations

import pytest

from crds import labels


@pytest.mark.parametrize(
    ("key", "qualified"),
    [
        ("team", True),
        ("example.com/team", True),
        ("a.b-c.example/Team_1.x", True),
        ("n" * 63, True),
        ("n" * 64, False),
        ("d" * 253 + "/team", True),
        ("d" * 254 + "/team", False),
        ("", False),
        ("/team", False),
        ("example.com/", False),
        ("Example.com/team", False),
        ("a/b/c", False),
        ("-team", False),
        ("team\n", False),
    ],
)
def test_qualified_names(key, qualified):
    """A name of at most 63 characters, with or without a domain of at most 253 before it."""
    assert qualified == labels.is_qualified_name(key)


@pytest.mark.parametrize(
    ("value", "valid"),
    [("", True), ("b3-8", True), ("A_b.c", True), ("v" * 63, True), ("v" * 64, False), ("-a", False), ("a b", False)],
)
def test_label_values(value, valid):
    """Empty, or a name of at most 63 characters."""
    assert valid == labels.is_label_value(value)


@pytest.mark.parametrize(
    ("key", "reserved"),
    [
        ("karpenter.sh/initialized", True),
        ("foo.karpenter.sh/x", True),
        ("mykarpenter.sh/x", True),
        ("karpenter.sh", True),
        ("karpenter.sh/capacity-type", False),
        ("karpenter.sh/nodepool", False),
        ("karpenter.ovhcloud.sh/family", False),
        ("example.com/karpenter.sh", False),
        ("team", False),
    ],
)
def test_reserved_domain(key, reserved):
    """The domain is compared by its end, with two exceptions; our own domain is free."""
    assert reserved == labels.in_reserved_domain(key)
