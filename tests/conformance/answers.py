"""What a sandbox answered, brought into a form in which two sandboxes can be compared."""

import gzip
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

# How each sandbox writes the id of a message, and how both write the ids that serve only a log.
MESSAGE_ID = {
    "official": re.compile(r"[0-9A-F]{32}"),
    "ours": re.compile(r"[0-9]{17}([0-9]{3})?_[0-9A-F]{6}"),
}
LOG_ID = re.compile(r"[0-9a-f]{32}")

_MESSAGE_ID_FIELDS = ("messageID", "messageId", "message_id")
_LOG_ID_FIELDS = ("internalID", "internal_id", "query_id")

# Headers of the connection and of the server's make.
_TRANSFER_HEADERS = ("connection", "date", "server", "transfer-encoding")

_TOKEN = re.compile(r"continue_from=([A-Za-z0-9%_.~-]{24,})")
_ISO = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<between>T|%20|\+| )"
    r"(?P<hour>[0-9]{2})(?P<colon>:|%3A)(?P<minute>[0-9]{2})(?P=colon)(?P<second>[0-9]{2})"
    r"(?P<fraction>\.[0-9]+)?"
)
_COMPACT = re.compile(r"(?<![0-9A-Fa-f])[0-9]{14}(?![0-9A-Fa-f])")
_HTTP_TIME = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}(?= (UTC|GMT)$)"
)

# The moments that answers speak of: now, the end of an inbox's patience, and the start of a rich view.
_DAYS = {0: "now", 5: "in 5 days", -30: "30 days ago"}
_TOLERANCE = timedelta(minutes=10)


@dataclass
class Site:
    """One of the two sandboxes, with what it calls the things that the calls name."""

    kind: str
    base_url: str
    client: httpx.Client
    ids: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def keep(self, name: str, value: Any) -> bool:
        """Keeps a message id or a link under a name, if it is either."""
        if not isinstance(value, str):
            return False
        if value.startswith("/messageexchange/"):
            self.links[name] = value
            return True
        if MESSAGE_ID[self.kind].fullmatch(value):
            if name in self.ids:
                # The name is free for another message; the earlier one may still turn up in answers.
                self.ids[f"{name}, earlier, {len(self.ids)}"] = self.ids[name]
            self.ids[name] = value
            return True
        return False

    def fill(self, text: str) -> str:
        """Puts this sandbox's own values for `{name}` and `{name:lower}`."""

        def value(found: re.Match[str]) -> str:
            name, _, form = found.group(1).partition(":")
            known = self.links.get(name) or self.ids.get(name, f"NO-{name}")
            return known.lower() if form == "lower" else known

        return re.sub(r"\{([a-z0-9_]+(?::lower)?)\}", value, text)

    def settle(self, text: str) -> str:
        """Replaces what must differ from sandbox to sandbox, if it has the form that it should have."""
        for name, value in self.ids.items():
            text = text.replace(value, f"<{name}>")
        text = text.replace(self.base_url, "<sandbox>")
        text = _TOKEN.sub("continue_from=<token>", text)
        text = _ISO.sub(_iso_moment, text)
        text = _COMPACT.sub(_compact_moment, text)
        return _HTTP_TIME.sub(_http_moment, text)


def _moment(time: datetime, form: str, otherwise: str) -> str:
    for days, name in _DAYS.items():
        if abs(time - datetime.now(UTC) - timedelta(days=days)) < _TOLERANCE:
            return f"<{name}, {form}>"
    return otherwise


def _iso_moment(found: re.Match[str]) -> str:
    text = "{date} {hour}:{minute}:{second}".format(**found.groupdict())
    digits = len((found["fraction"] or "").removeprefix("."))
    form = f"iso {found['between']} {found['colon']} .{digits}"
    return _read(text, "%Y-%m-%d %H:%M:%S", form, found.group())


def _compact_moment(found: re.Match[str]) -> str:
    return _read(found.group(), "%Y%m%d%H%M%S", "compact", found.group())


def _http_moment(found: re.Match[str]) -> str:
    return _read(found.group(), "%a, %d %b %Y %H:%M:%S", "http", found.group())


def _read(text: str, pattern: str, form: str, otherwise: str) -> str:
    try:
        return _moment(datetime.strptime(text, pattern).replace(tzinfo=UTC), form, otherwise)
    except ValueError:
        return otherwise


@dataclass
class Answer:
    """What is compared."""

    status: int
    headers: dict[str, str]
    body: Any


class Reply:
    """What came over the wire from one sandbox."""

    def __init__(self, site: Site, method: str, response: httpx.Response):
        self._site = site
        self._method = method
        self._response = response
        self._sent = b"".join(response.iter_raw())
        self._content = self._sent
        if response.headers.get("content-encoding") == "gzip" and self._sent.startswith(b"\x1f\x8b"):
            self._content = gzip.decompress(self._sent)

    def json(self) -> Any:
        """Its JSON as it came, or nothing."""
        if "json" not in self._response.headers.get("content-type", ""):
            return None
        try:
            return json.loads(self._content)
        except ValueError:
            # The body of a message only called JSON by its sender, or no body.
            return None

    def answer(self) -> Answer:
        """With names in place of ids and times. To be asked for once the names that it gives are known."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self._response.headers.raw:
            name, value = raw_name.decode("latin-1").lower(), self._site.settle(raw_value.decode("latin-1"))
            if name not in _TRANSFER_HEADERS:
                # A header given twice is then not the same as one given once.
                headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if self._method != "HEAD" and "content-length" in headers:
            # A length depends on the ids and the compressor; that it is true is what can be asked of both.
            is_true = headers["content-length"] == str(len(self._sent))
            headers["content-length"] = "true" if is_true else "untrue"
        came = self.json()
        return Answer(
            status=self._response.status_code,
            headers=headers,
            # `null` is not the same as no body at all.
            body=self._content
            if came is None and self._content != b"null"
            else _settle_json(self._site, came),
        )


def _settle_json(site: Site, value: Any, key: str = "") -> Any:
    match value:
        case dict():
            return {site.settle(name): _settle_json(site, inner, name) for name, inner in value.items()}
        case list():
            return [_settle_json(site, inner) for inner in value]
        case str():
            if key in _LOG_ID_FIELDS and LOG_ID.fullmatch(value):
                return f"<{key}>"
            settled = site.settle(value)
            # A message that no later call asks for has no name.
            is_unnamed = key in _MESSAGE_ID_FIELDS and MESSAGE_ID[site.kind].fullmatch(settled)
            return f"<{key}>" if is_unnamed else settled
    return value


def differences(theirs: Answer, ours: Answer) -> list[str]:
    """What differs, one line each: the official emulator's value first."""
    found = []
    if theirs.status != ours.status:
        found.append(f"status: {theirs.status} | {ours.status}")
    for name in sorted(theirs.headers.keys() | ours.headers.keys()):
        here, there = theirs.headers.get(name, "(none)"), ours.headers.get(name, "(none)")
        if here != there:
            found.append(f"header {name}: {here} | {there}")
    found += _body_differences("body", theirs.body, ours.body)
    return found


def _body_differences(at: str, theirs: Any, ours: Any) -> list[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in sorted(theirs.keys() | ours.keys()):
            found += _body_differences(f"{at}.{key}", theirs.get(key, "(none)"), ours.get(key, "(none)"))
        return found
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        found = []
        for index, (here, there) in enumerate(zip(theirs, ours, strict=True)):
            found += _body_differences(f"{at}[{index}]", here, there)
        return found
    # `1`, `1.0` and `true` are equal in Python and not in JSON.
    if type(theirs) is type(ours) and theirs == ours:
        return []
    return [f"{at}: {_short(theirs)} | {_short(ours)}"]


def _short(value: Any) -> str:
    text = repr(value) if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)
    return text if len(text) < 400 else text[:400] + "…"
