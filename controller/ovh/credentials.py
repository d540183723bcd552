"""Endpoints and the two kinds of credentials, with secrets that no repr shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from controller.ovh import errors


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Base URL of the API without a trailing slash, and where OAuth2 tokens come from."""

    base: str
    token_url: str


ENDPOINTS = {
    "ovh-eu": Endpoint("https://eu.api.ovh.com/1.0", "https://www.ovh.com/auth/oauth2/token"),
    "ovh-ca": Endpoint("https://ca.api.ovh.com/1.0", "https://ca.ovh.com/auth/oauth2/token"),
    "ovh-us": Endpoint("https://api.us.ovhcloud.com/1.0", "https://us.ovhcloud.com/auth/oauth2/token"),
}
"""The API's universes (https://github.com/ovh/python-ovh/blob/master/ovh/client.py); a project lives in just one."""


@dataclass(frozen=True, slots=True)
class ApplicationKey:
    """An application and the consumer key that its user has validated; requests are signed with them."""

    application_key: str = field(repr=False)
    application_secret: str = field(repr=False)
    consumer_key: str = field(repr=False)

    def __post_init__(self) -> None:
        _plain(
            applicationKey=self.application_key,
            applicationSecret=self.application_secret,
            consumerKey=self.consumer_key,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere."""
        return (self.application_secret, self.consumer_key, self.application_key)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An OAuth2 service account (client credentials flow)."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        _plain(clientId=self.client_id, clientSecret=self.client_secret)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere."""
        return (self.client_secret, self.client_id)


Credentials = ApplicationKey | ServiceAccount

_KEYS = {
    "endpoint": "OVH_ENDPOINT",
    "applicationKey": "OVH_APPLICATION_KEY",
    "applicationSecret": "OVH_APPLICATION_SECRET",
    "consumerKey": "OVH_CONSUMER_KEY",
    "clientId": "OVH_CLIENT_ID",
    "clientSecret": "OVH_CLIENT_SECRET",
}


def _plain(**keys: str) -> None:
    """Refuse what an HTTP header cannot carry, before a library complains and shows it."""
    for name, value in keys.items():
        if not re.fullmatch(r"[!-~]+", value):
            raise errors.CredentialsError(
                f"OVH credentials: {name} is empty or holds a blank or a character outside ASCII"
            )


def endpoint(name: str) -> Endpoint:
    """The endpoint of a name (``ovh-eu``) or of a URL (``http://127.0.0.1:8080/1.0``).

    Raises ``CredentialsError`` for anything else. A URL without a path gets ``/1.0``; its tokens come from the same
    host.
    """
    if name in ENDPOINTS:
        return ENDPOINTS[name]
    url = urlsplit(name)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        known = ", ".join(ENDPOINTS)
        raise errors.CredentialsError(
            f"OVH endpoint {name!r} is neither one of {known} nor a plain URL like https://host/1.0"
        )
    base = f"{url.scheme}://{url.netloc}{url.path.rstrip('/') or '/1.0'}"
    token_urls = {known.base: known.token_url for known in ENDPOINTS.values()}
    return Endpoint(base, token_urls.get(base, f"{url.scheme}://{url.netloc}/auth/oauth2/token"))


def parse(values: Mapping[str, str]) -> tuple[Endpoint, Credentials]:
    """Endpoint and credentials from a Secret's keys (``applicationKey``) or an environment (``OVH_APPLICATION_KEY``).

    Blanks around a value are dropped (a key pasted into a Secret often ends in a newline), empty values count as
    absent, and a Secret's key goes before the variable of the same meaning. Raises ``CredentialsError`` when no kind
    is complete or both are there.
    """
    found = {key: (values.get(key) or values.get(variable) or "").strip() for key, variable in _KEYS.items()}
    place = endpoint(found["endpoint"] or "ovh-eu")
    signed = [key for key in ("applicationKey", "applicationSecret", "consumerKey") if found[key]]
    oauth2 = [key for key in ("clientId", "clientSecret") if found[key]]
    if signed and oauth2:
        raise errors.CredentialsError(
            "both an application key and an OAuth2 client are configured for OVH: give either applicationKey, "
            "applicationSecret and consumerKey, or clientId and clientSecret"
        )
    if len(signed) == 3:
        return place, ApplicationKey(found["applicationKey"], found["applicationSecret"], found["consumerKey"])
    if len(oauth2) == 2:
        return place, ServiceAccount(found["clientId"], found["clientSecret"])
    wanted = ("clientId", "clientSecret") if oauth2 else ("applicationKey", "applicationSecret", "consumerKey")
    missing = ", ".join(f"{key} (or {_KEYS[key]})" for key in wanted if not found[key])
    raise errors.CredentialsError(f"OVH credentials are incomplete: {missing} missing or empty")
