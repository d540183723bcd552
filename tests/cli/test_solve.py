"""`solve` as a user meets it: outputs, exit codes, what-ifs, determinism."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cli.run import INFLATE, ROOT, Outcome, run

SCHEMA = json.loads((ROOT / "docs" / "plan.schema.json").read_text())


@pytest.fixture
def solve(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    def call(*words: str, stdin: str = "") -> Outcome:
        return run(capsys, monkeypatch, "solve", *words, stdin=stdin)

    return call


def plan_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.err
    plan: dict[str, Any] = json.loads(outcome.out)
    return plan


def test_table_says_what_to_buy_and_how_good_that_is(solve):
    """Verdict, flavors, cost, bound, verification and how to ask again stand in the table."""
    outcome = solve("-f", INFLATE)

    assert outcome.code == 0
    assert outcome.out.startswith("2 nodes to create for 10 pods (optimal, verification ok)\n")
    assert "gap 0" in outcome.out
    assert "0.3069 EUR/hour" in outcome.out
    assert f"again: karpenter-ovhcloud solve -f {INFLATE} --seed 0" in outcome.out


def test_json_follows_the_published_schema(solve):
    """Every key is there and has the type that the schema says."""
    jsonschema.validate(plan_of(solve("-f", INFLATE, "-o", "json")), SCHEMA)


def test_schema_is_followed_by_every_example(solve):
    """Also where pods are left out, nodes exist already, and pools have taints."""
    for example in sorted((ROOT / "examples").glob("*/README.md")):
        jsonschema.validate(plan_of(solve("-f", str(example.parent), "-o", "json")), SCHEMA)


def test_costs_add_up(solve):
    """Afterwards = before + create - delete, and create is the sum over the nodes."""
    plan = plan_of(solve("-f", str(ROOT / "examples" / "live-cluster"), "-o", "json"))
    cost = plan["cost"]

    assert cost["createHourly"] == pytest.approx(sum(n["hourlyEur"] for n in plan["create"]), abs=1e-9)
    assert cost["afterHourly"] == pytest.approx(
        cost["beforeHourly"] + cost["createHourly"] - cost["deleteHourly"], abs=1e-9
    )


def test_yaml_is_the_same_document(solve):
    """`-o yaml` and `-o json` differ in form only."""
    words = ("-f", INFLATE, "--deterministic", "-o")

    assert plan_of(solve(*words, "json")) == yaml.safe_load(solve(*words, "yaml").out)


def test_deterministic_plans_are_byte_identical(solve):
    """Same input, same seed: the same bytes, with all times 0."""
    words = ("-f", str(ROOT / "examples" / "ha-production"), "--deterministic", "--seed", "7", "-o", "json")
    first, second = solve(*words), solve(*words)

    assert first.out == second.out
    assert plan_of(first)["solve"]["wallSeconds"] == 0
    assert {phase["seconds"] for phase in plan_of(first)["solve"]["phases"]} <= {0}


def test_manifests_are_node_claims_with_the_same_names(solve):
    """`-o manifests` gives one NodeClaim for each node to create."""
    from crds import validation

    claims = list(yaml.safe_load_all(solve("-f", INFLATE, "-o", "manifests").out))
    plan = plan_of(solve("-f", INFLATE, "-o", "json"))

    assert sorted(c["metadata"]["name"] for c in claims) == sorted(n["name"] for n in plan["create"])
    assert [validation.parse_nodeclaim(claim).kind for claim in claims] == ["NodeClaim"] * len(claims)


def test_names(solve):
    """`-o name` prints resource/name, one a line."""
    lines = solve("-f", INFLATE, "-o", "name").out.splitlines()

    assert len(lines) == 2
    assert all(line.startswith("nodeclaim.karpenter.sh/general-") for line in lines)


def test_standard_input(solve):
    """`-f -` reads standard input."""
    text = "---\n".join(path.read_text() for path in sorted(Path(INFLATE).glob("*.yaml")))

    assert len(plan_of(solve("-f", "-", "-o", "json", stdin=text))["create"]) == 2


def test_exit_code_says_that_something_changes(solve):
    """3 with --exit-code when the plan creates nodes, 0 without the flag."""
    assert (solve("-f", INFLATE).code, solve("-f", INFLATE, "--exit-code").code) == (0, 3)


def test_exit_code_says_that_pods_are_left_out(solve):
    """4 with --exit-code when some pods cannot be placed."""
    assert solve("-f", str(ROOT / "examples" / "dev"), "--exit-code").code == 4


def test_exit_code_nothing_to_do(solve):
    """0 with --exit-code when there is nothing to do."""
    assert solve("-f", INFLATE, "--scale", "deployment/inflate=0", "--exit-code").code == 0


def test_scale(solve):
    """--scale asks what if the workload had another number of replicas."""
    plan = plan_of(solve("-f", INFLATE, "--scale", "deployment/inflate=3", "-o", "json"))

    assert len(plan["placements"]) == 3


def test_only_flavors(solve):
    """--only-flavors leaves nothing else to buy."""
    plan = plan_of(solve("-f", INFLATE, "--only-flavors", "b3-8", "-o", "json"))

    assert {n["flavor"] for n in plan["create"]} == {"b3-8"}


def test_without_flavors(solve):
    """--without-flavors takes flavors away."""
    plan = plan_of(solve("-f", INFLATE, "--without-flavors", "b3-16", "--without-flavors", "b3-32", "-o", "json"))

    assert not {"b3-16", "b3-32"} & {n["flavor"] for n in plan["create"]}


def test_without_zone(solve):
    """--without-zone takes a zone away; a spread over three zones then holds over two."""
    example = str(ROOT / "examples" / "ha-production")
    plan = plan_of(solve("-f", example, "--without-zone", "eu-west-par-b", "-o", "json"))

    assert "eu-west-par-b" not in {n["zone"] for n in plan["create"]}


def test_quota_is_hard(solve):
    """What the quota does not allow is not planned, and the pods left out are named."""
    plan = plan_of(solve("-f", INFLATE, "--quota", "vcpus=4", "-o", "json"))

    assert [n["flavor"] for n in plan["create"]] == ["b3-16"]
    assert len(plan["unschedulable"]) == 7


def test_region(solve):
    """--region buys elsewhere."""
    plan = plan_of(solve("-f", INFLATE, "--region", "EU-WEST-PAR", "-o", "json"))

    assert {n["zone"] for n in plan["create"]} <= {"eu-west-par-a", "eu-west-par-b", "eu-west-par-c"}


def test_catalogue_file(solve, tmp_path: Path):
    """--catalog replaces prices; a flavor without one is left aside and listed."""
    csv = tmp_path / "flavors.csv"
    csv.write_text("name,vcpus,memory_gib,hourly_eur\nb3-8,2,8,1\nb3-16,4,16,\n")
    plan = plan_of(solve("-f", INFLATE, "--catalog", str(csv), "-o", "json"))

    assert {n["flavor"] for n in plan["create"]} == {"b3-8"}
    assert plan["cost"]["unpricedFlavors"] == ["b3-16"]
    assert plan["cost"]["createHourly"] == 10


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    ((), "nothing to read; give manifests with -f"),
    (("-f", INFLATE, "-o", "xml"), "-o xml is unknown; use table, wide, json"),
    (("-f", INFLATE, "-o", "html"), "-o html does not exist yet"),
    (("-f", INFLATE, "--report", "r.html"), "--report does not exist yet; leave it out"),
    (("-f", INFLATE, "--scenarios", "s.yaml"), "--scenarios does not exist yet"),
    (("-f", INFLATE, "--compare", "first-fit"), "--compare does not exist yet"),
    (("--live", "-f", INFLATE), "--live reads a cluster, -f reads files; use one of them"),
    (("-f", "/nowhere.yaml"), "/nowhere.yaml"),
    (("-f", INFLATE, "--time-limit", "0"), "'--time-limit': 0.0 is not in the range"),
    (("-f", INFLATE, "--time-limit", "soon"), "'--time-limit': 'soon' is not a valid float"),
    (("-f", INFLATE, "--seed", "-1"), "'--seed': -1 is not in the range"),
    (("-f", INFLATE, "--gap", "2"), "'--gap': 2.0 is not in the range"),
    (("-f", INFLATE, "--now", "yesterday"), "'yesterday' is not an RFC 3339 time"),
    (("-f", INFLATE, "--now", "2026-05-04T08:00:00"), "has no offset"),
    (("-f", INFLATE, "--quota", "cpus=3"), "'cpus=3' is not one of vcpus=N, memory=Q, instances=N"),
    (("-f", INFLATE, "--quota", "vcpus=3,vcpus=4"), "vcpus is given twice"),
    (("-f", INFLATE, "--quota", "memory=lots"), "memory: "),
    (("-f", INFLATE, "--quota", "vcpus=-3"), "vcpus is negative"),
    (("-f", INFLATE, "--node-charge", "-1"), "'-1' is out of range"),
    (("-f", INFLATE, "--node-charge", "cheap"), "'cheap' is not an amount"),
    (("-f", INFLATE, "--horizon", "0s"), "'0s' is not positive"),
    (("-f", INFLATE, "--horizon", "a day"), "'--horizon'"),
    (("-f", INFLATE, "--feature-gates", "StaticCapacity"), "is not NAME=true or NAME=false"),
    (("-f", INFLATE, "--preference-policy", "Maybe"), "'Maybe' is not one of"),
    (("-f", INFLATE, "--weights", "light"), "'light' is not one of"),
    (("-f", INFLATE, "--mode", "shrink"), "'shrink' is not one of"),
    (("-f", INFLATE, "--region", "GRA99"), "GRA99"),
    (("-f", INFLATE, "--catalog", "/nowhere.csv"), "/nowhere.csv"),
    (("-f", INFLATE, "--scale", "inflate=3"), "inflate=3"),
    (("-f", INFLATE, "--scale", "deployment/other=3"), "other"),
    (("-f", INFLATE, "--frobnicate"), "No such option"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[" ".join(w)[-60:] or "nothing" for w, _ in MISTAKES])
def test_mistakes(solve, words: tuple[str, ...], sentence: str):
    """Wrong usage: one clear sentence on standard error, exit code 2, nothing on standard output, no traceback."""
    outcome = solve(*words)

    assert outcome.code == 2
    assert outcome.out == ""
    assert sentence in outcome.err
    assert "Traceback" not in outcome.err
