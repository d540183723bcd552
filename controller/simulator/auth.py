"""Who may call: signed requests of an application key, Bearer tokens of a service account, and the rights of both.

Signatures: ``$1$`` and the SHA-1 of application secret, consumer key, method, URL, body and timestamp joined by ``+``
(https://help.ovhcloud.com/csm/en-gb-api-getting-started-ovhcloud-api). The width of the window for timestamps is not
documented. Error codes and statuses are those that users of the API have reported.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.ovh import rights
from controller.simulator import model

WINDOW = 60
"""Seconds that a timestamp may be off."""

TOKEN_LIFETIME = 3600

EVERYTHING = tuple((method, "/*") for method in ("GET", "POST", "PUT", "DELETE"))


@dataclass(frozen=True)
class Keys:
    """The credentials that the simulator accepts. They protect nothing, so they are written here."""

    application_key: str = "simulator-application"
    application_secret: str = "simulator-secret"  # noqa: S105
    consumer_key: str = "simulator-consumer"
    client_id: str = "simulator-client"
    client_secret: str = "simulator-client-secret"  # noqa: S105


@dataclass
class Gate:
    """Checks requests; ``skew`` moves OVH's clock against the real one, ``granted`` are rules of method and path."""

    keys: Keys = field(default_factory=Keys)
    skew: float = 0.0
    granted: tuple[tuple[str, str], ...] = EVERYTHING
    tokens: dict[str, float] = field(default_factory=dict)
    issued: int = 0

    def time(self, wall: float) -> int:
        """What ``/auth/time`` answers: signatures live on the real clock, however fast machines boot."""
        return int(wall + self.skew)

    def token(self, form: Mapping[str, str], wall: float) -> dict[str, object]:
        """A new OAuth2 token; raises ``Refusal`` as the token route answers."""
        if form.get("grant_type") != "client_credentials":
            raise model.Refusal(400, "unsupported_grant_type", "only client_credentials is supported")
        if (form.get("client_id"), form.get("client_secret")) != (self.keys.client_id, self.keys.client_secret):
            raise model.Refusal(401, "invalid_client", "client authentication failed")
        if form.get("scope") != "all":
            raise model.Refusal(400, "invalid_scope", "the scope must be all")
        self.issued += 1
        token = f"simulator-token-{self.issued}"
        self.tokens[token] = wall + TOKEN_LIFETIME
        return {"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME, "scope": "all"}

    def check(self, method: str, url: str, path: str, body: str, headers: Mapping[str, str], wall: float) -> None:
        """Let a request through or raise ``Refusal``; ``url`` is what was signed, ``path`` what rules name."""
        bearer = headers.get("Authorization", "")
        if bearer.startswith("Bearer "):
            if self.tokens.get(bearer.removeprefix("Bearer "), 0.0) <= wall:
                raise model.Refusal(401, "Client::Unauthorized", "the token is not valid or has expired")
        else:
            self._signed(method, url, body, headers, wall)
        if path != "/auth/currentCredential" and not self._granted(method, path):
            raise denial(method, path, by_key=not bearer)

    def _signed(self, method: str, url: str, body: str, headers: Mapping[str, str], wall: float) -> None:
        if headers.get("X-Ovh-Application") != self.keys.application_key:
            raise model.Refusal(403, "INVALID_KEY", "This application key is invalid")
        if "X-Ovh-Consumer" not in headers:
            raise model.Refusal(403, "NOT_CREDENTIAL", "You must login first")
        if headers["X-Ovh-Consumer"] != self.keys.consumer_key:
            raise model.Refusal(403, "NOT_CREDENTIAL", "This credential does not exist")
        stamp = headers.get("X-Ovh-Timestamp", "")
        if not stamp.isdigit() or abs(int(stamp) - self.time(wall)) > WINDOW:
            raise model.Refusal(400, "QUERY_TIME_OUT", "Query out of time")
        parts = (self.keys.application_secret, self.keys.consumer_key, method, url, body, stamp)
        expected = "$1$" + hashlib.sha1("+".join(parts).encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(headers.get("X-Ovh-Signature", ""), expected):
            raise model.Refusal(400, "INVALID_SIGNATURE", "Invalid signature")

    def _granted(self, method: str, path: str) -> bool:
        return any(verb == method and matches(pattern, path) for verb, pattern in self.granted)


def matches(pattern: str, path: str) -> bool:
    """Whether a path falls under a pattern in which ``*`` stands for any text."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), path) is not None


def denial(method: str, path: str, *, by_key: bool) -> model.Refusal:
    """The answer to a call whose right is missing; for service accounts it names the IAM action."""
    if by_key:
        return model.Refusal(403, "NOT_GRANTED_CALL", "This call has not been granted")
    text = "User not granted for this request"
    details = {"unauthorizedActionsByAuthentication": "", "unauthorizedActionsByIAM": _action(method, path)}
    return model.Refusal(403, "Client::Forbidden", text, details)


def _action(method: str, path: str) -> str:
    """The IAM action of the closest right that covers the call."""
    covering = [right for right in rights.needed("*", "*") if right.method == method and matches(right.path, path)]
    closest = max(covering, key=lambda right: len(right.path), default=None)
    return closest.actions[-1] if closest else "publicCloudProject:apiovh:get"
