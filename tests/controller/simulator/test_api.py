"""The simulator over HTTP: our client and python-ovh find what OVH's documents promise."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ovh
import pytest

from catalog import catalogue, refresh
from controller.ovh import credentials, errors, rights, types
from controller.simulator import model, server, state, store
from tests.controller.simulator import running
from tests.controller.simulator.running import Running, spec

ZONE = "eu-west-par-a"


@pytest.fixture
def two() -> Iterator[Running]:
    """A one-zone and a three-zone region."""
    with running.serve(running.simulation(running.ONE_ZONE, running.THREE_ZONES)) as served:
        yield served


@pytest.fixture
def served() -> Iterator[Running]:
    with running.serve() as made:
        yield made


@pytest.mark.parametrize("keys", [running.APPLICATION, running.ACCOUNT])
def test_a_cluster_says_where_it_is(two: Running, keys: Any) -> None:
    """Region and plan decide about zones: asked with either kind of credentials."""
    free, standard = two.client(keys), two.client(keys, index=1)

    assert (free.cluster().region, free.cluster().plan) == ("GRA11", "free")
    assert (standard.cluster().region, standard.cluster().plan) == ("EU-WEST-PAR", "standard")
    assert free.region("GRA11").availability_zones == ()
    assert standard.region("EU-WEST-PAR").availability_zones == ("eu-west-par-a", "eu-west-par-b", "eu-west-par-c")


def test_a_pool_lives_from_creation_to_deletion(served: Running) -> None:
    """The whole life of a pool through the client, and the calls it took."""
    client = served.client()

    created = client.create_node_pool(spec("karpenter-b3-8-nova", desired=3))
    served.advance(60)
    early = client.nodes(created.id)
    served.advance(300)
    ready = client.node_pool(created.id)
    oldest = client.nodes(created.id)[0]
    client.update_node_pool(created.id, desired_nodes=2, nodes_to_remove=[oldest.provider_id or ""])
    leaving = client.nodes(created.id)
    served.advance(120)
    left = client.nodes(created.id)
    client.delete_node_pool(created.id)
    served.advance(200)

    assert (created.status, created.size_status, created.current_nodes) == ("INSTALLING", "UNDER_CAPACITY", 3)
    assert (created.available_nodes, created.up_to_date_nodes, created.zone) == (0, 3, "nova")
    assert {node.phase for node in early} == {types.Phase.CREATING}
    assert any(node.instance_id for node in early)
    assert (ready.status, ready.size_status, ready.available_nodes) == ("READY", "CAPACITY_OK", 3)
    assert [node.id for node in leaving if node.phase is types.Phase.LEAVING] == [oldest.id]
    assert oldest.id not in {node.id for node in left}
    assert len(left) == 2
    assert client.node_pools() == ()
    assert served.calls("POST") == [("POST", "/nodepool", 200)]
    assert [(verb, status) for verb, _, status in served.calls("PUT")] == [("PUT", 200)]


@pytest.mark.parametrize("habit", ["null", "empty", "204"])
def test_our_client_takes_any_form_of_no_answer(served: Running, habit: str) -> None:
    """What OVH sends for a call without a result is not documented."""
    served.control("PATCH", "/habits", {"void_answer": habit})
    client = served.client()
    pool = client.create_node_pool(spec(desired=0))

    client.update_node_pool(pool.id, max_nodes=50)

    assert client.node_pool(pool.id).max_nodes == 50


def test_pythons_library_works_against_it(two: Running) -> None:
    """python-ovh as it is: signatures, query strings, bodies, and the exceptions that it makes of errors."""
    api, cluster = two.library(), two.cluster(1)
    home = f"/cloud/project/{two.sim.world.project}/kube/{cluster.id}"

    pool = api.post(
        f"{home}/nodepool", flavorName="b3-16", name="by-hand", desiredNodes=1, availabilityZones=[ZONE], minNodes=0
    )
    api.put(f"{home}/nodepool/{pool['id']}", desiredNodes=2)

    assert pool["availabilityZones"] == [ZONE]
    assert api.get(f"{home}/nodepool/{pool['id']}")["desiredNodes"] == 2
    assert len(api.get(f"{home}/node")) == 2
    assert api.get("/cloud/project") == [two.sim.world.project]
    with pytest.raises(ovh.exceptions.BadParametersError, match="Cannot delete NodePool: NodePool status is INSTALL"):
        api.delete(f"{home}/nodepool/{pool['id']}")
    with pytest.raises(ovh.exceptions.BadParametersError, match="availabilityZones is mandatory"):
        api.post(f"{home}/nodepool", flavorName="b3-16")
    with pytest.raises(ovh.exceptions.ResourceNotFoundError, match="This service does not exist"):
        api.get("/cloud/project/other/kube")
    with pytest.raises(ovh.exceptions.ResourceConflictError):
        api.post(f"{home}/nodepool", flavorName="b3-16", name="by-hand", availabilityZones=[ZONE])


def test_every_listed_route_answers(two: Running) -> None:
    """All reads of the documentation, through one consumer."""
    api, cluster = two.library(), two.cluster()
    project = f"/cloud/project/{two.sim.world.project}"
    pool = api.post(f"{project}/kube/{cluster.id}/nodepool", flavorName="b3-8", desiredNodes=1)
    node = api.get(f"{project}/kube/{cluster.id}/nodepool/{pool['id']}/nodes")[0]

    assert api.get(project)["project_id"] == two.sim.world.project
    assert api.get(f"{project}/kube") == list(two.sim.world.clusters)
    assert api.get(f"{project}/capabilities/kube/regions") == ["GRA11", "EU-WEST-PAR"]
    assert api.get(f"{project}/region") == ["GRA11", "EU-WEST-PAR"]
    assert {each["region"] for each in api.get(f"{project}/quota")} == {"GRA11", "EU-WEST-PAR"}
    assert api.get(f"{project}/capabilities/kube/flavors", region="GRA11") == api.get(
        f"{project}/kube/{cluster.id}/flavors"
    )
    assert {each["region"] for each in api.get(f"{project}/flavor")} == {"GRA11", "EU-WEST-PAR"}
    assert api.get(f"{project}/kube/{cluster.id}/node/{node['id']}") == node
    assert api.get("/v1/auth/time") == pytest.approx(api.get("/auth/time"), abs=2)
    with pytest.raises(ovh.exceptions.BadParametersError, match="region"):
        api.get(f"{project}/capabilities/kube/flavors")
    with pytest.raises(ovh.exceptions.ResourceNotFoundError, match="invalid"):
        api.get("/cloud/nothing")


def test_flavors_say_what_can_be_had(two: Running) -> None:
    """Kubernetes lists GB and stock, Nova disks, head-room and plan codes; GPUs only where the guide names them."""
    free, standard = two.client(), two.client(index=1)
    kube = {each.name: each for each in free.kube_flavors()}
    nova = {each.name: each for each in free.nova_flavors("GRA11")}
    three = {each.name: each for each in standard.nova_flavors("EU-WEST-PAR")}

    assert (kube["b3-16"].vcpus, kube["b3-16"].ram_gb, kube["b3-16"].available) == (4, 16, True)
    assert kube["l40s-90"].gpus == 1
    assert "l40s-90" not in {each.name for each in standard.kube_flavors()}
    assert (nova["b3-16"].ram, nova["b3-16"].disk) == (16_000, 100)
    assert nova["b2-7"].plan_codes == types.PlanCodes(hourly="b2-7.consumption", monthly="b2-7.monthly.postpaid")
    assert nova["b3-16"].plan_codes == types.PlanCodes(hourly="b3-16.consumption", monthly=None)
    assert three["b3-16"].plan_codes.hourly == "b3-16.consumption.3AZ"
    assert three["c3-16"].plan_codes.hourly == "c3-16.consumption"
    assert not [name for name in nova if name.startswith("win-")]


def test_a_catalogue_refreshed_from_it_is_the_embedded_one(two: Running) -> None:
    """Flavors, prices and sizes survive the way through OVH's shapes."""
    for index, (region, zones) in enumerate([("GRA11", ()), ("EU-WEST-PAR", (ZONE, "eu-west-par-b", "eu-west-par-c"))]):
        client = two.client(index=index)
        fresh = refresh.from_api(
            region,
            [each.model_dump(by_alias=True) for each in client.kube_flavors()],
            [each.model_dump(by_alias=True) for each in client.nova_flavors(region)],
            client.price_catalogue("FR"),
            availability_zones=zones,
            version="test",
        )
        known = catalogue.embedded().flavors

        assert len(fresh.flavors) > 30
        for name, each in fresh.flavors.items():
            assert (each.hourly_micro_eur, each.vcpus, each.memory_gib, each.disk_gib, each.allocatable) == (
                known[name].hourly_micro_eur,
                known[name].vcpus,
                known[name].memory_gib,
                known[name].disk_gib,
                known[name].allocatable,
            )


def test_prices_are_public_and_in_euro_only(served: Running) -> None:
    """Integers in hundred-millionths; no credentials; other currencies are another universe."""
    client = served.client()
    addons = {addon["planCode"]: addon for addon in client.price_catalogue("IE")["addons"]}

    assert addons["b3-8.consumption"]["pricings"][0]["price"] == 5_120_000
    assert "b3-8.monthly.postpaid" not in addons
    with pytest.raises(errors.BadRequestError, match="ovhSubsidiary"):
        client.price_catalogue("US")


def test_stock_and_quota_show_in_the_lists(served: Running) -> None:
    """State unavailable, available false, and how many more fit."""
    client = served.client()
    served.control("PUT", "/stock", {"flavor": "b3-16", "left": 0})
    served.control("PATCH", "/quota/GRA11", {"cores": 10, "other_cores": 3})
    client.create_node_pool(spec(desired=1))
    served.advance(300)

    kube = {each.name: each for each in client.kube_flavors()}
    nova = {each.name: each for each in client.nova_flavors("GRA11")}

    assert not kube["b3-16"].available
    assert not nova["b3-16"].available
    assert (nova["b3-8"].quota, nova["b3-16"].quota) == (2, 1)
    assert client.quota("GRA11").left()["vcpus"] == 5
    served.control("PUT", "/stock", {"flavor": "b3-16", "left": None})
    assert all(each.available for each in client.kube_flavors())


@pytest.mark.parametrize("keys", [running.APPLICATION, running.ACCOUNT])
def test_the_least_rights_are_enough(two: Running, keys: Any) -> None:
    """Everything that the client does works with the rights that the documents ask for."""
    two.control("PUT", "/rights", {"least": True})
    client = two.client(keys)

    pool = client.create_node_pool(spec(desired=0))
    client.update_node_pool(pool.id, desired_nodes=1)
    assert len(client.nodes(client.node_pool(pool.id).id)) == 1
    assert client.node_pools()
    assert client.kube_flavors()
    assert client.nova_flavors("GRA11")
    assert client.region("GRA11").name == client.quota("GRA11").region == client.cluster().region
    two.advance(300)
    client.delete_node_pool(pool.id)
    with pytest.raises(ovh.exceptions.NotGrantedCall):
        two.library().get("/cloud/project")


def test_each_needed_right_is_needed(two: Running) -> None:
    """Without any one of them a call of the client is refused, and readiness can name it beforehand."""
    client = two.client()
    world, cluster = two.sim.world, two.cluster()
    pool = client.create_node_pool(spec(desired=0))
    two.advance(10)
    acts: dict[str, list[Callable[[], object]]] = {
        "GET": [
            client.cluster,
            client.kube_flavors,
            client.node_pools,
            lambda: client.nodes(pool.id),
            lambda: client.nova_flavors("GRA11"),
            lambda: client.quota("GRA11"),
        ],
        "POST": [lambda: client.create_node_pool(spec("another"))],
        "PUT": [lambda: client.update_node_pool(pool.id, max_nodes=9)],
        "DELETE": [lambda: client.delete_node_pool(pool.id)],
    }
    needed = rights.needed(world.project, cluster.id)
    for lacking in needed:
        rules = [right.rule for right in needed if right != lacking]
        two.control("PUT", "/rights", {"rules": rules})
        refused = 0
        for act in acts[lacking.method]:
            try:
                act()
            except errors.PermissionMissingError:
                refused += 1
        granted = client.granted()

        assert refused == 1, lacking
        assert granted is not None
        assert rights.missing(granted.rules, world.project, cluster.id) == (lacking,)


def test_a_service_account_is_told_the_iam_action(two: Running) -> None:
    """What a policy has to allow, in the refusal itself."""
    two.control("PUT", "/rights", {"rules": ["GET /*"]})
    client = two.client(running.ACCOUNT)

    with pytest.raises(errors.PermissionMissingError, match="kube/nodepool/create"):
        client.create_node_pool(spec())


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("application_key", "INVALID_KEY"),
        ("consumer_key", "NOT_CREDENTIAL"),
        ("application_secret", "INVALID_SIGNATURE"),
    ],
)
def test_wrong_keys_are_refused(served: Running, field: str, code: str) -> None:
    """Each with the code that OVH uses, without the keys in the text."""
    keys = credentials.ApplicationKey(
        **{
            name: "wrong-value" if name == field else getattr(running.APPLICATION, name)
            for name in ("application_key", "application_secret", "consumer_key")
        }
    )

    with pytest.raises(errors.CredentialsError) as caught:
        served.client(keys).cluster()
    assert caught.value.context.code == code
    assert "wrong-value" not in str(caught.value)


def test_a_wrong_client_secret_is_refused(served: Running) -> None:
    """By the token route."""
    wrong = credentials.ServiceAccount(running.KEYS.client_id, "wrong-value")

    with pytest.raises(errors.CredentialsError, match="client authentication failed"):
        served.client(wrong).cluster()


def test_a_request_without_credentials_is_refused(served: Running) -> None:
    """Only the time and the prices are public."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{served.root}/1.0/cloud/project", timeout=5)
    with caught.value as error:
        assert (error.code, json.loads(error.read())["errorCode"]) == (403, "INVALID_KEY")
    with urllib.request.urlopen(f"{served.root}/1.0/auth/time", timeout=5) as answer:
        assert isinstance(json.loads(answer.read()), int)


def test_the_state_survives_a_restart(tmp_path: Path) -> None:
    """Pools, nodes and what is planned for them: the second process goes on where the first ended."""
    file = tmp_path / "state.json"
    with running.serve(state_file=file) as first:
        pool = first.client().create_node_pool(spec())
        first.advance(50)
    world = store.load(file)
    stopped_at = world.now
    again = state.Simulation(world, running.simulation().shop)
    with running.serve(again, state_file=file) as second:
        nodes = second.client().nodes(pool.id)
        second.advance(300)
        status = second.client().node_pool(pool.id).status

    assert stopped_at == running.START + 50
    assert [node.status for node in nodes] == ["INSTALLING", "INSTALLING"]
    assert status == "READY"
    assert list(tmp_path.iterdir()) == [file], "no temporary files are left"


def test_every_change_is_in_the_file_before_its_answer(tmp_path: Path) -> None:
    """A killed simulator has promised nothing that it forgets."""
    file = tmp_path / "state.json"
    with running.serve(state_file=file) as served:
        pool = served.client().create_node_pool(spec())

        assert store.load(file).pools[pool.id].desired == 2


def test_the_call_log_says_who_asked_what_and_when(served: Running) -> None:
    """Method, path, query, body, status and simulated time; no headers, so no signatures."""
    client = served.client()
    client.create_node_pool(spec())
    served.advance(60)
    client.nova_flavors("GRA11")
    log = served.control("GET", "/calls")

    assert [(call["method"], call["status"]) for call in log] == [("POST", 200), ("GET", 200)]
    assert log[0]["body"]["flavorName"] == "b3-8"
    assert log[1]["query"] == "region=GRA11"
    assert log[0]["time"] < log[1]["time"]
    assert set(log[0]) == {"number", "time", "method", "path", "query", "body", "status", "fault"}
    assert [call["method"] for call in served.control("GET", f"/calls?after={log[0]['number']}")] == ["GET"]
    served.control("DELETE", "/calls")
    assert served.control("GET", "/calls") == []


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", "/clock", {"advance": -1}, "does not run backwards"),
        ("POST", "/clock", {"speed": 2}, "this clock moves only by advance"),
        ("POST", "/clock", {"foo": 2}, "foo is not known here; known are advance, speed"),
        ("POST", "/clock", None, "an object with some of advance, speed is wanted"),
        ("POST", "/faults", {"kind": "flood"}, "kind"),
        ("POST", "/faults", {"kind": "cut", "count": 0}, "count"),
        ("DELETE", "/faults/7", None, "fault 7 is not in force"),
        ("PATCH", "/habits", {"node_flavor": "colour"}, "node_flavor"),
        ("PATCH", "/timings", {"boot": 3}, "boot"),
        ("PATCH", "/quota/MOON", {"cores": 3}, "region MOON does not exist"),
        ("PUT", "/stock", {"flavor": "x1"}, "'x1' is not sold here"),
        ("PUT", "/rights", {"rules": ["GET"]}, "rules: a list like"),
        ("POST", "/nodes/none/break", {}, "node none does not exist"),
        ("GET", "/nothing", None, "no control route"),
    ],
)
def test_senseless_orders_are_refused(served: Running, method: str, path: str, body: Any, message: str) -> None:
    """One sentence each."""
    assert message in served.control(method, path, body)


def test_the_operators_side_lists_itself(served: Running) -> None:
    """GET /control is the reference; the settings can be read back."""
    listed = [entry["route"] for entry in served.control("GET", "")]

    assert "POST /control/faults" in listed
    assert served.control("GET", "/habits")["node_flavor"] == "name"
    assert served.control("GET", "/timings")["boot"] == [60.0, 300.0]
    assert served.control("GET", "/state")["project"] == served.sim.world.project
    assert served.control("GET", "/clock")["now"] == running.START
    assert served.control("PUT", "/auth", {"skew": 5}) == {"skew": 5.0, "tokens": 0}


def test_the_operators_side_answers_to_this_machine_only(served: Running) -> None:
    """Whoever listens on all addresses does not open the faults to all."""
    for remote, status in (("10.0.0.9", 403), ("::ffff:10.0.0.9", 403), ("127.0.0.1", 200), ("::1", 200)):
        request = server.HTTPRequest("GET", "/control", {}, "", remote)

        assert served.simulator.answer(request).status == status


def test_anti_affinity_and_pool_sizes_are_held(served: Running) -> None:
    """Five with anti-affinity, a hundred without."""
    client = served.client()
    apart = client.create_node_pool(spec("apart", desired=5, anti_affinity=True, max_nodes=5))

    with pytest.raises(errors.BadRequestError, match="not between"):
        client.update_node_pool(apart.id, desired_nodes=6)
    with pytest.raises(errors.BadRequestError, match="limit of 5"):
        client.update_node_pool(apart.id, desired_nodes=6, max_nodes=6)
    with pytest.raises(errors.BadRequestError, match="limit of 100"):
        client.create_node_pool(spec("big", desired=1, max_nodes=200))


def test_the_world_is_plain_data() -> None:
    """Nothing in it is lost on the way to JSON and back."""
    sim = running.simulation()
    pool = sim.create_pool(next(iter(sim.world.clusters)), running.rules_of(spec()))
    text = json.dumps(store.dump(sim.world))

    assert json.loads(text)["pools"][pool.id]["name"] == "pool"
    assert isinstance(sim.world, model.World)
