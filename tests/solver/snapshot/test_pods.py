"""Pods and their specs: fields, defaults, sharing, and pods that Karpenter would pass over."""

from __future__ import annotations

from typing import Any

import pytest

from solver import cluster, snapshot
from tests.solver.snapshot import make

REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))


def read(*objects: make.Raw) -> cluster.Cluster:
    return snapshot.from_objects(objects)


def one(manifest: make.Raw, *others: make.Raw) -> cluster.Pod:
    """The pod that a manifest describes."""
    (pod,) = read(manifest, *others).pods.values()
    return pod


def spec(**fields: Any) -> cluster.PodSpec:
    """The spec that pod spec fields describe."""
    return one(make.pod(**fields)).spec


def test_a_small_pod() -> None:
    """Defaults of everything that is not written."""
    pod = one(make.pod())

    assert pod == cluster.Pod("default", "web", cluster.PodSpec(requests=(("cpu", 1000), ("memory", 2**30))))
    assert pod.key == "default/web"


def test_identity_and_state() -> None:
    """What metadata and status say."""
    manifest = make.owned(
        make.pod(nodeName="node-a", schedulingGates=[{"name": "x"}]),
        "ReplicaSet",
        "web-5d8f",
        namespace="shop",
        uid="1",
        labels={"app": "web"},
        annotations={"note": "x"},
        creationTimestamp="2026-05-01T10:00:00Z",
        deletionTimestamp="2026-05-02T10:00:00Z",
    )
    manifest["status"] = {
        "phase": "Running",
        "startTime": "2026-05-01T12:00:30+02:00",
        "nominatedNodeName": "node-b",
        "conditions": [{"type": "Ready", "status": "False"}],
    }
    pod = one(manifest)

    assert pod.key == "shop/web"
    assert (pod.uid, pod.node, pod.nominated_node) == ("1", "node-a", "node-b")
    assert pod.owner == cluster.Owner("ReplicaSet", "web-5d8f", "uid-web-5d8f")
    assert (pod.labels, pod.annotations) == ({"app": "web"}, {"note": "x"})
    assert pod.created == 1777629600
    assert pod.started == pod.created + 30
    assert pod.deleting
    assert pod.gated
    assert not pod.ready
    assert not pod.terminal


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({}, None),
        ({"conditions": [{"type": "Initialized", "status": "True"}]}, None),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}, "SchedulingGated"),
        ({"conditions": [{"type": "PodScheduled", "status": "False"}]}, ""),
    ],
)
def test_why_a_pod_is_not_scheduled(status: dict[str, Any], reason: str | None) -> None:
    """The reason of the condition PodScheduled; None when nobody has said anything."""
    assert one(make.pod() | {"status": status}).unscheduled_reason == reason


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pods(phase: str) -> None:
    """Phases that end a pod."""
    assert one(make.pod() | {"status": {"phase": phase}}).terminal


def test_mirror_pods() -> None:
    """By their annotation, or because a Node owns them."""
    assert one(make.with_field(make.pod(), "metadata.annotations", {"kubernetes.io/config.mirror": "x"})).mirror
    assert one(make.owned(make.pod(), "Node", "node-a")).mirror
    assert not one(make.owned(make.pod(), "ReplicaSet", "web")).mirror


def test_the_controlling_owner_counts() -> None:
    """Other owners may stand before it."""
    manifest = make.owned(make.pod(), "DaemonSet", "agent")
    manifest["metadata"]["ownerReferences"].insert(0, {"kind": "Node", "name": "node-a"})

    assert one(manifest).owner == cluster.Owner("DaemonSet", "agent", "uid-agent")


def test_node_constraints() -> None:
    """Selector, required and preferred terms."""
    expression = {"key": "disk", "operator": "In", "values": ["ssd", "nvme"]}
    found = spec(
        nodeSelector={"b": "2", "a": "1"},
        affinity={
            "nodeAffinity": {
                REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [expression]}, {}]},
                PREFERRED: [{"weight": 7, "preference": {"matchExpressions": [expression]}}],
            }
        },
    )
    term = cluster.NodeTerm((cluster.Expression("disk", "In", ("ssd", "nvme")),))

    assert found.node_selector == (("a", "1"), ("b", "2"))
    assert found.node_terms == (term, cluster.NodeTerm())
    assert found.preferred_node_terms == (cluster.PreferredNodeTerm(7, term),)


def test_no_required_terms_differ_from_an_empty_list() -> None:
    """None allows every node, an empty list none."""
    assert spec(affinity={"nodeAffinity": {}}).node_terms is None
    assert spec(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}).node_terms == ()


def test_tolerations() -> None:
    """Equal is the default; Exists without a key tolerates everything; the time does not matter."""
    given = [{"key": "a", "value": "b", "effect": "NoSchedule", "tolerationSeconds": 5}, {"operator": "Exists"}]

    assert spec(tolerations=given).tolerations == (
        cluster.Toleration("a", "Equal", "b", "NoSchedule"),
        cluster.Toleration("", "Exists", "", ""),
    )


def test_pod_affinity() -> None:
    """Terms of all four kinds; matchLabels come first, as expressions."""
    selector = {"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]}
    term = {
        "topologyKey": "zone",
        "labelSelector": selector,
        "namespaces": ["y", "x"],
        "namespaceSelector": {},
        "matchLabelKeys": ["m"],
        "mismatchLabelKeys": ["n"],
    }
    kinds = {REQUIRED: [term], PREFERRED: [{"weight": 3, "podAffinityTerm": {"topologyKey": "host"}}]}
    found = spec(affinity={"podAffinity": kinds, "podAntiAffinity": kinds})
    expected = cluster.PodTerm(
        topology_key="zone",
        selector=cluster.Selector(
            (
                cluster.Expression("a", "In", ("1",)),
                cluster.Expression("b", "In", ("2",)),
                cluster.Expression("c", "Exists"),
            )
        ),
        namespaces=("x", "y"),
        namespace_selector=cluster.Selector(),
        match_label_keys=("m",),
        mismatch_label_keys=("n",),
    )

    assert found.affinity == found.anti_affinity == (expected,)
    preferred = cluster.PreferredPodTerm(3, cluster.PodTerm("host", None))
    assert found.preferred_affinity == found.preferred_anti_affinity == (preferred,)


def test_spread() -> None:
    """Affinity is honoured and taints are not, unless the constraint says so."""
    plain = {"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    other = {
        "topologyKey": "host",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "matchLabelKeys": ["pod-template-hash"],
        "nodeAffinityPolicy": "Ignore",
        "nodeTaintsPolicy": "Honor",
    }

    assert spec(topologySpreadConstraints=[plain | {"minDomains": 3}, other]).spread == (
        cluster.Spread("zone", 2, hard=True, selector=cluster.Selector(), min_domains=3),
        cluster.Spread("host", 1, False, None, None, ("pod-template-hash",), honor_affinity=False, honor_taints=True),
    )


def test_host_ports() -> None:
    """Of containers and sidecars, by protocol and address; init containers that end hold none."""
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 53, "hostPort": 53, "protocol": "UDP"}]
    found = spec(
        containers=[{"name": "a", "ports": [*ports, {"containerPort": 9}]}],
        initContainers=[
            {"name": "b", "restartPolicy": "Always", "ports": [{"hostPort": 15000, "hostIP": "127.0.0.1"}]},
            {"name": "c", "ports": [{"hostPort": 1}]},
        ],
    )

    assert found.host_ports == (
        cluster.HostPort("0.0.0.0", "TCP", 8080),
        cluster.HostPort("0.0.0.0", "UDP", 53),
        cluster.HostPort("127.0.0.1", "TCP", 15000),
    )


def test_every_port_is_a_host_port_on_the_hosts_network() -> None:
    """As the API server fills them in."""
    found = spec(hostNetwork=True, containers=[{"name": "a", "ports": [{"containerPort": 80}]}])

    assert found.host_ports == (cluster.HostPort("0.0.0.0", "TCP", 80),)


def test_volumes() -> None:
    """Claims by name and claims made with the pod; other volumes do not bind a pod to a place."""
    template = {"spec": {"storageClassName": "fast", "accessModes": ["ReadWriteOnce"]}}
    found = spec(
        volumes=[
            {"name": "b", "persistentVolumeClaim": {"claimName": "beta"}},
            {"name": "a", "persistentVolumeClaim": {"claimName": "alpha"}},
            {"name": "again", "persistentVolumeClaim": {"claimName": "beta"}},
            {"name": "tmp", "ephemeral": {"volumeClaimTemplate": template}},
            {"name": "cache", "emptyDir": {}},
        ]
    )

    assert found.claims == ("alpha", "beta")
    assert found.ephemeral_claims == (cluster.EphemeralClaim("tmp", "fast", ("ReadWriteOnce",)),)


def test_ephemeral_claims_get_the_default_class() -> None:
    """As the API server gives it to the claim; an empty name is no class on purpose."""
    default = make.named("storage.k8s.io/v1", "StorageClass", "fast", provisioner="x")
    default["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    volumes = [
        {"name": "a", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        {"name": "b", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": ""}}}},
    ]

    assert one(make.pod(volumes=volumes), default).spec.ephemeral_claims == (
        cluster.EphemeralClaim("a", "fast"),
        cluster.EphemeralClaim("b", ""),
    )


def test_resource_claims_are_kept_by_name() -> None:
    """Devices of dynamic resource allocation."""
    assert spec(resourceClaims=[{"name": "gpu", "resourceClaimName": "x"}]).resource_claims == ("gpu",)


def test_priority() -> None:
    """The number, else the class's, else the global default, else 0."""
    high = make.named("scheduling.k8s.io/v1", "PriorityClass", "high", value=1000)
    low = make.named("scheduling.k8s.io/v1", "PriorityClass", "low", value=-5, globalDefault=True)

    assert one(make.pod(priority=7, priorityClassName="high"), high).spec.priority == 7
    assert one(make.pod(priorityClassName="high"), high, low).spec.priority == 1000
    assert one(make.pod(priorityClassName="system-node-critical")).spec.priority == 2_000_001_000
    assert one(make.pod(), high, low).spec.priority == -5
    assert one(make.pod(), high).spec.priority == 0


def test_an_unknown_priority_class_is_noted() -> None:
    """Its pods count with 0; whoever reads the plan must know."""
    found = read(make.pod(priorityClassName="gold"))

    assert 'PriorityClass "gold" is not in the input: its pods count with priority 0; add it' in found.notes


def test_pods_of_one_template_share_spec_and_labels() -> None:
    """Whatever differs between their raw specs: node, token volume, image, order of fields."""
    first = make.pod("a", nodeName="node-a", volumes=[{"name": "token-x", "projected": {}}])
    second = make.pod("b", terminationGracePeriodSeconds=5, volumes=[{"name": "token-y", "projected": {}}])
    second["spec"] = dict(reversed(second["spec"].items()))
    third = make.pod(
        "c", containers=[{"name": "main", "resources": {"requests": {"memory": "1024Mi", "cpu": "1000m"}}}]
    )
    for manifest in (first, second, third):
        manifest["metadata"]["labels"] = {"app": "web"}
    pods = list(read(first, second, third).pods.values())

    assert pods[0].spec is pods[1].spec is pods[2].spec
    assert pods[0].labels is pods[1].labels


def test_specs_that_differ_are_not_mixed_up() -> None:
    """Every field that is read tells two pods apart."""
    variants: list[dict[str, Any]] = [
        {},
        {"nodeSelector": {"a": "b"}},
        {"tolerations": [{"operator": "Exists"}]},
        {"priority": 5},
        {"schedulerName": "other"},
        {"overhead": {"cpu": 7}},
        {"resources": {"requests": {"cpu": 5}}},
        {"resourceClaims": [{"name": "gpu"}]},
        {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": "a"}}]},
        {"initContainers": [{"name": "a", "restartPolicy": "Always", "resources": {"requests": {"cpu": 1}}}]},
        {"initContainers": [{"name": "a", "resources": {"requests": {"cpu": 4}}}]},
        {"containers": [{"name": "main", "ports": [{"containerPort": 80}]}], "hostNetwork": True},
        {"containers": [{"name": "main", "ports": [{"containerPort": 80}]}]},
        {"affinity": {"podAntiAffinity": {REQUIRED: [{"topologyKey": "zone"}]}}},
        {"topologySpreadConstraints": [{"topologyKey": "z", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}]},
    ]
    pods = read(*(make.pod(f"web-{number}", **fields) for number, fields in enumerate(variants))).pods

    assert len({pod.spec for pod in pods.values()}) == len(variants)


def asks(key: str, operator: str, *values: str) -> dict[str, Any]:
    """A node selector term of one expression."""
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def restricted(key: str) -> str:
    """What is said of a label that Karpenter keeps to itself."""
    return (
        f"using label {key} is not allowed as it might interfere with the internal provisioning logic; specify a well known "
        "label, or a custom label that does not use a restricted domain: [karpenter.sh]"
    )


ONE_NUMBER = "must have a single positive integer value"
OPERATORS = "[In NotIn Exists DoesNotExist Gt Lt]"
PINNED = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["x"]}]}

IGNORED: list[tuple[dict[str, Any], str]] = [
    (PINNED, "node selector term with matchFields is not supported"),
    (asks("a", "Near"), f"key a has an unsupported operator Near not in {OPERATORS}"),
    (asks("a", "In"), "key a with operator In must have a value defined"),
    (asks("a", "Gt", "x"), f"key a with operator Gt {ONE_NUMBER}"),
    (asks("a", "Lt", "1", "2"), f"key a with operator Lt {ONE_NUMBER}"),
    (asks("-a", "Exists"), "key -a is not a qualified name"),
    (asks("a", "In", "b c"), "invalid value b c for key a"),
    (asks("kubernetes.io/hostname", "In", "x"), restricted("kubernetes.io/hostname")),
    (asks("karpenter.sh/initialized", "Exists"), restricted("karpenter.sh/initialized")),
    (asks("a.karpenter.sh/b", "Exists"), restricted("a.karpenter.sh/b")),
    (
        asks("karpenter.sh/capacity-type", "In", "cheap"),
        ("no valid values found in [cheap] for karpenter.sh/capacity-type, expected one of: [on-demand spot reserved]"),
    ),
    (
        asks("karpenter.sh/nodepool", "DoesNotExist"),
        "configured to not run on a Karpenter provisioned node (requirement=karpenter.sh/nodepool DoesNotExist)",
    ),
]


@pytest.mark.parametrize(("term", "reason"), IGNORED, ids=[reason[:50] for _, reason in IGNORED])
def test_pods_that_karpenter_passes_over(term: dict[str, Any], reason: str) -> None:
    """One wrong required term is enough; the pod stays in the cluster with the reason."""
    found = spec(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term, {}]}}})

    assert found.invalid == reason


def test_required_node_affinity_without_terms() -> None:
    """The API server refuses it, and no node would match it."""
    found = spec(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}})

    assert found.invalid == "required node affinity must have at least one node selector term"


def test_a_node_selector_is_judged_like_a_term() -> None:
    """Keys and values."""
    assert spec(nodeSelector={"kubernetes.io/hostname": "x"}).invalid == restricted("kubernetes.io/hostname")
    assert spec(nodeSelector={"a": "b c"}).invalid == "invalid value b c for key a"


@pytest.mark.parametrize(
    "key",
    [
        "topology.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/zone",
        "karpenter.sh/nodepool",
        "karpenter.ovhcloud.sh/family",
        "example.com/team",
        "notkarpenter.sh/x",
    ],
)
def test_labels_that_pods_may_select_on(key: str) -> None:
    """Well-known ones, old names of them, our own and those of others."""
    assert spec(nodeSelector={key: "x"}).invalid is None


def test_a_preference_for_unmanaged_nodes_counts_when_it_is_the_heaviest() -> None:
    """Lighter ones are dropped before it comes to that."""
    away = {"matchExpressions": [{"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"}]}
    zone = {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "Exists"}]}

    def preferring(weight: int) -> str | None:
        terms = [{"weight": weight, "preference": away}, {"weight": 50, "preference": zone}]
        return spec(affinity={"nodeAffinity": {PREFERRED: terms}}).invalid

    assert preferring(60) is not None
    assert preferring(40) is None
