"""Listing, counting, downloading, asking for the headers alone, and acknowledging."""

import gzip
from urllib.parse import quote

from player import ALICE, BOB, CAROL, V1, V2, Player, Subject, token

WORKFLOWS = ["ABC", "ABCD", "XABC", "XABCX", "abc", "A*C", "!ABC", "A C", "ACK", "MY_ACK_1"]

FILTERS = [
    *("ABC", "!ABC", "ABC*", "!ABC*", "*ABC*", "!*ABC*"),
    *(
        "*ABC",
        "!*ABC",
        "*ACK",
        "**",
        "!!",
        "!*",
        "*!",
        "***",
        "!**",
        "!!ABC",
        "A*C",
        "!A*C",
        "ABC**",
        "*ABC**",
    ),
    *("A C", " ABC ", "  ", "abc", "AB", "?BC", "A%C", "é", "ABC\t", "=ABC"),
]


def listing(at: Player) -> None:
    for accept in (V1, V2):
        at.own("GET", BOB, "/inbox", accept=accept)
        at.own("GET", BOB, "/count", accept=accept)
    for number in range(25):
        at.send(f"m{number:02}", ALICE, BOB)
    for accept in (V1, V2):
        for query in ("", "?max_results=10", "?max_results=24", "?max_results=25", "?max_results=5000"):
            at.own("GET", BOB, f"/inbox{query}", accept=accept)
        at.own("GET", BOB, "/count", accept=accept)
        at.own("GET", ALICE, "/inbox", accept=accept)
    for last in ("m09", "m19", "m24", "m09:lower"):
        at.own("GET", BOB, f"/inbox?max_results=10&continue_from={{{last}}}", accept=V1)
    at.own("GET", BOB, "/inbox?continue_from=20260101000000000_ABCDEF", accept=V1)
    at.own("GET", BOB, "/inbox?max_results=10", accept=V2, keep={"second": ("links", "next")})
    at.call("GET", "{second}", accept=V2)
    _follow(at, "second", "third")
    _follow(at, "third", None)
    for accept in (V1, V2):
        wrong = [
            "max_results=9",
            "max_results=5001",
            "max_results=0",
            "max_results=-1",
            "max_results=x",
            "max_results=",
        ]
        wrong += [
            "max_results=10.5",
            "max_results=10.0",
            "max_results=1e2",
            "max_results=%2B10",
            "max_results=010",
        ]
        wrong += [
            "max_results=99999999999999999999",
            "max_results=1_0",
            "max_results=%2010%20",
            "max_results=true",
        ]
        wrong += [
            "max_results=10&max_results=20",
            "MAX_RESULTS=1",
            "max_results",
            "unknown=1",
            "&&",
            "=",
            "%zz",
        ]
        wrong += [f"continue_from={'a' * length}" for length in (0, 23, 24, 1000, 1001)]
        wrong += [f"workflow_filter={'a' * length}" for length in (0, 1, 2, 255, 256)]
        wrong += [
            "max_results=1&continue_from=a&workflow_filter=a",
            "continue_from={m24}&continue_from={m09}",
        ]
        for query in wrong:
            at.own("GET", BOB, f"/inbox?{query}", accept=accept)


def _follow(at: Player, link: str, following: str | None) -> None:
    """The next page, by a link kept from the last one."""
    keep = {following: ("links", "next")} if following else None
    at.call("GET", f"{{{link}}}", headers={"authorization": token(BOB)}, accept=V2, keep=keep)


def filters(at: Player) -> None:
    for number, workflow in enumerate(WORKFLOWS):
        at.send(f"m{number:02}", ALICE, BOB, headers={"mex-workflowid": workflow})
        at.send(f"n{number:02}", ALICE, BOB, headers={"mex-workflowid": workflow})
    for kept in FILTERS:
        for accept in (V1, V2):
            at.own("GET", BOB, f"/inbox?workflow_filter={quote(kept, safe='')}", accept=accept)
    at.own("GET", BOB, "/inbox?workflow_filter=!ABC", accept=V2)
    at.own("GET", BOB, "/inbox?workflow_filter=A+C", accept=V2)
    first = "/inbox?max_results=10&workflow_filter=%21%2AX%2A"
    at.own("GET", BOB, first, accept=V2, keep={"page": ("links", "next")})
    _follow(at, "page", None)
    at.own("GET", BOB, first + "&continue_from={m03}", accept=V1)
    at.own("GET", BOB, first + "&continue_from={m02}", accept=V1)


def downloading(at: Player) -> None:
    for accept in (V1, V2):
        for mailbox in (ALICE, BOB):
            for path in (
                "/inbox/NOSUCH",
                "/inbox/NOSUCH/1",
                "/inbox/nosuch/x",
                "/inbox/%20",
                "/inbox/a%2Fb",
            ):
                at.own("GET", mailbox, path, accept=accept)
            at.own("HEAD", mailbox, "/inbox/NOSUCH", accept=accept)
            at.own("PUT", mailbox, "/inbox/NOSUCH/status/acknowledged", accept=accept)
    at.send("plain", ALICE, BOB, body=b"plain " * 100, headers={"content-type": "text/plain"})
    at.send("zipped", ALICE, BOB, body=gzip.compress(b"zipped"), headers={"content-encoding": "gzip"})
    flagged = {"content-encoding": "GZIP", "mex-content-compressed": "Y", "content-type": "application/json"}
    at.send("flagged", ALICE, BOB, body=gzip.compress(b"{}"), headers=flagged)
    at.send("broken", ALICE, BOB, body=b"not gzip at all", headers={"content-encoding": "gzip"})
    at.send("bytes", ALICE, BOB, body=bytes(range(256)))
    encodings = [None, "", "gzip", "identity", "deflate, gzip;q=0.5", "gzip;q=0", "*", "GZIP", "x-gzip"]
    for name in ("plain", "zipped", "flagged", "bytes"):
        for accept in (None, V1, V2):
            for encoding in encodings:
                at.own(
                    "GET", BOB, f"/inbox/{{{name}}}", headers={"accept-encoding": encoding}, accept=accept
                )
    for accept in (V1, V2):
        for encoding in (None, "gzip"):
            at.own("GET", BOB, "/inbox/{broken}", headers={"accept-encoding": encoding}, accept=accept)
        for name in ("plain", "plain:lower", "zipped"):
            for number in ("1", "2", "0", "-1", "x", "1.0", "01", "%201", "99999999999999999999"):
                at.own("GET", BOB, f"/inbox/{{{name}}}/{number}", accept=accept)
        for mailbox in (ALICE, BOB, CAROL):
            at.own("GET", mailbox, "/inbox/{plain:lower}", accept=accept)
            at.own("GET", mailbox, "/inbox/{plain}/1", accept=accept)
            at.own("HEAD", mailbox, "/inbox/{plain}", accept=accept)
            at.own("HEAD", mailbox, "/inbox/{zipped:lower}", accept=accept)
            at.own("HEAD", mailbox, "/inbox/{plain}", headers={"accept-encoding": "gzip"}, accept=accept)


def acknowledging(at: Player) -> None:
    for accept in (V1, V2):
        at.send("m", ALICE, BOB, accept=accept)
        path = "/inbox/{m}/status/acknowledged"
        for mailbox in (ALICE, CAROL, BOB, BOB, CAROL):
            at.own("PUT", mailbox, path, accept=accept)
            at.own("GET", BOB, "/inbox", accept=accept)
            at.own("GET", BOB, "/count", accept=accept)
            at.own("GET", ALICE, "/outbox/tracking?messageID={m}", accept=accept)
        for mailbox in (ALICE, BOB, CAROL):
            at.own("HEAD", mailbox, "/inbox/{m}", accept=accept)
            at.own("GET", mailbox, "/inbox/{m}", accept=accept)
            at.own("GET", mailbox, "/inbox/{m}/1", accept=accept)
    at.send("lower", ALICE, BOB)
    at.own("PUT", BOB, "/inbox/{lower:lower}/status/acknowledged")
    at.send("body", ALICE, BOB)
    at.own("PUT", BOB, "/inbox/{body}/status/acknowledged", body=b"a body that nobody reads")
    at.own("PUT", BOB, "/inbox/{body}/status/ACKNOWLEDGED")
    at.own("PUT", BOB, "/inbox/{body}/status/acknowledged", accept="application/vnd.mesh.v2+xml")
    for number in range(3):
        at.send(f"p{number}", ALICE, BOB)
    at.own("PUT", BOB, "/inbox/{p1}/status/acknowledged")
    at.own("GET", BOB, "/inbox")
    at.own("GET", BOB, "/inbox?continue_from={p1}")
    at.own("GET", BOB, "/inbox?continue_from={p0}")


SUBJECTS = {
    "listing": Subject(listing),
    "filters": Subject(filters),
    "downloading": Subject(downloading),
    "acknowledging": Subject(acknowledging),
}
