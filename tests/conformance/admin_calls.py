"""Health, and what only an emulator has: resets, reports, events, and details of mailboxes and messages."""

from typing import Any

from player import ALICE, BOB, CAROL, V1, V2, Player, Subject

HEALTH = [
    "/health",
    "/_status",
    "/_ping",
    "/healthcheck",
    "/messageexchange/_ping",
    "/messageexchange/deepping",
]

# Two spellings of most paths, with a third for a mailbox.
ROOTS = ("/admin", "/messageexchange/admin")

REPORT_NEEDS = {"mailbox_id": ALICE, "code": "21", "description": "an error", "workflow_id": "W"}
REPORT_MAY_HAVE = {"subject": "s", "local_id": "l", "file_name": "f.txt", "linked_message_id": "LINKED"}

# Every status that the emulator knows, and some that it does not.
STATUSES = [
    "accepted",
    "acknowledged",
    "undeliverable",
    "uploading",
    "error",
    "ACCEPTED",
    "Error",
    "nonsense",
    "",
]


def health(at: Player) -> None:
    for path in HEALTH:
        at.call("GET", path)
        at.call("GET", path, accept=V2, headers={"authorization": "rubbish"})
        at.call("POST", path)
        at.call("HEAD", path)
        at.call("GET", path + "/")


def resets(at: Player) -> None:
    for root in ROOTS:
        for path in ("/reset", f"/reset/{BOB}", f"/reset/{BOB.lower()}", "/reset?clear_disk=true"):
            at.send("to_bob", ALICE, BOB, headers={"mex-localid": "l"})
            at.send("to_alice", BOB, ALICE, headers={"mex-localid": "l"})
            at.call("DELETE", root + path)
            for mailbox in (ALICE, BOB):
                at.own("GET", mailbox, "/inbox", accept=V2)
                at.own("GET", mailbox, "/inbox/rich")
                at.own("GET", mailbox, "/outbox/rich")
                at.own("GET", mailbox, "/outbox/tracking/l")
            at.own("GET", ALICE, "/outbox/tracking?messageID={to_bob}")
            at.own("GET", BOB, "/outbox/tracking?messageID={to_alice}")
            at.own("GET", BOB, "/inbox/{to_bob}")
            at.own("GET", ALICE, "/inbox/{to_alice}")
            at.call("GET", root + "/message/{to_bob}")
            at.call("DELETE", root + "/reset")
        for accept in (V1, V2, "application/vnd.mesh.v2+xml"):
            at.call("DELETE", root + "/reset/NOSUCHBOX", accept=accept)
            at.call("DELETE", root + "/reset", accept=accept)
        at.call("DELETE", root + "/reset/%20")
        at.call("DELETE", root + "/reset/")
        at.call("GET", root + "/reset")
        at.call("POST", root + f"/reset/{BOB}")


def details(at: Player) -> None:
    for root in ("/admin/mailbox", "/messageexchange/admin/mailbox", "/messageexchange/mailbox"):
        for mailbox in (ALICE, BOB, CAROL, ALICE.lower(), "NOSUCHBOX", "%20", ""):
            at.call("GET", f"{root}/{mailbox}")
            at.call("GET", f"{root}/{mailbox}", accept=V2)
        at.call("DELETE", f"{root}/{ALICE}")
    headers = {"mex-subject": "s", "mex-localid": "l", "mex-partnerid": "p", "mex-content-checksum": "ab12"}
    headers |= {"mex-content-encrypted": "Y", "mex-content-compressed": "Y", "mex-filename": "f.txt"}
    at.send("bare", ALICE, BOB)
    at.send("full", ALICE, BOB, headers=headers)
    at.send("begun", ALICE, BOB, headers={"mex-chunk-range": "1:2", "content-encoding": "gzip"})
    at.send("taken", ALICE, BOB)
    at.own("PUT", BOB, "/inbox/{taken}/status/acknowledged")
    for root in ("/admin/message", "/messageexchange/admin/message", "/messageexchange/message"):
        for name in ("{bare}", "{full}", "{begun}", "{taken}", "{bare:lower}", "NOSUCH", "%20", ""):
            at.call("GET", f"{root}/{name}")
            at.call("GET", f"{root}/{name}", accept=V2)
        at.call("DELETE", root + "/{bare}")


def _report(at: Player, name: str, report: dict[str, Any], **more: Any) -> None:
    at.call("POST", "/messageexchange/admin/report", data=report, keep={name: ("message_id",)}, **more)


def _bad_bodies(at: Player, path: str, good: dict[str, Any], needed: list[str], optional: list[str]) -> None:
    """Bodies that are no JSON, or not the JSON that is wanted."""
    as_json = {"content-type": "application/json"}
    for body in (
        b"",
        b"{",
        b"not json",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"1",
        b"true",
        b'{"a":1}',
        b"\xff\xfe",
    ):
        at.call("POST", path, headers=as_json, body=body)
    at.call("POST", path)
    at.call("POST", path, headers={"content-type": "text/plain"}, body=b"{}")
    at.call("POST", path, body=b"{}")
    at.call(
        "POST", path, headers={"content-type": "application/x-www-form-urlencoded"}, body=b"status=accepted"
    )
    for name in needed:
        at.call("POST", path, data={key: value for key, value in good.items() if key != name})
    for name in needed + optional:
        for wrong in (1, 1.5, True, ["x"], {"x": "y"}) + ((None,) if name in needed else ()):
            at.call("POST", path, data=good | {name: wrong}, accept=V2)
    at.call("POST", path, data=[good])


def reports(at: Player) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "least": REPORT_NEEDS,
        "most": REPORT_NEEDS | REPORT_MAY_HAVE,
        "error": REPORT_NEEDS | {"status": "error"},
        "full_error": REPORT_NEEDS | REPORT_MAY_HAVE | {"status": "error"},
        "undelivered": REPORT_NEEDS | REPORT_MAY_HAVE | {"status": "undeliverable"},
        "nulls": REPORT_NEEDS | dict.fromkeys(REPORT_MAY_HAVE, None),
        "empties": {name: "" for name in REPORT_NEEDS | REPORT_MAY_HAVE}
        | {"mailbox_id": ALICE, "status": "error"},
        "unknown": REPORT_NEEDS | {"unknown": "x"},
        "unicode": REPORT_NEEDS | {"local_id": "é"},
    }
    for name, body in bodies.items():
        _report(at, name, body)
        at.own("GET", ALICE, "/inbox", accept=V2)
        for accept in (V1, V2):
            at.own("HEAD", ALICE, f"/inbox/{{{name}}}", accept=accept)
            at.own("GET", ALICE, f"/inbox/{{{name}}}", headers={"accept-encoding": "gzip"}, accept=accept)
            at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}", accept=accept)
        for number in ("0", "1", "2", "x"):
            at.own("GET", ALICE, f"/inbox/{{{name}}}/{number}")
        at.own("GET", BOB, f"/inbox/{{{name}}}")
        at.own("HEAD", BOB, f"/inbox/{{{name}}}")
        at.call("GET", f"/admin/message/{{{name}}}")
    at.own("POST", ALICE, "/outbox/{least}/1", headers={"mex-chunk-range": "1:1"}, body=b"x")
    at.own("GET", ALICE, "/inbox/rich")
    at.own("GET", ALICE, "/outbox/rich")
    at.own("PUT", ALICE, "/inbox/{least}/status/acknowledged")
    at.own("GET", ALICE, "/inbox/{least}")
    at.own("GET", ALICE, "/inbox")
    path = "/messageexchange/admin/report"
    for mailbox in ("NOSUCHBOX", ALICE.lower(), ""):
        for accept in (V1, V2):
            at.call("POST", path, data=REPORT_NEEDS | {"mailbox_id": mailbox}, accept=accept)
    for status in STATUSES:
        if status not in ("error", "undeliverable"):
            at.call("POST", path, data=REPORT_NEEDS | {"status": status})
    at.call("POST", path, data=REPORT_NEEDS | {"status": None})
    at.call("POST", "/admin/report", data=REPORT_NEEDS)
    at.call("GET", path)
    _bad_bodies(at, path, REPORT_NEEDS, [*REPORT_NEEDS], [*REPORT_MAY_HAVE, "status"])


def events(at: Player) -> None:
    more = {"code": "14", "event": "SEND", "description": "why", "linked_message_id": "LINKED"}
    for number, status in enumerate(STATUSES):
        for kind, event in (("bare", {"status": status}), ("full", {"status": status} | more)):
            name = f"{kind}{number}"
            at.send(name, ALICE, BOB, headers={"mex-localid": name})
            at.call("POST", f"{ROOTS[number % 2]}/message/{{{name}}}/event", data=event)
            for accept in (V1, V2):
                at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}", accept=accept)
                at.own("GET", BOB, f"/inbox/{{{name}}}", accept=accept)
            at.own("HEAD", BOB, f"/inbox/{{{name}}}")
            at.own("HEAD", ALICE, f"/inbox/{{{name}}}")
            at.call("GET", f"/admin/message/{{{name}}}")
            at.own("GET", BOB, "/inbox")
            at.own("PUT", BOB, f"/inbox/{{{name}}}/status/acknowledged")
            at.call("POST", f"/admin/message/{{{name}:lower}}/event", data={"status": "accepted"})
            at.own("GET", BOB, f"/inbox/{{{name}}}")
            at.own("GET", ALICE, f"/outbox/tracking/{name}")
    at.own("GET", BOB, "/inbox/rich")
    at.own("GET", ALICE, "/outbox/rich")
    at.own("GET", BOB, "/count")
    at.call("POST", "/messageexchange/admin/report", data=REPORT_NEEDS, keep={"report": ("message_id",)})
    for status in STATUSES:
        at.call("POST", "/admin/message/{report}/event", data={"status": status})
        at.own("GET", ALICE, "/inbox/{report}")
        at.call("GET", "/admin/message/{report}")
    at.send("begun", ALICE, BOB, headers={"mex-chunk-range": "1:2"})
    at.call("POST", "/admin/message/{begun}/event", data={"status": "accepted"})
    at.own("GET", BOB, "/inbox/{begun}")
    at.own("GET", BOB, "/inbox/{begun}/2")
    at.own("GET", BOB, "/inbox")
    at.call("POST", "/admin/message/{begun}/event", data={"status": "uploading"})
    at.own("POST", ALICE, "/outbox/{begun}/2", headers={"mex-chunk-range": "2:2"}, body=b"2")
    at.own("GET", BOB, "/inbox")
    for root in ROOTS:
        path = root + "/message/NOSUCH/event"
        for accept in (V1, V2):
            at.call("POST", path, data={"status": "accepted"}, accept=accept)
        at.call("GET", path)
        _bad_bodies(at, root + "/message/{begun}/event", {"status": "accepted"} | more, ["status"], [*more])


SUBJECTS = {
    "health": Subject(health),
    "resets": Subject(resets),
    "details": Subject(details),
    "reports": Subject(reports),
    "events": Subject(events),
}
