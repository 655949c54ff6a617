"""Makes one call at both sandboxes and compares what they answer."""

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from answers import Reply, Site, differences
from meant import MEANT, Call
from sandboxes import SHARED_KEY, Configuration

# The mailboxes that both sandboxes have from the start.
ALICE, BOB, CAROL = "X26ABC1", "X26ABC2", "X26ABC3"

V1, V2 = "application/vnd.mesh.v1+json", "application/vnd.mesh.v2+json"


class Player:
    """Makes each call at both sandboxes.

    `{name}` in a call stands for what a sandbox gave under that name before, `{name:lower}` for the same in
    lower case.
    """

    def __init__(self, official: Site, ours: Site):
        self.sites = (official, ours)
        self.calls = 0
        self.faults: list[str] = []
        # How often each meant difference was met.
        self.met: Counter[str] = Counter()

    def call(
        self,
        method: str,
        path: str,
        *,
        accept: str | None = None,
        headers: dict[str, str | None] | None = None,
        body: bytes | list[bytes] | None = None,
        data: Any = None,
        keep: dict[str, tuple[str | int, ...]] | None = None,
    ) -> None:
        """A call as it stands, without authorisation of its own.

        A `body` that is a list is sent in pieces without a length; `data` is sent as JSON. A header that is
        `None` is left out. `keep` names values in the answer's JSON, by their place there, for later calls.
        """
        self.calls += 1
        call = Call(method, path, accept)
        replies = [(site, self._ask(site, call, headers or {}, body, data)) for site in self.sites]
        for site, reply in replies:
            for name, place in (keep or {}).items():
                value = _at(reply.json(), place)
                if not site.keep(name, value):
                    self.faults.append(f"{call}\n    {site.kind} gave no {name}, but {value!r}")
        theirs, ours = (reply.answer() for _, reply in replies)
        for entry in MEANT:
            if differences(theirs, ours) and (instead := entry.instead(call, theirs, ours)):
                self.met[entry.reason] += 1
                theirs = instead
        if lines := differences(theirs, ours):
            sent = {name: value for name, value in (headers or {}).items() if name != "authorization"}
            about = [str(call), str(sent) if sent else "", "" if data is None else json.dumps(data)]
            self.faults.append("\n    ".join([" ".join(filter(None, about)), *lines]))

    def own(self, method: str, mailbox: str, path: str, **more: Any) -> None:
        """A call on a mailbox's own path, authorised as that mailbox."""
        headers = {"authorization": token(mailbox)} | more.pop("headers", {})
        self.call(method, f"/messageexchange/{mailbox}{path}", headers=headers, **more)

    def send(
        self, name: str, sender: str, to: str, body: bytes | list[bytes] = b"content", **more: Any
    ) -> None:
        """A message sent, its id kept under `name`."""
        headers = {"mex-to": to, "mex-workflowid": "TEST_WORKFLOW"} | more.pop("headers", {})
        accept = more.pop("accept", None)
        key = "message_id" if Call("", "", accept).version > 1 else "messageID"
        self.own(
            "POST", sender, "/outbox", body=body, headers=headers, accept=accept, keep={name: (key,)}, **more
        )

    def _ask(
        self,
        site: Site,
        call: Call,
        headers: dict[str, str | None],
        body: bytes | list[bytes] | None,
        data: Any,
    ) -> Reply:
        # What goes to the wire is what the call says: no header of the HTTP library's own choice.
        lines = {"host": site.base_url.removeprefix("http://")}
        if call.accept is not None:
            lines["accept"] = call.accept
        if data is not None:
            body = site.fill(json.dumps(data)).encode()
            lines["content-type"] = "application/json"
        for name, value in headers.items():
            if value is not None:
                lines[name] = site.fill(value)
        # A call by a link that one of them did not give is still a call, and a difference.
        path = site.fill(call.path)
        request = httpx.Request(
            call.method,
            site.base_url + (path if path.startswith("/") else f"/{path}"),
            headers=[(name.encode(), value.encode()) for name, value in lines.items()],
            content=iter(body) if isinstance(body, list) else body,
        )
        response = site.client.send(request, stream=True)
        try:
            return Reply(site, call.method, response)
        finally:
            response.close()


@dataclass(frozen=True)
class Subject:
    """Calls that belong together, played to two sandboxes that nothing else was played to."""

    play: Callable[[Player], None]
    configuration: Configuration = Configuration()
    # Played afterwards to two more, each of which finds the folder that the other has written.
    after_exchange: Callable[[Player], None] | None = None


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def token(mailbox: str, password: str = "password", key: str = SHARED_KEY, count: str = "1") -> str:
    """An Authorization header; the nonce is new, the time is of no concern to the emulator."""
    nonce, time = uuid4().hex, "202611230000"
    content = f"{mailbox}:{nonce}:{count}:{password}:{time}"
    digest = hmac.new(key.encode(), content.encode(), hashlib.sha256).hexdigest()
    return f"NHSMESH {mailbox}:{nonce}:{count}:{time}:{digest}"
