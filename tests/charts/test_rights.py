"""The rights in the chart are exactly those that the controller's code uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from controller.kube import kinds
from tests.charts import rendering

Right = tuple[str, str, str]
"""API group, resource with subresource, verb."""

VERBS = {"get": "get", "create": "create", "patch": "patch", "replace": "update", "delete": "delete"}
OWNERS = {("karpenter.sh", "nodeclaims/finalizers", "update"), ("karpenter.sh", "nodepools/finalizers", "update")}
"""Asked for by the admission plugin OwnerReferencesPermissionEnforcement, since owners' deletion is blocked."""


def group(kind: kinds.Kind) -> str:
    """The API group, empty for the core."""
    return kind.api_version.partition("/")[0] if "/" in kind.api_version else ""


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Calls such as `….patch(kinds.NODE, …)`: the call, its method and the constant of the kind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            if isinstance(first, ast.Attribute) and isinstance(first.value, ast.Name) and first.value.id == "kinds":
                yield node, node.func.attr, first.attr


def used() -> set[Right]:
    """What the code does: each mirrored kind is listed and watched, the rest is read off the calls."""
    found = {(group(kind), kind.plural, verb) for kind in kinds.MIRRORED for verb in ("list", "watch")}
    for path in (rendering.ROOT / "controller").rglob("*.py"):
        # Commands that a person runs use that person's rights.
        if "simulator" in path.parts or path.name in ("live.py", "planview.py"):
            continue
        tree = ast.parse(path.read_text())
        for call, method, constant in calls(tree):
            if method not in VERBS or path.name == "mirror.py":
                continue
            receiver = ast.unparse(call.func)
            if "mirror" in receiver:
                continue
            kind: kinds.Kind = getattr(kinds, constant)
            given = {each.arg: each.value for each in call.keywords}
            part = given.get("subresource")
            resource = f"{kind.plural}/{part.value!s}" if isinstance(part, ast.Constant) else kind.plural
            found.add((group(kind), resource, VERBS[method]))
            if "APPLY" in ast.unparse(call):
                found.add((group(kind), resource, "create"))
        if ".evict(" in path.read_text():
            found.add(("", "pods/eviction", "create"))
    # A claim's annotations are patched by a method of their own.
    return found | {("karpenter.sh", "nodeclaims", "patch")} | OWNERS


def granted() -> set[Right]:
    """What the roles of the controller's account allow."""
    found = set()
    for item in rendering.render(rendering.PLACE):
        if item["kind"] not in ("ClusterRole", "Role") or item["metadata"]["name"].endswith("-admin"):
            continue
        for rule in item["rules"]:
            found |= {(g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}
    return found


def test_no_right_is_missing():
    """Every call of the code is allowed."""
    assert used() - granted() == set()


def test_no_right_is_idle():
    """Nothing is allowed that no code does."""
    assert granted() - used() == set()


def test_secrets_are_read_by_name():
    """Leases, the last plan and Secrets are reached by their names alone, in the controller's namespace."""
    for item in rendering.render(rendering.EVERYTHING):
        for rule in item.get("rules") or []:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            if "secrets" in rule["resources"] or "configmaps" in rule["resources"]:
                assert item["kind"] == "Role"
                assert rule["resourceNames"]
