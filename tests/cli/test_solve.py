"""`solve` as a user meets it: outputs, exit codes, what-ifs, determinism."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from solver.search import engine
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


def test_what_depends_on_the_instant_is_asked_again_at_that_instant(solve):
    """Budgets have windows and nodes an age: the command names the instant, and the same question twice is the same plan."""
    example = str(ROOT / "examples" / "consolidation")
    again = solve("-f", example, "--mode", "consolidate", "--seed=3").out.splitlines()[-1]

    assert re.fullmatch(r"again: .* --mode consolidate --seed=3 --now \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", again)
    assert solve(*again.split()[3:]).out.splitlines()[-1] == again


def test_table_claims_no_bound_where_nothing_can_be_bought(solve):
    """A bound of zero proves nothing, and is not shown."""
    assert "bound:" not in solve("-f", INFLATE, "--only-flavors", "none").out


def test_last_replicas_are_left_out(solve):
    """Where not all find a place, web-10 is left out before web-2."""
    plan = plan_of(solve("-f", INFLATE, "--scale", "deployment/inflate=12", "--quota", "vcpus=4", "-o", "json"))

    assert sorted(plan["placements"]) == ["default/inflate-0", "default/inflate-1", "default/inflate-2"]


def test_a_plan_that_removes_nodes_is_the_same_a_second_later(solve, monkeypatch):
    """Byte for byte, with --deterministic, although nobody said which instant it is."""
    words = ("-f", str(ROOT / "examples" / "consolidation"), "--mode", "consolidate", "-o", "json", "--deterministic")
    first = solve(*words).out
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1)

    assert solve(*words).out == first


def test_json_follows_the_published_schema(solve):
    """Every key is there and has the type that the schema says."""
    jsonschema.validate(plan_of(solve("-f", INFLATE, "-o", "json")), SCHEMA)


def test_schema_is_followed_by_pods_that_request_nothing(solve):
    """Requests of a node say cpu, memory and pods, also where pods ask for none of them."""
    text = (Path(INFLATE) / "nodepool.yaml").read_text()
    text += "---\napiVersion: v1\nkind: Pod\nmetadata: {name: idle}\nspec: {containers: [{name: main, image: pause}]}\n"
    plan = plan_of(solve("-f", "-", "-o", "json", stdin=text))

    jsonschema.validate(plan, SCHEMA)
    assert plan["create"][0]["requests"] == {"cpu": "0", "memory": "0", "pods": "1"}


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


def test_manifests_live_as_long_as_their_template_says(solve):
    """Their expireAfter and terminationGracePeriod are the NodePool's, not the CRD's defaults."""
    text = (ROOT / "examples" / "ha-production" / "nodepool.yaml").read_text()
    text = text.replace("expireAfter: 168h", "expireAfter: 90m\n      terminationGracePeriod: 5m")
    workloads = str(ROOT / "examples" / "ha-production" / "workloads.yaml")
    claims = list(yaml.safe_load_all(solve("-f", "-", "-f", workloads, "-o", "manifests", stdin=text).out))

    assert {(c["spec"]["expireAfter"], c["spec"]["terminationGracePeriod"]) for c in claims} == {("1h30m", "5m")}


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


def test_compare_shows_what_first_fit_would_do(solve):
    """The same pods by first-fit-decreasing, judged by the same checker, beside this plan."""
    example = str(ROOT / "examples" / "ha-production")
    table = solve("-f", example, "--compare", "first-fit").out
    (other,) = plan_of(solve("-f", example, "--compare", "first-fit", "-o", "json"))["compared"]

    assert "this plan       3   3 x b3-32            15          0     0.6138" in table
    assert "first-fit       5   5 x b3-32            15          0     1.0230" in table
    assert (other["policy"], other["nodes"], other["verification"]["ok"]) == ("first-fit", 5, True)


def test_report_is_one_page(solve, tmp_path: Path):
    """--report writes the page that -o html prints, beside the usual output."""
    path = tmp_path / "report.html"
    outcome = solve("-f", INFLATE, "--deterministic", "--report", str(path))
    page = solve("-f", INFLATE, "--deterministic", "-o", "html").out

    assert outcome.out.startswith("2 nodes to create")
    assert path.read_text().partition("<p>again")[0] == page.partition("<p>again")[0]
    assert page.startswith("<!DOCTYPE html>")


def test_a_report_that_cannot_be_written(solve, tmp_path: Path):
    """Exit code 1 and one line; the plan is printed all the same."""
    outcome = solve("-f", INFLATE, "--report", str(tmp_path))

    assert outcome.out.startswith("2 nodes to create")
    assert (outcome.code, outcome.err) == (1, f"error: {tmp_path}: cannot be written (Is a directory)\n")


def test_ctrl_c_once(solve, monkeypatch: pytest.MonkeyPatch):
    """The best plan so far is printed, and the exit code says that it was not all."""

    def press(*asked: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return search(*asked)

    search = engine.search
    monkeypatch.setattr(engine, "search", press)
    outcome = solve("-f", INFLATE)

    assert outcome.code == 130
    assert "for 10 pods" in outcome.out
    assert "verification ok" in outcome.out


def test_ctrl_c_twice(solve, monkeypatch: pytest.MonkeyPatch):
    """Nothing is printed any more."""

    def press(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(engine, "search", press)
    outcome = solve("-f", INFLATE)

    assert (outcome.code, outcome.out, outcome.err) == (130, "", "\n")


SCENARIOS = """
as it is: {}
black friday:
  scale: deployment/inflate=40
zone gone:
  region: EU-WEST-PAR
  without-zone: [eu-west-par-a, eu-west-par-b]
"""


def test_scenarios_are_compared_in_one_table(solve, tmp_path: Path):
    """Each scenario adds its flags to those given; the first one is what others are held against."""
    path = tmp_path / "scenarios.yaml"
    path.write_text(SCENARIOS)
    lines = solve("-f", INFLATE, "--scenarios", str(path)).out.splitlines()
    found = json.loads(solve("-f", INFLATE, "--scenarios", str(path), "-o", "json").out)
    plans = {item["name"]: item["plan"] for item in found["items"]}

    assert [line.split("   ")[0].strip() for line in lines[:4]] == ["SCENARIO", "as it is", "black friday", "zone gone"]
    assert "+" in lines[2]
    assert len(plans["black friday"]["placements"]) == 40
    assert {node["zone"] for node in plans["zone gone"]["create"]} == {"eu-west-par-c"}
    for plan in plans.values():
        jsonschema.validate(plan, SCHEMA)


def test_a_scenario_that_changes_nothing_says_so(solve, tmp_path: Path):
    """A zone that the region does not have is noted below the table, for the scenario that names it."""
    path = tmp_path / "scenarios.yaml"
    path.write_text("as it is: {}\nzone gone: {without-zone: gra11-x1}\n")
    out = solve("-f", INFLATE, "--scenarios", str(path)).out

    assert 'note: zone gone: region GRA11 has no zone "gra11-x1": write "nova"\n' in out
    assert out.count("note: ") == 1


def test_scenarios_read_standard_input_once(solve, tmp_path: Path):
    """All scenarios ask about the same manifests, also when these come through a pipe."""
    path = tmp_path / "scenarios.yaml"
    path.write_text("five: {scale: deployment/inflate=5}\nsix: {scale: deployment/inflate=6}\n")
    text = "---\n".join(each.read_text() for each in sorted(Path(INFLATE).glob("*.yaml")))
    found = json.loads(solve("-f", "-", "--scenarios", str(path), "-o", "json", stdin=text).out)

    assert [len(item["plan"]["placements"]) for item in found["items"]] == [5, 6]
