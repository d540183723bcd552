"""NodePools: how they are read, and every way in which one can be wrong."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from crds import disruption as disruptions
from crds import nodepool, percent, template, validation
from tests.crds import manifests

ABSENT = manifests.ABSENT
TEMPLATE = "spec.template.spec"
REQUIREMENT = f"{TEMPLATE}.requirements.0"
REQUIREMENT_FIELD = f"{TEMPLATE}.requirements[0]"
BUDGET = "spec.disruption.budgets.1"
BUDGET_FIELD = "spec.disruption.budgets[1]"
NO_NAME = "write at most 63 lower-case letters, digits and '-', such as general"
NO_DURATION = "is not a duration; write whole hours, minutes and seconds, such as 720h, 1h30m or 30s"
NO_QUANTITY = "is not a quantity; write a quantity such as 500m, 2 or 4Gi"
NO_VALUE = (
    "is not a label value; write at most 63 letters, digits, '-', '_' and '.', "
    "beginning and ending with a letter or digit"
)
NO_KEY = (
    "is not a qualified name; write letters, digits, '-', '_' and '.', optionally after a domain and a slash, "
    "such as example.com/team"
)
IN_EMPTY = (
    "requirements with operator 'In' must have a value defined; "
    'list what is allowed, such as values: ["b3-8", "b3-16"]'
)
NO_BOUND = (
    "requirements operator 'Gt', 'Lt', 'Gte', or 'Lte' must have a single positive integer value; "
    'write one whole number in quotes, such as values: ["4"]'
)
NO_CRON = (
    'is not a schedule; write minute, hour, day of month, month and day of week, such as "0 9 * * mon-fri", '
    "or a macro such as @daily"
)
BOTH_OR_NONE = (
    "'schedule' must be set with 'duration'; "
    'write both, such as schedule: "0 9 * * mon-fri" and duration: 8h, or none'
)

REFUSED = [
    (
        "apiVersion",
        "karpenter.sh/v1beta1",
        "apiVersion: 'karpenter.sh/v1beta1' is not supported; write karpenter.sh/v1",
    ),
    ("apiVersion", ABSENT, "apiVersion: is missing; write apiVersion: karpenter.sh/v1"),
    ("kind", "Nodepool", "kind: 'Nodepool' is not supported; write NodePool"),
    ("metadata", ABSENT, f"metadata.name: is missing; {NO_NAME}"),
    ("metadata.name", "My_Pool", f"metadata.name: 'My_Pool' is not a name; {NO_NAME}"),
    (
        "metadata.name",
        "p" * 64,
        (
            f"metadata.name: '{'p' * 60}...' is longer than 63 characters, too long for the label that nodes carry "
            f"it in; {NO_NAME}"
        ),
    ),
    ("spec", ABSENT, "spec: is missing; write spec with template"),
    ("spec", [], "spec: [] is not an object; write fields and values"),
    ("specs", {}, "specs: is not a field; did you mean spec?"),
    ("spec.template", ABSENT, "spec.template: is missing; write template with spec"),
    ("spec.template", "x", "spec.template: 'x' is not an object; write fields and values"),
    ("spec.limit", {}, "spec.limit: is not a field; did you mean limits?"),
    (
        "spec.ttlSecondsAfterEmpty",
        30,
        (
            "spec.ttlSecondsAfterEmpty: is not a field; remove it; fields here are template, disruption, limits, "
            "weight, replicas"
        ),
    ),
    (
        "spec.disruption.expireAfter",
        "720h",
        "spec.disruption.expireAfter: is not a field here; it belongs at spec.template.spec.expireAfter",
    ),
    ("spec.weight", 0, "spec.weight: 0 is less than 1; write at least 1"),
    ("spec.weight", 101, "spec.weight: 101 is more than 100; write at most 100"),
    ("spec.weight", "10", "spec.weight: '10' is not a whole number; write a whole number without quotes"),
    ("spec.weight", True, "spec.weight: true is not a whole number; write a whole number without quotes"),
    (
        "spec.replicas",
        2,
        "spec.limits: only 'limits.nodes' is supported on static NodePools; remove the other limits or remove replicas",
    ),
    # limits
    ("spec.limits", [], "spec.limits: [] is not a map; write names and values"),
    ("spec.limits.cpu", "ten", f"spec.limits.cpu: 'ten' {NO_QUANTITY}"),
    ("spec.limits.cpu", "1e1.5", f"spec.limits.cpu: '1e1.5' {NO_QUANTITY}"),
    ("spec.limits.cpu", " 1", f"spec.limits.cpu: ' 1' {NO_QUANTITY}"),
    ("spec.limits.cpu", True, f"spec.limits.cpu: true {NO_QUANTITY}"),
    ("spec.limits.cpu", 0.5, 'spec.limits.cpu: 0.5 is neither a text nor a whole number; write it in quotes: "0.5"'),
    ("spec.limits.cpu", -1, "spec.limits.cpu: -1 is less than zero; write zero or more"),
    ("spec.limits.memory", "-1Gi", "spec.limits.memory: '-1Gi' is less than zero; write zero or more"),
    # template.metadata
    (
        "spec.template.metadata.labels",
        {"karpenter.sh/nodepool": "other"},
        (
            'spec.template.metadata.labels[karpenter.sh/nodepool]: label "karpenter.sh/nodepool" is restricted; '
            "leave it out: nodes carry the name of their NodePool anyway"
        ),
    ),
    (
        "spec.template.metadata.labels",
        {"kubernetes.io/hostname": "me"},
        (
            'spec.template.metadata.labels[kubernetes.io/hostname]: label "kubernetes.io/hostname" is restricted; '
            "leave it out: every node has its own"
        ),
    ),
    (
        "spec.template.metadata.labels",
        {"karpenter.sh/initialized": "true"},
        (
            'spec.template.metadata.labels[karpenter.sh/initialized]: label domain "karpenter.sh" is restricted; '
            "use a label of your own domain; of karpenter.sh only karpenter.sh/capacity-type may be set by a NodePool"
        ),
    ),
    (
        "spec.template.metadata.labels",
        {"my team": "web"},
        f"spec.template.metadata.labels[my team]: 'my team' {NO_KEY}, the name at most 63 characters long",
    ),
    ("spec.template.metadata.labels.team", "a b", f"spec.template.metadata.labels.team: 'a b' {NO_VALUE}"),
    (
        "spec.template.metadata.labels.gpu",
        True,
        'spec.template.metadata.labels.gpu: true is not a text; write it in quotes: "true"',
    ),
    (
        "spec.template.metadata.annotations.a",
        1,
        'spec.template.metadata.annotations.a: 1 is not a text; write it in quotes: "1"',
    ),
    (
        "spec.template.metadata.labels",
        {f"l{n}": "" for n in range(101)},
        "spec.template.metadata.labels: has 101 entries; write at most 100",
    ),
    (
        "spec.template.metadata.name",
        "x",
        "spec.template.metadata.name: is not a field here; it belongs at spec.template.spec.nodeClassRef.name",
    ),
    # nodeClassRef
    (
        f"{TEMPLATE}.nodeClassRef",
        ABSENT,
        f"{TEMPLATE}.nodeClassRef: is missing; write nodeClassRef with group, kind, name",
    ),
    (f"{TEMPLATE}.nodeClassRef.name", ABSENT, f"{TEMPLATE}.nodeClassRef.name: is missing; write name: default"),
    (
        f"{TEMPLATE}.nodeClassRef.name",
        "",
        f"{TEMPLATE}.nodeClassRef.name: name may not be empty; write the name of an OVHNodeClass",
    ),
    (f"{TEMPLATE}.nodeClassRef.kind", "", f"{TEMPLATE}.nodeClassRef.kind: kind may not be empty; write OVHNodeClass"),
    (
        f"{TEMPLATE}.nodeClassRef.group",
        "",
        f"{TEMPLATE}.nodeClassRef.group: group may not be empty; write karpenter.ovhcloud.sh",
    ),
    (
        f"{TEMPLATE}.nodeClassRef.group",
        "karpenter.ovhcloud.sh/v1alpha1",
        (
            f"{TEMPLATE}.nodeClassRef.group: 'karpenter.ovhcloud.sh/v1alpha1' is no group; "
            "write the group without a version, such as karpenter.ovhcloud.sh"
        ),
    ),
    # requirements
    (
        f"{TEMPLATE}.requirements",
        ABSENT,
        f"{TEMPLATE}.requirements: is missing; write requirements: [] for every flavor in every zone",
    ),
    (
        f"{TEMPLATE}.requirements",
        [{"key": f"k{n}", "operator": "Exists"} for n in range(101)],
        f"{TEMPLATE}.requirements: has 101 entries; write at most 100",
    ),
    (f"{REQUIREMENT}.key", ABSENT, f"{REQUIREMENT_FIELD}.key: is missing; write key: node.kubernetes.io/instance-type"),
    (f"{REQUIREMENT}.key", "a//b", f"{REQUIREMENT_FIELD}.key: 'a//b' {NO_KEY}"),
    (f"{REQUIREMENT}.key", "", f"{REQUIREMENT_FIELD}.key: '' {NO_KEY}"),
    (
        f"{REQUIREMENT}.key",
        "k" * 64,
        f"{REQUIREMENT_FIELD}.key: '{'k' * 60}...' {NO_KEY}, the name at most 63 characters long",
    ),
    (
        f"{REQUIREMENT}.key",
        "karpenter.sh/nodepool",
        (
            f'{REQUIREMENT_FIELD}.key: label "karpenter.sh/nodepool" is restricted; '
            "leave it out: nodes carry the name of their NodePool anyway"
        ),
    ),
    (
        f"{REQUIREMENT}.key",
        "kubernetes.io/hostname",
        f'{REQUIREMENT_FIELD}.key: label "kubernetes.io/hostname" is restricted; leave it out: every node has its own',
    ),
    *(
        (
            f"{REQUIREMENT}.key",
            key,
            (
                f'{REQUIREMENT_FIELD}.key: label domain "karpenter.sh" is restricted; use a label of your own domain; '
                "of karpenter.sh only karpenter.sh/capacity-type may be set by a NodePool"
            ),
        )
        for key in ("karpenter.sh/x", "foo.karpenter.sh/x", "mykarpenter.sh/x", "karpenter.sh")
    ),
    (f"{REQUIREMENT}.operator", ABSENT, f"{REQUIREMENT_FIELD}.operator: is missing; write operator: In"),
    (
        f"{REQUIREMENT}.operator",
        "in",
        (
            f"{REQUIREMENT_FIELD}.operator: 'in' is not one of In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte, Lte; "
            "did you mean In?"
        ),
    ),
    (
        f"{REQUIREMENT}.operator",
        "Like",
        (
            f"{REQUIREMENT_FIELD}.operator: 'Like' is not one of In, NotIn, Exists, DoesNotExist, Gt, Lt, Gte, Lte; "
            "write one of them"
        ),
    ),
    (f"{REQUIREMENT}.values", [], f"{REQUIREMENT_FIELD}: {IN_EMPTY}"),
    (f"{REQUIREMENT}.values", ABSENT, f"{REQUIREMENT_FIELD}: {IN_EMPTY}"),
    (f"{REQUIREMENT}.values", "b3-8", f"{REQUIREMENT_FIELD}.values: 'b3-8' is not a list; write [\"b3-8\"]"),
    (f"{REQUIREMENT}.values", [8], f'{REQUIREMENT_FIELD}.values[0]: 8 is not a text; write it in quotes: "8"'),
    (f"{REQUIREMENT}.values", ["b3 8"], f"{REQUIREMENT_FIELD}.values[0]: 'b3 8' {NO_VALUE}"),
    (f"{REQUIREMENT}.values", ["v" * 64], f"{REQUIREMENT_FIELD}.values[0]: '{'v' * 60}...' {NO_VALUE}"),
    (f"{REQUIREMENT}.value", ["b3-8"], f"{REQUIREMENT_FIELD}.value: is not a field; did you mean values?"),
    (
        f"{REQUIREMENT}.minValues",
        3,
        (
            f"{REQUIREMENT_FIELD}: requirements with 'minValues' must have at least that many values specified in the "
            "'values' field; list more values or lower minValues"
        ),
    ),
    (f"{REQUIREMENT}.minValues", 0, f"{REQUIREMENT_FIELD}.minValues: 0 is less than 1; write at least 1"),
    (
        f"{REQUIREMENT}.minValues",
        float("inf"),
        f"{REQUIREMENT_FIELD}.minValues: inf is not a whole number; write a whole number without quotes",
    ),
    *(
        (REQUIREMENT, {"key": "cpu", "operator": operator, **values}, f"{REQUIREMENT_FIELD}: {NO_BOUND}")
        for operator, values in (
            ("Gt", {"values": ["x"]}),
            ("Gte", {"values": ["1", "2"]}),
            ("Lte", {"values": []}),
            ("Gt", {"values": ["1.5"]}),
            ("Gt", {}),
        )
    ),
    (
        REQUIREMENT,
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["Spot"]},
        (
            f"{REQUIREMENT_FIELD}.values: ['Spot'] holds no capacity type; "
            "write on-demand, which is all that OVHcloud sells"
        ),
    ),
    (
        REQUIREMENT,
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand", "x"], "minValues": 2},
        (
            f"{REQUIREMENT_FIELD}.values: ['on-demand', 'x'] holds fewer capacity types than minValues; "
            "write on-demand, which is all that OVHcloud sells"
        ),
    ),
    # taints
    (f"{TEMPLATE}.taints.0.effect", ABSENT, f"{TEMPLATE}.taints[0].effect: is missing; write effect: NoSchedule"),
    (
        f"{TEMPLATE}.taints.0.effect",
        "Noschedule",
        (
            f"{TEMPLATE}.taints[0].effect: 'Noschedule' is not one of NoSchedule, PreferNoSchedule, NoExecute; "
            "did you mean NoSchedule?"
        ),
    ),
    (f"{TEMPLATE}.taints.0.value", "", f"{TEMPLATE}.taints[0].value: may not be empty; leave it out"),
    (f"{TEMPLATE}.taints.0.value", "a b", f"{TEMPLATE}.taints[0].value: 'a b' {NO_KEY}"),
    (f"{TEMPLATE}.taints.0.key", ABSENT, f"{TEMPLATE}.taints[0].key: is missing; write key: dedicated"),
    (
        f"{TEMPLATE}.taints.0.operator",
        "Equal",
        f"{TEMPLATE}.taints[0].operator: is not a field here; it belongs at {REQUIREMENT_FIELD}.operator",
    ),
    (
        f"{TEMPLATE}.startupTaints",
        [{"key": "dedicated", "value": "other", "effect": "NoSchedule"}],
        f"{TEMPLATE}.taints: duplicate taint Key/Effect pair dedicated=NoSchedule; name each key and effect once",
    ),
    # durations
    (f"{TEMPLATE}.expireAfter", "30d", f"{TEMPLATE}.expireAfter: '30d' {NO_DURATION}, or Never"),
    (f"{TEMPLATE}.expireAfter", "1.5h", f"{TEMPLATE}.expireAfter: '1.5h' {NO_DURATION}, or Never"),
    (f"{TEMPLATE}.expireAfter", 30, f"{TEMPLATE}.expireAfter: 30 {NO_DURATION}, or Never"),
    (
        f"{TEMPLATE}.expireAfter",
        "9999999999h",
        f"{TEMPLATE}.expireAfter: '9999999999h' is longer than a duration can be: write at most 2562047h, or Never",
    ),
    (f"{TEMPLATE}.terminationGracePeriod", "Never", f"{TEMPLATE}.terminationGracePeriod: 'Never' {NO_DURATION}"),
    # disruption
    (
        "spec.disruption.consolidateAfter",
        "never",
        f"spec.disruption.consolidateAfter: 'never' {NO_DURATION}, or Never",
    ),
    (
        "spec.disruption.consolidationPolicy",
        "WhenUnderutilized",
        (
            "spec.disruption.consolidationPolicy: 'WhenUnderutilized' is not one of WhenEmpty, "
            "WhenEmptyOrUnderutilized, Balanced; did you mean WhenEmptyOrUnderutilized?"
        ),
    ),
    (
        "spec.disruption.budgets",
        [{"nodes": "1"}] * 51,
        "spec.disruption.budgets: has 51 entries; write at most 50",
    ),
    (f"{BUDGET}.nodes", 0, f'{BUDGET_FIELD}.nodes: 0 is not a text; write it in quotes: "0"'),
    (
        f"{BUDGET}.nodes",
        "110%",
        (
            f"{BUDGET_FIELD}.nodes: '110%' is no number of nodes; "
            'write a count such as "5" or a percentage such as "10%"'
        ),
    ),
    (f"{BUDGET}.schedule", ABSENT, f"{BUDGET_FIELD}: {BOTH_OR_NONE}"),
    (f"{BUDGET}.duration", ABSENT, f"{BUDGET_FIELD}: {BOTH_OR_NONE}"),
    (f"{BUDGET}.schedule", "@every 1h", f"{BUDGET_FIELD}.schedule: '@every 1h' {NO_CRON}"),
    (
        f"{BUDGET}.schedule",
        "@dailyfoo",
        (
            f"{BUDGET_FIELD}.schedule: '@dailyfoo' is not a schedule: write minute, hour, day of month, month and day "
            'of week, such as "0 9 * * mon-fri", or one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, '
            "@hourly"
        ),
    ),
    (
        f"{BUDGET}.schedule",
        "0 9 * * mon-fry",
        (
            f"{BUDGET_FIELD}.schedule: '0 9 * * mon-fry' is not a schedule: 'mon-fry' is no day of week, "
            "write *, numbers from 0 to 6, ranges such as 0-6 or steps such as */2"
        ),
    ),
    (
        f"{BUDGET}.schedule",
        "0 0 31 2 *",
        f"{BUDGET_FIELD}.schedule: '0 0 31 2 *' is a date that never comes: write a day that the month has",
    ),
    (
        f"{BUDGET}.duration",
        "30s",
        (
            f"{BUDGET_FIELD}.duration: '30s' is not a duration of hours and minutes; "
            "write hours and minutes, such as 8h, 30m or 8h30m"
        ),
    ),
    (
        f"{BUDGET}.reasons",
        ["Expired"],
        f"{BUDGET_FIELD}.reasons[0]: 'Expired' is not one of Underutilized, Empty, Drifted; write one of them",
    ),
    (
        f"{BUDGET}.reasons",
        ["Empty", "Empty"],
        f"{BUDGET_FIELD}.reasons: names a reason twice; name each reason once",
    ),
]


@pytest.mark.parametrize(("path", "value", "sentence"), REFUSED)
def test_refused(path, value, sentence):
    """One mistake in a good NodePool makes exactly one sentence: where, what, and what to write instead."""
    found = validation.problems(nodepool.NodePool, manifests.changed(manifests.NODEPOOL, path, value))

    assert [sentence] == [str(problem) for problem in found]


ACCEPTED = [
    ("spec.limits.cpu", 0),
    ("spec.limits.cpu", "0.5"),
    ("spec.limits.cpu", None),
    ("spec.limits", {}),
    ("spec.limits", {"nodes": 3, "nvidia.com/gpu": "4", "example.com/anything": "1e3"}),
    ("spec.weight", 1),
    ("spec.weight", None),
    ("spec.disruption", None),
    ("spec.disruption", {}),
    ("spec.disruption.budgets", []),
    ("spec.disruption.budgets", [{}]),
    ("spec.disruption.budgets", [{"nodes": "5", "reasons": []}]),
    (f"{BUDGET}.schedule", "@daily"),
    (f"{BUDGET}.duration", "8h30m0s"),
    ("spec.disruption.consolidateAfter", "Never"),
    ("spec.disruption.consolidationPolicy", "Balanced"),
    (f"{TEMPLATE}.expireAfter", "Never"),
    (f"{TEMPLATE}.expireAfter", "1m1h1s"),
    (f"{TEMPLATE}.terminationGracePeriod", "30m"),
    (f"{TEMPLATE}.requirements", []),
    (f"{TEMPLATE}.taints.0.value", ABSENT),
    (f"{TEMPLATE}.taints.0.timeAdded", "2026-01-01T00:00:00Z"),
    (f"{TEMPLATE}.startupTaints", [{"key": "dedicated", "effect": "NoExecute"}]),
    ("spec.template.metadata", ABSENT),
    ("spec.template.metadata.labels.empty", ""),
    ("spec.template.metadata.labels", {"karpenter.sh/capacity-type": "on-demand", "kubernetes.io/arch": "amd64"}),
    ("spec.template.metadata.annotations", {"not a key": "any text at all"}),
    ("metadata.creationTimestamp", None),
    ("metadata.managedFields", [{"manager": "kubectl"}]),
    ("status", {"nodes": 3, "resources": {"cpu": "12", "memory": "-1Gi"}}),
    *(
        (REQUIREMENT, requirement)
        for requirement in (
            {"key": "x", "operator": "NotIn"},
            {"key": "x", "operator": "NotIn", "values": []},
            {"key": "x", "operator": "Exists", "values": ["a"]},
            {"key": "x", "operator": "DoesNotExist"},
            {"key": "x", "operator": "Gt", "values": ["0"]},
            {"key": "x", "operator": "Lte", "values": ["64"]},
            {"key": "x", "operator": "Exists", "minValues": 50},
            {"key": "x", "operator": "In", "values": [""]},
            {"key": "karpenter.ovhcloud.sh/family", "operator": "In", "values": ["b3"]},
            {"key": "beta.kubernetes.io/instance-type", "operator": "In", "values": ["b3-8"]},
            {"key": "node-role.kubernetes.io/worker", "operator": "Exists"},
            {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot", "x"]},
            {"key": "karpenter.sh/capacity-type", "operator": "NotIn", "values": ["x"]},
        )
    ),
]


@pytest.mark.parametrize(("path", "value"), ACCEPTED)
def test_accepted(path, value):
    """What upstream accepts is accepted, its odd corners included; null means absent."""
    assert validation.problems(nodepool.NodePool, manifests.changed(manifests.NODEPOOL, path, value)) == []


@pytest.mark.parametrize(
    ("extra", "problems"),
    [
        ({"replicas": 2}, []),
        ({"replicas": 0, "limits": {"nodes": 5}}, []),
        ({"replicas": 2, "limits": {}}, []),
        ({"replicas": 2, "limits": {"cpu": 4}}, ["spec.limits"]),
        ({"replicas": 2, "limits": {"nodes": 5, "cpu": 4}}, ["spec.limits"]),
        ({"replicas": -1}, ["spec.replicas"]),
        ({"replicas": 2, "weight": 10}, ["spec.weight"]),
        ({"replicas": 2, "weight": 10, "limits": {"memory": "1Gi"}}, ["spec.limits", "spec.weight"]),
    ],
)
def test_static_pools(extra, problems):
    """A static pool has no weight, and no limit but nodes."""
    manifest = manifests.changed(manifests.NODEPOOL, "spec.limits", ABSENT)
    manifest["spec"] |= extra

    assert problems == [problem.field for problem in validation.problems(nodepool.NodePool, manifest)]


def test_all_problems_at_once():
    """A broken field hides no other problem, neither of shape nor of rule."""
    manifest = manifests.changed(manifests.NODEPOOL, "spec.weight", 500)
    manifest = manifests.changed(manifest, "spec.replicas", 1)
    manifest = manifests.changed(manifest, "spec.template.metadata.labels", {"karpenter.sh/nodepool": "a b"})
    manifest = manifests.changed(manifest, f"{REQUIREMENT}.values", [])
    manifest = manifests.changed(manifest, f"{BUDGET}.duration", "1d")
    manifest = manifests.changed(manifest, "metadata.name", ABSENT)

    with pytest.raises(validation.InvalidObject) as caught:
        validation.parse_nodepool(manifest)

    assert {problem.field for problem in caught.value.problems} == {
        "metadata.name",
        "spec.weight",
        "spec.limits",
        "spec.template.metadata.labels[karpenter.sh/nodepool]",
        REQUIREMENT_FIELD,
        f"{BUDGET_FIELD}.duration",
    }
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize("raw", [None, [], "NodePool", 1, {1: 2}, {}])
def test_no_object(raw):
    """Whatever is given in place of an object is refused, never a traceback."""
    assert validation.problems(nodepool.NodePool, raw)


def test_nested_too_deeply():
    """A manifest of endless levels is refused in one sentence."""
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"spec": nested}

    assert [str(problem) for problem in validation.problems(nodepool.NodePool, nested)] == [
        "is nested too deeply; write it with fewer levels"
    ]
    while nested:  # taken apart by hand: freeing it level by level is as deep as building it
        nested = nested.pop("spec")


def test_read():
    """What is written becomes integers: milli-CPU, bytes, seconds."""
    pool = validation.parse_nodepool(manifests.NODEPOOL)

    assert pool.name == "general"
    assert pool.spec.limits == {"cpu": 100_000, "memory": 200 * 2**30}
    assert pool.spec.weight == 0
    assert pool.spec.replicas is None
    assert pool.spec.disruption.consolidate_after == 30
    assert pool.spec.disruption.consolidation_policy == "WhenEmptyOrUnderutilized"
    assert pool.spec.disruption.budgets[1].nodes == percent.Share(0, percent=False)
    assert pool.spec.disruption.budgets[1].duration == 8 * 3600
    assert pool.spec.template.metadata.labels == {"team": "platform"}
    spec = pool.spec.template.spec
    assert spec.expire_after == 720 * 3600
    assert spec.termination_grace_period is None
    assert spec.node_class_ref.name == "default"
    assert [(taint.key, taint.value, taint.effect) for taint in spec.taints] == [("dedicated", "web", "NoSchedule")]
    (requirement,) = spec.requirements
    assert isinstance(requirement, template.Requirement)
    assert (requirement.key, requirement.operator) == ("node.kubernetes.io/instance-type", "In")
    assert (requirement.values, requirement.min_values) == (("b3-8", "b3-16"), None)


def test_defaults():
    """Defaults are those of the API server: 0s, WhenEmptyOrUnderutilized, one budget of 10%, 720h."""
    pool = validation.parse_nodepool(manifests.changed(manifests.NODEPOOL, "spec.disruption", ABSENT))

    assert pool.spec.disruption.consolidate_after == 0
    assert pool.spec.disruption.consolidation_policy == "WhenEmptyOrUnderutilized"
    assert [str(budget.nodes) for budget in pool.spec.disruption.budgets] == ["10%"]
    assert pool.spec.disruption == disruptions.Disruption.model_validate({"consolidateAfter": "0s"})


def test_never():
    """Never is None, for expiry as for consolidation."""
    manifest = manifests.changed(manifests.NODEPOOL, "spec.disruption.consolidateAfter", "Never")
    pool = validation.parse_nodepool(manifests.changed(manifest, f"{TEMPLATE}.expireAfter", "Never"))

    assert pool.spec.disruption.consolidate_after is None
    assert pool.spec.template.spec.expire_after is None


def test_written_back():
    """What was set can be written as a manifest again, and reads the same."""
    pool = validation.parse_nodepool(manifests.changed(manifests.NODEPOOL, f"{TEMPLATE}.expireAfter", "Never"))
    written = pool.model_dump(mode="json", by_alias=True, exclude_unset=True)

    assert written["spec"]["limits"] == {"cpu": "100", "memory": "200Gi"}
    assert written["spec"]["template"]["spec"]["expireAfter"] == "Never"
    assert pool == validation.parse_nodepool(yaml.safe_load(yaml.safe_dump(written)))


def test_status():
    """The status of a pool in a cluster is read, whatever newer versions put there."""
    status = {
        "nodes": 2,
        "resources": {"cpu": "8", "memory": "29Gi", "nodes": "2"},
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "observedGeneration": 3,
            }
        ],
        "somethingNew": True,
    }
    pool = validation.parse_nodepool(manifests.NODEPOOL | {"status": status})

    assert pool.status.resources == {"cpu": 8000, "memory": 29 * 2**30, "nodes": 2}
    assert [(condition.type, condition.status) for condition in pool.status.conditions] == [("Ready", "True")]


# Hash


def fingerprint(path: str, value: object) -> str:
    """The hash of the general pool with one field changed."""
    return nodepool.template_hash(validation.parse_nodepool(manifests.changed(manifests.NODEPOOL, path, value)))


GENERAL_HASH = nodepool.template_hash(validation.parse_nodepool(manifests.NODEPOOL))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("spec.template.metadata.labels.team", "other"),
        ("spec.template.metadata.annotations", {"a": "b"}),
        (f"{TEMPLATE}.taints", []),
        (f"{TEMPLATE}.startupTaints", [{"key": "cni", "effect": "NoSchedule"}]),
        (f"{TEMPLATE}.nodeClassRef.name", "other"),
        (f"{TEMPLATE}.nodeClassRef.kind", "Other"),
        (f"{TEMPLATE}.terminationGracePeriod", "1h"),
        (f"{TEMPLATE}.expireAfter", "721h"),
        (f"{TEMPLATE}.expireAfter", "Never"),
    ],
)
def test_hash_changes(path, value):
    """A change of labels, annotations, taints, node class, grace period or expiry makes nodes drift."""
    assert fingerprint(path, value) != GENERAL_HASH


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{TEMPLATE}.requirements", []),
        (f"{TEMPLATE}.expireAfter", "720h"),
        (f"{TEMPLATE}.expireAfter", "43200m"),
        (f"{TEMPLATE}.terminationGracePeriod", "0s"),
        (f"{TEMPLATE}.startupTaints", []),
        ("spec.template.metadata.annotations", {}),
        ("spec.limits.cpu", 5),
        ("spec.weight", 5),
        ("spec.disruption.consolidateAfter", "1h"),
    ],
)
def test_hash_stays(path, value):
    """Nothing else counts, and empty is the same as absent."""
    assert fingerprint(path, value) == GENERAL_HASH


def test_hash_is_the_same_everywhere():
    """The hash depends neither on the process nor on any order; a change of it would make every node drift."""
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "NoSchedule"}]

    assert GENERAL_HASH == "5691316546405661601"
    assert fingerprint(f"{TEMPLATE}.taints", taints) == fingerprint(f"{TEMPLATE}.taints", taints[::-1])
