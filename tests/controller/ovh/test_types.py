"""What the answers mean, and which rights are missing."""

from __future__ import annotations

import pytest

from controller.ovh import credentials, errors, rights, types


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("INSTALLING", types.Phase.CREATING),
        ("REDEPLOYING", types.Phase.CREATING),
        ("SOMETHING_NEW", types.Phase.CREATING),
        ("READY", types.Phase.READY),
        ("UPDATING", types.Phase.READY),
        ("DELETING", types.Phase.LEAVING),
        ("FLAVOR_OUT_OF_STOCK_ERROR", types.Phase.OUT_OF_STOCK),
        ("USER_QUOTA_ERROR", types.Phase.OUT_OF_QUOTA),
        ("ERROR", types.Phase.BROKEN),
    ],
)
def test_a_node_status_has_a_meaning(status: str, phase: types.Phase) -> None:
    """Unknown strings are transient: OVH adds states without notice."""
    assert types.Node(id="n", status=status).phase is phase


def test_a_node_without_machine_has_no_provider_id() -> None:
    """A bare ``openstack:///`` would match every other node without a machine."""
    assert types.Node(id="n", status="INSTALLING").provider_id is None
    assert types.Node(id="n", status="READY", instance_id="i-1").provider_id == "openstack:///i-1"


def test_quota_left_is_never_negative_and_minus_one_is_no_limit() -> None:
    """OpenStack writes -1 for unlimited; a lowered quota may lie below what is used."""
    quota = types.Quota.model_validate(
        {
            "region": "GRA11",
            "instance": {
                "maxCores": 34,
                "usedCores": 40,
                "maxInstances": -1,
                "usedInstances": 4,
                "maxRam": 430_000,
                "usedRAM": 14_000,
            },
        }
    )

    assert quota.left() == {"vcpus": 0, "memory_mb": 416_000, "instances": None}


def _rules(*texts: str) -> list[types.AccessRule]:
    return [types.AccessRule(method=text.split(" ", 1)[0], path=text.split(" ", 1)[1]) for text in texts]


def test_a_wildcard_grants_all_reads() -> None:
    """``*`` matches any text, slashes included; writes stay missing."""
    missing = rights.missing(_rules("GET /cloud/project/p/*"), "p", "k")

    assert [right.rule for right in missing] == [
        "POST /cloud/project/p/kube/k/nodepool",
        "PUT /cloud/project/p/kube/k/nodepool/*",
        "DELETE /cloud/project/p/kube/k/nodepool/*",
    ]


def test_a_trailing_blank_grants_nothing_and_is_pointed_out() -> None:
    """Rules are often pasted with one, look right, and never match."""
    rules = _rules(*(right.rule for right in rights.needed("p", "k")))
    spoiled = [*rules[1:], types.AccessRule(method="GET", path="/cloud/project/p/kube/k ")]

    assert rights.missing(rules, "p", "k") == ()
    assert [right.purpose for right in rights.missing(spoiled, "p", "k")] == ["read the cluster's region and plan"]
    assert rights.blanks(spoiled) == ("GET '/cloud/project/p/kube/k '",)


def test_an_endpoint_is_a_name_or_a_url() -> None:
    """The simulator is reached like the real thing; tokens come from the same host."""
    local = credentials.endpoint("http://127.0.0.1:8080/1.0/")

    assert credentials.endpoint("ovh-eu").base == "https://eu.api.ovh.com/1.0"
    assert local == credentials.Endpoint("http://127.0.0.1:8080/1.0", "http://127.0.0.1:8080/auth/oauth2/token")
    assert credentials.endpoint("http://127.0.0.1:8080") == local
    assert credentials.endpoint("https://eu.api.ovh.com/1.0") == credentials.ENDPOINTS["ovh-eu"]
    for bad in ("ovh-mars", "ftp://x/1.0", "https://user:pw@host/1.0", "localhost:8080"):
        with pytest.raises(errors.CredentialsError, match="neither one of"):
            credentials.endpoint(bad)


def test_credentials_come_from_a_secret_or_the_environment() -> None:
    """Newlines that a Secret brings along are dropped; empty values count as absent."""
    secret = {"endpoint": "ovh-ca", "applicationKey": "a\n", "applicationSecret": "b", "consumerKey": "c"}
    environment = {"OVH_CLIENT_ID": "i", "OVH_CLIENT_SECRET": "s", "OVH_APPLICATION_KEY": ""}

    assert credentials.parse(secret) == (credentials.ENDPOINTS["ovh-ca"], credentials.ApplicationKey("a", "b", "c"))
    assert credentials.parse(environment) == (credentials.ENDPOINTS["ovh-eu"], credentials.ServiceAccount("i", "s"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, r"applicationKey \(or OVH_APPLICATION_KEY\), applicationSecret .* missing"),
        ({"applicationKey": "a", "applicationSecret": "b"}, r"incomplete: consumerKey \(or OVH_CONSUMER_KEY\) missing"),
        ({"clientId": "a"}, r"incomplete: clientSecret \(or OVH_CLIENT_SECRET\) missing"),
        ({"clientId": "a", "clientSecret": "b", "consumerKey": "c"}, "both an application key and an OAuth2 client"),
        ({"clientId": "a", "clientSecret": "two words"}, "clientSecret is empty or holds a blank"),
    ],
)
def test_incomplete_credentials_say_what_is_missing(values: dict[str, str], message: str) -> None:
    """One sentence, with the Secret's key and the variable, and no value."""
    with pytest.raises(errors.CredentialsError, match=message) as caught:
        credentials.parse(values)
    assert "two words" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("-3", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    """RFC 9110 allows both; a date in the past means now."""
    assert errors.retry_after_seconds(value, now=60.0) == seconds
