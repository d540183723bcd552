"""The OVH client against an HTTP server that answers from a script."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import time as wall
import traceback
from collections.abc import Iterator
from typing import Any

import ovh
import pytest

from controller.ovh import client as clients
from controller.ovh import credentials, errors, transport, types
from tests.controller.ovh import script
from tests.controller.ovh.script import Reply

K = f"/1.0/cloud/project/{script.PROJECT}/kube/{script.CLUSTER}"
POOL_ID = "0199a1b2-0000-7000-8000-000000000001"
POOL = {
    "id": POOL_ID,
    "projectId": script.PROJECT,
    "name": "karpenter-b3-16-nova",
    "flavor": "b3-16",
    "status": "UPSCALING",
    "sizeStatus": "UNDER_CAPACITY",
    "desiredNodes": 3,
    "minNodes": 0,
    "maxNodes": 100,
    "currentNodes": 3,
    "availableNodes": 2,
    "upToDateNodes": 3,
    "autoscale": False,
    "monthlyBilled": False,
    "antiAffinity": False,
    "availabilityZones": None,
    "template": {
        "metadata": {"labels": {"team": "web"}, "annotations": {}, "finalizers": []},
        "spec": {"taints": [], "unschedulable": False},
    },
    "createdAt": "2026-09-01T10:00:00Z",
    "brandNewField": {"x": 1},
}
SPEC = types.NodePoolSpec(name="karpenter-b3-16-nova", flavor="b3-16", desired_nodes=3)
HTML = Reply(502, raw=b"<html>Bad Gateway</html>")


@pytest.fixture
def answers() -> script.Script:
    return script.Script()


@pytest.fixture
def time() -> script.Time:
    return script.Time()


@pytest.fixture
def url(answers: script.Script) -> Iterator[str]:
    with script.serve(answers) as base:
        yield base


@pytest.fixture
def client(url: str, time: script.Time) -> clients.OVHClient:
    return script.client(url, time)


def test_an_answer_becomes_a_frozen_model_and_unknown_fields_are_ignored(
    answers: script.Script, client: clients.OVHClient
) -> None:
    """Field names in snake case, null zones as none, the zone label of a one-zone region, times as datetimes."""
    answers.queue = [Reply(body=[POOL])]

    (pool,) = client.node_pools()

    assert (pool.id, pool.desired_nodes, pool.availability_zones, pool.zone) == (POOL_ID, 3, (), "nova")
    assert pool.template.metadata.labels == {"team": "web"}
    assert not pool.settled
    assert pool.created_at is not None
    assert pool.created_at.year == 2026
    with pytest.raises(ValueError, match="frozen"):
        setattr(pool, "desired_nodes", 4)  # noqa: B010


def test_requests_are_signed_as_ovh_wants_it(answers: script.Script, client: clients.OVHClient, url: str) -> None:
    """The signature is $1$ and the SHA-1 of secret, consumer key, method, URL, sent body and OVH's time."""
    answers.queue = [Reply(body=None)]

    client.update_node_pool(POOL_ID, desired_nodes=4)

    request = answers.requests[-1]
    stamp = request.headers["X-Ovh-Timestamp"]
    assert request.body == '{"desiredNodes":4}'
    assert abs(int(stamp) - 1_000_000) <= 2
    text = "+".join(
        [script.KEYS.application_secret, script.KEYS.consumer_key, "PUT", url + request.path, request.body, stamp]
    )
    assert request.headers["X-Ovh-Signature"] == "$1$" + hashlib.sha1(text.encode()).hexdigest()


def test_the_library_holds_what_its_own_constructor_would_give_it(client: clients.OVHClient) -> None:
    """Its constructor is bypassed, so a release of python-ovh that keeps its state elsewhere must fail here."""
    real = ovh.Client("ovh-eu", application_key="a", application_secret="b", consumer_key="c")

    ours = client.transport._client()

    assert vars(ours).keys() == vars(real).keys()


def test_unrelated_variables_do_not_spoil_the_credentials(
    answers: script.Script, client: clients.OVHClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """python-ovh would refuse an application key beside an OVH_CLIENT_ID, even an empty one."""
    monkeypatch.setenv("OVH_CLIENT_ID", "")
    monkeypatch.setenv("OVH_APPLICATION_KEY", "another")
    answers.queue = [Reply(body=[])]

    assert client.node_pools() == ()
    assert answers.requests[-1].headers["X-Ovh-Application"] == script.KEYS.application_key


def test_a_creation_sends_the_whole_template_and_never_autoscale(
    answers: script.Script, client: clients.OVHClient
) -> None:
    """OVH refuses a template with one of its five members missing, and takes no zones in a one-zone region."""
    answers.queue = [Reply(body=POOL)]
    taint = types.Taint(key="team", value="web", effect="NoSchedule")
    spec = SPEC.model_copy(update={"template": types.Template(spec=types.TemplateSpec(taints=(taint,)))})

    assert client.create_node_pool(spec).id == POOL_ID

    body = json.loads(answers.requests[-1].body)
    assert body["autoscale"] is False
    assert "availabilityZones" not in body
    assert body["template"] == {
        "metadata": {"labels": {}, "annotations": {}, "finalizers": []},
        "spec": {"taints": [{"key": "team", "value": "web", "effect": "NoSchedule"}], "unschedulable": False},
    }


def test_a_taint_without_value_is_refused_before_the_network(answers: script.Script, client: clients.OVHClient) -> None:
    """Kubernetes allows it, OVH node pools do not."""
    taint = types.Taint(key="team", effect="NoSchedule")
    spec = SPEC.model_copy(update={"template": types.Template(spec=types.TemplateSpec(taints=(taint,)))})

    with pytest.raises(errors.BadRequestError, match="taint team:NoSchedule has no value"):
        client.create_node_pool(spec)
    assert answers.requests == []


def test_an_update_sends_only_what_changes(answers: script.Script, client: clients.OVHClient) -> None:
    """What is left out keeps its value at OVH."""
    answers.queue = [Reply(204), Reply(200, raw=b""), Reply(200, body=None)]

    client.update_node_pool(POOL_ID, desired_nodes=2, nodes_to_remove=["openstack:///i-1"])
    client.update_node_pool(POOL_ID, template=types.Template())
    client.delete_node_pool(POOL_ID)

    assert json.loads(answers.requests[1].body) == {"desiredNodes": 2, "nodesToRemove": ["openstack:///i-1"]}
    assert list(json.loads(answers.requests[2].body)) == ["template"]
    with pytest.raises(ValueError, match="needs desired_nodes"):
        client.update_node_pool(POOL_ID, nodes_to_remove=["n"])


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"class": "Client::BadRequest", "message": "availabilityZones is mandatory"}, errors.BadRequestError),
        (422, {"class": "Client::BadRequest", "message": "not multi-zone compatible"}, errors.BadRequestError),
        (
            400,
            {
                "class": "Client::BadRequest",
                "message": "[IntegrityError] 400: Cannot delete NodePool: NodePool status is UPSCALING",
            },
            errors.BusyError,
        ),
        (409, {"class": "Client::Conflict", "message": "a pool of that name exists"}, errors.ConflictError),
        (404, {"message": "This service does not exist"}, errors.NotFoundError),
        (
            412,
            {
                "class": "Client::PreconditionFailed::InsufficientVCPUsQuota",
                "message": "Cannot perform operation: current vCPUs quota is insufficient",
            },
            errors.QuotaError,
        ),
        (400, {"message": "Your project's RAM quota is too low to perform the operation."}, errors.QuotaError),
        (409, {"message": "flavor b3-16 is out of stock"}, errors.StockError),
        (403, {"errorCode": "NOT_GRANTED_CALL", "message": "not granted"}, errors.PermissionMissingError),
        (403, {"errorCode": "FORBIDDEN", "message": "no"}, errors.PermissionMissingError),
        (403, {"class": "Client::Forbidden", "message": "no"}, errors.PermissionMissingError),
        (403, {"errorCode": "INVALID_CREDENTIAL", "message": "not valid"}, errors.CredentialsError),
        (403, {"errorCode": "NOT_CREDENTIAL", "message": "unknown"}, errors.CredentialsError),
        (403, {"errorCode": "INVALID_KEY", "message": "unknown"}, errors.CredentialsError),
        (401, {"class": "Client::Unauthorized", "message": "no"}, errors.CredentialsError),
        (460, {"message": "expired"}, errors.BadRequestError),
    ],
)
def test_refusals_are_told_apart_and_not_repeated(
    answers: script.Script,
    client: clients.OVHClient,
    status: int,
    body: dict[str, str],
    kind: type[errors.OVHError],
) -> None:
    """Each known error body becomes the class that a caller acts on, after a single request."""
    answers.queue = [Reply(status, body, {"X-OVH-QUERYID": "EU.ext-3.42"})]

    with pytest.raises(errors.OVHError) as caught:
        client.node_pools()

    assert type(caught.value) is kind
    assert caught.value.context.query_id == "EU.ext-3.42"
    assert "EU.ext-3.42" in str(caught.value)
    assert len(answers.calls) == 1


@pytest.mark.parametrize(
    ("message", "resource"),
    [
        ("Cannot perform operation: current vCPUs quota is insufficient", "vcpus"),
        ("Your project's RAM quota is too low", "memory"),
        ("instances quota exceeded", "instances"),
        ("quota exceeded", ""),
    ],
)
def test_a_quota_error_names_the_resource(message: str, resource: str) -> None:
    """So that a condition can say which quota to raise."""
    assert errors.QuotaError(message).resource == resource


def test_a_missing_right_names_the_call_or_the_iam_action(answers: script.Script, client: clients.OVHClient) -> None:
    """Application keys need a rule for method and path, service accounts an IAM action that OVH names."""
    iam = {
        "class": "Client::Forbidden",
        "message": "User not granted for this request",
        "details": {"unauthorizedActionsByIAM": "publicCloudProject:apiovh:kube/nodepool/get"},
    }
    answers.queue = [Reply(403, iam), Reply(403, {"errorCode": "NOT_GRANTED_CALL", "message": "not granted"})]

    with pytest.raises(errors.PermissionMissingError, match="IAM action publicCloudProject:apiovh:kube/nodepool/get"):
        client.node_pools()
    with pytest.raises(errors.PermissionMissingError, match=f"lack POST {K[4:]}/nodepool"):
        client.create_node_pool(SPEC)


@pytest.mark.parametrize(
    "trouble",
    [
        HTML,
        Reply(500, {"message": "Internal Server Error"}),
        Reply(404, raw=b"<html>no such host</html>"),
        Reply(403, raw=b"<html>firewall</html>"),
        Reply(500, ["not", "an", "object"]),
        Reply(200, raw=b"<html>login</html>"),
        Reply(200, {}),
        Reply(200, body=None),
        Reply(200, [POOL, {"id": "half a pool"}]),
        Reply(hang_up=True),
    ],
)
def test_reads_are_repeated_after_an_outage(
    answers: script.Script, client: clients.OVHClient, time: script.Time, trouble: Reply
) -> None:
    """Gateway pages, 5xx, cut connections, answers not understood: never "not found", never a shorter list."""
    answers.queue = [trouble, trouble, Reply(body=[POOL])]

    assert len(client.node_pools()) == 1
    assert time.slept == [0.5, 1.0]


def test_an_outage_that_lasts_is_raised_after_the_last_attempt(
    answers: script.Script, client: clients.OVHClient, time: script.Time
) -> None:
    """Four attempts here, with doubling ceilings between."""
    answers.queue = [HTML] * 4

    with pytest.raises(errors.OutageError, match="gateway"):
        client.cluster()
    assert time.slept == [0.5, 1.0, 2.0]


def test_throttling_waits_as_told_and_the_whole_budget_rests(
    answers: script.Script, client: clients.OVHClient, time: script.Time
) -> None:
    """A 429 was not executed, so even a creation is sent again; Retry-After comes first, jitter on top."""
    answers.queue = [Reply(429, {"message": "slow"}, {"Retry-After": "7"}), Reply(body=POOL), Reply(body=[])]

    client.create_node_pool(SPEC)
    after_wait = time.now
    client.node_pools()

    assert time.slept[0] == 7.5
    assert after_wait == 7.5
    assert time.now >= 8.0, "no burst after a rest that OVH asked for"


def test_a_retry_after_beyond_patience_is_left_to_the_caller(
    answers: script.Script, client: clients.OVHClient, time: script.Time
) -> None:
    """The loop that asked can come back later; a thread that sleeps for an hour cannot. Nobody else asks meanwhile."""
    answers.queue = [Reply(429, {"message": "slow"}, {"Retry-After": "3600"}), Reply(body=[])]

    with pytest.raises(errors.ThrottledError) as caught:
        client.node_pools()
    assert caught.value.retry_after == 3600
    with pytest.raises(errors.ThrottledError, match="not sent") as caught:
        client.cluster()
    assert caught.value.retry_after == 3600
    assert (time.slept, len(answers.calls)) == ([], 1)
    time.now += 3600
    assert client.node_pools() == ()


@pytest.mark.parametrize("trouble", [HTML, Reply(504, raw=b"<html>"), Reply(hang_up=True), Reply(200, {"id": "x"})])
def test_a_creation_that_may_have_acted_is_not_repeated(
    answers: script.Script, client: clients.OVHClient, trouble: Reply
) -> None:
    """A second POST would make a second pool: the caller has to list."""
    answers.queue = [trouble]

    with pytest.raises(errors.AmbiguousError, match="may have acted"):
        client.create_node_pool(SPEC)
    assert answers.calls == [("POST", f"{K}/nodepool")]


def test_only_absolute_updates_are_repeated(answers: script.Script, client: clients.OVHClient) -> None:
    """The same absolute size twice is the same size; what a second nodesToRemove does is not documented."""
    answers.queue = [HTML, Reply(204), HTML]

    client.update_node_pool(POOL_ID, desired_nodes=4)
    with pytest.raises(errors.AmbiguousError):
        client.update_node_pool(POOL_ID, desired_nodes=3, nodes_to_remove=["n-1"])
    assert len(answers.calls) == 3


def test_a_creation_that_never_left_is_repeated(url: str, time: script.Time, answers: script.Script) -> None:
    """A connection that was refused carried nothing."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
    client = script.client(nobody, time)
    client.transport._offset = (0, 1e9)

    with pytest.raises(errors.OutageError) as caught:
        client.create_node_pool(SPEC)

    assert type(caught.value) is errors.OutageError
    assert not caught.value.sent
    assert len(time.slept) == 3


@pytest.mark.parametrize("code", ["INVALID_SIGNATURE", "QUERY_TIME_OUT"])
def test_a_clock_that_jumped_is_read_again_once(answers: script.Script, client: clients.OVHClient, code: str) -> None:
    """A refused signature was not executed; if the second is refused too, the secret is wrong."""
    clock = iter([100, 5000, 5000])
    answers.routes["/1.0/auth/time"] = lambda: Reply(body=next(clock))
    refused = Reply(400, {"errorCode": code, "httpCode": "400 Bad Request", "message": "no"})
    answers.queue = [refused, Reply(body=POOL), refused, refused]

    client.create_node_pool(SPEC)
    stamps = [int(r.headers["X-Ovh-Timestamp"]) for r in answers.requests if r.method == "POST"]
    with pytest.raises(errors.CredentialsError):
        client.node_pools()

    assert abs(stamps[0] - 100) <= 2
    assert abs(stamps[1] - 5000) <= 2


@pytest.mark.parametrize("trouble", [HTML, Reply(body={}), Reply(hang_up=True), Reply(429, {"message": "slow"})])
def test_trouble_with_the_clock_route_never_makes_a_call_ambiguous(
    answers: script.Script, client: clients.OVHClient, trouble: Reply
) -> None:
    """The creation itself was not sent yet."""
    replies = iter([trouble, Reply(body=1_000_000)])
    answers.routes["/1.0/auth/time"] = lambda: next(replies)
    answers.queue = [Reply(body=POOL)]

    assert client.create_node_pool(SPEC).id == POOL_ID


def _tokens(answers: script.Script, *replies: Reply) -> None:
    queue = iter(replies)
    answers.routes["/auth/oauth2/token"] = lambda: next(queue)


def _token(text: str, lifetime: int = 3600) -> Reply:
    return Reply(body={"access_token": text, "token_type": "Bearer", "expires_in": lifetime, "scope": "all"})


def test_a_service_account_gets_a_token_and_renews_it(url: str, answers: script.Script, time: script.Time) -> None:
    """One token for many calls, a new one a minute before it expires."""
    client = script.client(url, time, script.ACCOUNT)
    _tokens(answers, _token("t-1"), _token("t-2"))
    answers.queue = [Reply(body=[]) for _ in range(3)]

    client.node_pools()
    client.node_pools()
    time.now += 3541
    client.node_pools()

    sent = [r.headers.get("Authorization") for r in answers.requests if r.method == "GET"]
    assert sent == ["Bearer t-1", "Bearer t-1", "Bearer t-2"]
    form = answers.requests[0].body
    assert "grant_type=client_credentials" in form
    assert "scope=all" in form
    assert "X-Ovh-Application" not in answers.requests[1].headers


def test_a_revoked_token_is_replaced_once(url: str, answers: script.Script, time: script.Time) -> None:
    """A 401 was not executed, so even a creation is sent again."""
    client = script.client(url, time, script.ACCOUNT)
    _tokens(answers, _token("t-1"), _token("t-2"), _token("t-3"))
    denied = Reply(401, {"class": "Client::Unauthorized", "message": "expired"})
    answers.queue = [denied, Reply(body=POOL), denied, denied]

    client.create_node_pool(SPEC)
    with pytest.raises(errors.CredentialsError):
        client.node_pools()


def test_a_refused_service_account_says_so(url: str, answers: script.Script, time: script.Time) -> None:
    """A wrong client secret is a matter of credentials, not an outage."""
    client = script.client(url, time, script.ACCOUNT)
    _tokens(answers, Reply(401, {"error": "invalid_client"}))

    with pytest.raises(errors.CredentialsError, match="OAuth2 token refused: invalid_client"):
        client.node_pools()
    assert client.granted() is None


def test_a_consumer_key_reads_its_own_rules(answers: script.Script, client: clients.OVHClient) -> None:
    """What readiness compares with the rights needed."""
    answers.routes["/1.0/auth/currentCredential"] = lambda: Reply(
        body={"status": "validated", "expiration": None, "rules": [{"method": "GET", "path": "/cloud/*"}]}
    )

    granted = client.granted()

    assert granted is not None
    assert granted.rules == (types.AccessRule(method="GET", path="/cloud/*"),)


def test_every_attempt_is_observed_and_logged_with_its_query_id(
    url: str, answers: script.Script, time: script.Time, caplog: pytest.LogCaptureFixture
) -> None:
    """Metrics get operation, status and outcome; OVH's support asks for the query id."""
    calls: list[transport.Call] = []
    client = script.client(url, time, observe=calls.append)
    answers.queue = [HTML, Reply(body=[], headers={"X-OVH-QUERYID": "EU.ext-1.7"})]

    with caplog.at_level(logging.DEBUG):
        client.node_pools()

    assert [(c.operation, c.status, c.outcome) for c in calls] == [
        ("node_pools", 502, "OutageError"),
        ("node_pools", 200, "ok"),
    ]
    records = [r for r in caplog.records if r.message == "OVH call"]
    assert [(r.levelname, r.__dict__["queryId"]) for r in records] == [("WARNING", ""), ("DEBUG", "EU.ext-1.7")]


@pytest.mark.parametrize("keys", [script.KEYS, script.ACCOUNT])
def test_no_secret_reaches_a_log_a_traceback_or_a_repr(
    url: str,
    answers: script.Script,
    time: script.Time,
    keys: credentials.Credentials,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All loggers at debug, every kind of failure, an answer that repeats the keys: none of them shows."""
    client = script.client(url, time, keys)
    _tokens(answers, _token("token-secret-1"), _token("token-secret-1"))
    echo = f"the key {' '.join(keys.secrets)} is not known"
    answers.queue = [
        Reply(body=[]),
        Reply(403, {"errorCode": "INVALID_KEY", "message": echo}),
        Reply(400, {"class": "Client::BadRequest", "message": echo}),
        Reply(hang_up=True),
        *[Reply(500, {"message": echo})] * 4,
    ]
    shown = [repr(client), repr(client.transport), repr(keys), str(keys), f"{vars(client)}"]

    with caplog.at_level(logging.DEBUG):
        client.node_pools()
        for act in (client.node_pools, client.cluster, lambda: client.create_node_pool(SPEC), client.kube_flavors):
            with pytest.raises(errors.OVHError) as caught:
                act()
            shown += [str(caught.value), repr(caught.value)]
            shown += traceback.format_exception(caught.value, chain=True)
    shown += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]

    for secret in (*keys.secrets, "token-secret-1"):
        assert not [text for text in shown if secret in text]


def test_an_answer_that_does_not_come_in_time_is_an_outage(
    answers: script.Script, client: clients.OVHClient, time: script.Time, url: str
) -> None:
    """Read timeouts count as sent: a creation becomes ambiguous."""
    held: list[Any] = []

    def hold() -> Reply:
        held.append(wall.monotonic())
        while len(held) < 2:
            wall.sleep(0.01)
        return Reply(hang_up=True)

    client.transport._timeouts = transport.Timeouts(2.0, 0.05)
    answers.routes[f"{K}/nodepool"] = hold

    with pytest.raises(errors.AmbiguousError, match="no answer in time"):
        client.create_node_pool(SPEC)
    held.append(None)


def test_query_arguments_and_ids_are_quoted(answers: script.Script, client: clients.OVHClient) -> None:
    """Names come from configuration and from OVH; neither may change the path."""
    catalogue: dict[str, Any] = {"addons": []}
    answers.queue = [Reply(body=[]), Reply(body={"name": "GRA/11", "availabilityZones": None}), Reply(body=catalogue)]

    client.nova_flavors("EU WEST&x")
    assert client.region("GRA/11").availability_zones == ()
    assert client.price_catalogue("FR") == catalogue

    assert [path.rsplit("/", 1)[1] for _, path in answers.calls] == [
        "flavor?region=EU+WEST%26x",
        "GRA%2F11",
        "cloud?ovhSubsidiary=FR",
    ]
    assert "X-Ovh-Signature" not in answers.requests[-1].headers, "the catalogue is public"


def test_a_dry_run_sends_nothing_that_changes_something(answers: script.Script, client: clients.OVHClient) -> None:
    """Reading goes on; creations, resizes and deletions never leave the process."""
    client.transport.dry_run = True
    answers.queue.append(Reply(body=[POOL]))
    assert [pool.name for pool in client.node_pools()] == ["karpenter-b3-16-nova"]
    for change in (
        lambda: client.create_node_pool(SPEC),
        lambda: client.update_node_pool(POOL_ID, desired_nodes=4),
        lambda: client.delete_node_pool(POOL_ID),
    ):
        with pytest.raises(errors.DryRunError, match="dry run"):
            change()
    assert all(method == "GET" for method, _ in answers.calls)
