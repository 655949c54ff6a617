"""Sending: every check and its place in their order, what headers may hold, and messages in chunks."""

import gzip

from player import ALICE, BOB, CAROL, V1, V2, Player, Subject

NEEDED = {"mex-to": BOB, "mex-workflowid": "TEST_WORKFLOW"}

# The longest value that each header may have.
LIMITS = {
    "mex-to": 100,
    "mex-workflowid": 300,
    "mex-chunk-range": 20,
    "mex-subject": 500,
    "mex-localid": 300,
    "mex-filename": 300,
    "mex-partnerid": 500,
    "mex-content-checksum": 100,
    "mex-content-type": 100,
    "mex-content-encrypted": 20,
    "mex-content-compressed": 20,
}

FLAGS = [
    "Y",
    "y",
    "yes",
    "T",
    "true",
    "ON",
    "1",
    "N",
    "no",
    "F",
    "FALSE",
    "off",
    "0",
    "2",
    "N/A",
    ".#!,",
    "",
]


def _seen(at: Player, name: str) -> None:
    """Every view that shows what came of a send."""
    at.own("HEAD", BOB, f"/inbox/{{{name}}}")
    at.own("GET", BOB, f"/inbox/{{{name}}}", accept=V2)
    at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}")
    at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}", accept=V2)


def _refused(at: Player, body: bytes = b"x", **headers: str | None) -> None:
    """A send with the needed headers and these, answered in each version."""
    given = NEEDED | {name.replace("_", "-"): value for name, value in headers.items()}
    for accept in (V1, V2):
        at.own("POST", ALICE, "/outbox", headers=given, body=body, accept=accept)


def sending(at: Player) -> None:
    at.send("plain", ALICE, BOB)
    _seen(at, "plain")
    at.send("v2", ALICE, BOB, accept=V2)
    _seen(at, "v2")
    everything = {
        "mex-subject": "a subject",
        "mex-localid": "local 1",
        "mex-filename": "day.csv",
        "mex-partnerid": "partner",
        "mex-content-checksum": "sha256: ab12",
        "mex-content-encrypted": "Y",
        "mex-content-compressed": "Y",
        "mex-content-type": "Text/CSV",
        "content-type": "text/plain",
        "mex-from": "NOT-ALICE",
        "mex-messagetype": "REPORT",
        "mex-version": "9.9",
        "mex-processid": "p",
        "mex-addresstype": "DTS",
        "mex-fromsmtp": "a@example.org",
        "mex-tosmtp": "b@example.org",
        "mex-content-compress": "Y",
    }
    at.send("all", ALICE, BOB, headers=everything)
    _seen(at, "all")
    at.send("self", ALICE, ALICE)
    at.own("GET", ALICE, "/inbox/{self}")
    at.send("one", ALICE, BOB, headers={"mex-chunk-range": "1:1"}, accept=V2)
    _seen(at, "one")
    at.send("lower", ALICE, BOB.lower())
    _seen(at, "lower")
    at.send("no_length", ALICE, BOB, body=[b"in ", b"pieces"])
    _seen(at, "no_length")
    at.send("spaces", ALICE, BOB, headers={"mex-workflowid": "a  workflow", "mex-subject": "a  subject"})
    _seen(at, "spaces")
    at.send("workflow", ALICE, BOB, headers={"mex-workflowid": ""})
    _seen(at, "workflow")
    for number, kind in enumerate(
        ["text/plain", "text/xml; charset=iso-8859-1", "APPLICATION/JSON", "nonsense", ""]
    ):
        at.send(f"kind{number}", ALICE, BOB, headers={"content-type": kind})
        _seen(at, f"kind{number}")
    at.send(
        "unicode",
        ALICE,
        BOB,
        headers={"mex-subject": "naïve Ärger ✓", "mex-localid": "é", "mex-filename": "ü.txt"},
    )
    _seen(at, "unicode")
    for name, limit in LIMITS.items():
        if name not in ("mex-to", "mex-chunk-range"):
            at.send("long", ALICE, BOB, headers={name: "a" * limit})
    _seen(at, "long")


def flags(at: Player) -> None:
    for value in FLAGS:
        at.send("m", ALICE, BOB, headers={"mex-content-encrypted": value, "mex-content-compressed": value})
        at.own("HEAD", BOB, "/inbox/{m}")
        at.own("GET", ALICE, "/outbox/tracking?messageID={m}")
    for value in ["", "ab12", "md5 ab12", "sha256:x", "sha256 - x", "sha256/x", "-:/"]:
        at.send("m", ALICE, BOB, headers={"mex-content-checksum": value})
        at.own("HEAD", BOB, "/inbox/{m}")
        at.own("GET", ALICE, "/outbox/tracking?messageID={m}")


def checks(at: Player) -> None:
    for name, limit in LIMITS.items():
        _refused(at, **{name: "a" * (limit + 1)})
    for name in NEEDED:
        _refused(at, **{name: None})
    at.own("POST", ALICE, "/outbox", body=b"x", accept=V2)
    _refused(at, mex_to="a" * 101, mex_workflowid=None, mex_subject="s" * 501)
    for name in LIMITS:
        _refused(at, **{name: "a\tb"})
    _refused(at, mex_subject="a\tb", mex_localid="c\td", mex_to="http://example.org")
    for url in ("http://x", "https://x", "HTTP://x", "ftp://x", "x http://y"):
        for name in ("mex-to", "mex-workflowid", "mex-content-checksum", "mex-subject"):
            at.own("POST", ALICE, "/outbox", headers=NEEDED | {name: url}, body=b"x", accept=V2)
    for checksum in ("a=", "a+b", "a_b", "a.b", "ä", '!"£$%'):
        _refused(at, mex_content_checksum=checksum)
    _refused(at, mex_to="")
    for encoding in ("deflate", "br", "gzip, gzip", "identity", "x-gzip", "*"):
        _refused(at, content_encoding=encoding)
    wrong = [
        "2:2",
        "0:1",
        "1:0",
        "1",
        "1:",
        ":1",
        "a:b",
        "1:2:3",
        "1-2",
        "-1:2",
        "1:-2",
        "2:1",
        "1.0:2",
        "1:2x",
        "٣:٤",
    ]
    for chunk_range in wrong:
        _refused(at, mex_chunk_range=chunk_range)
    for to in ("NOBODY", "X26ABC9", "GPPROVIDER:X"):
        _refused(at, mex_to=to)
    _refused(at, body=b"")
    # Each of these fails two checks, and shows which is made first.
    order: list[dict[str, str | None]] = [
        {"mex-subject": "s" * 501, "mex-localid": "a\tb"},
        {"mex-localid": "a\tb", "mex-content-checksum": "="},
        {"mex-content-checksum": "=", "mex-to": ""},
        {"mex-to": "", "content-encoding": "br"},
        {"content-encoding": "br", "mex-chunk-range": "x"},
        {"mex-chunk-range": "x", "mex-to": "NOBODY"},
        {"mex-to": "NOBODY"},
    ]
    for headers in order:
        at.own("POST", ALICE, "/outbox", headers=NEEDED | headers, body=b"")
        at.own(
            "POST",
            ALICE,
            "/outbox",
            headers=NEEDED | headers,
            body=b"",
            accept="application/vnd.mesh.v2+xml",
        )
    at.own("GET", ALICE, "/inbox")
    at.own("GET", BOB, "/count")


def chunks(at: Player) -> None:
    def chunk(name: str, number: int | str, chunk_range: str | None, body: bytes = b"more", **more) -> None:
        headers = {"mex-chunk-range": chunk_range} | more.pop("headers", {})
        at.own(
            "POST",
            more.pop("sender", ALICE),
            f"/outbox/{{{name}}}/{number}",
            headers=headers,
            body=body,
            **more,
        )

    for accept in (V1, V2):
        at.send(
            "m",
            ALICE,
            BOB,
            body=b"first ",
            headers={"mex-chunk-range": "1:3", "mex-localid": "l"},
            accept=accept,
        )
        for path in ("/inbox/{m}", "/inbox/{m}/1", "/inbox/{m}/2"):
            at.own("GET", BOB, path, accept=accept)
        at.own("HEAD", BOB, "/inbox/{m}", accept=accept)
        at.own("HEAD", ALICE, "/inbox/{m}", accept=accept)
        at.own("GET", ALICE, "/outbox/tracking?messageID={m}", accept=accept)
        at.own("PUT", BOB, "/inbox/{m}/status/acknowledged", accept=accept)
        for wrong in (None, "", "3", "2", "3:3", "2:1", "x:y", "2:3:4", "0:3", "a" * 21):
            chunk("m", 2, wrong, accept=accept)
        for number in ("x", "1.5", "-1", "0", "2x"):
            chunk("m", number, f"{number}:3", accept=accept)
        chunk("nothing", 2, "2:3", accept=accept)
        chunk("nothing", 2, None, accept=accept)
        chunk("m", 2, "2:3", sender=BOB, accept=accept)
        chunk("m", 2, "2:3", sender=CAROL, accept=accept)
        chunk("m", 4, "4:4", accept=accept)
        chunk("m", 4, "4:9", accept=accept)
        chunk("m", 2, "2:3", headers={"content-encoding": "gzip"}, accept=accept)
        chunk("m", 2, "2:3", headers={"content-encoding": "br"}, accept=accept)
        chunk("m", 1, "1:3", body=b"first, again ", accept=accept)
        chunk("m", 2, "2:3", body=b"second ", accept=accept)
        chunk("m", 2, "2:9", body=b"second, again ", accept=accept)
        chunk("m:lower", 2, "2:3", body=b"second, a third time ", accept=accept)
        at.own("GET", BOB, "/inbox", accept=accept)
        chunk("m", 3, "3:3", body=b"third", accept=accept)
        for path in (
            "/inbox/{m}",
            "/inbox/{m}/1",
            "/inbox/{m}/2",
            "/inbox/{m}/3",
            "/inbox/{m}/4",
            "/inbox/{m}/0",
        ):
            at.own("GET", BOB, path, accept=accept)
        at.own("HEAD", BOB, "/inbox/{m}", accept=accept)
        at.own("GET", ALICE, "/outbox/tracking?messageID={m}", accept=accept)
        chunk("m", 3, "3:3", accept=accept)
        chunk("m", 4, "4:4", accept=accept)

    at.send("gap", ALICE, BOB, body=b"1", headers={"mex-chunk-range": "1:3"})
    chunk("gap", 3, "3:3", body=b"3")
    for number in (1, 2, 3):
        at.own("GET", BOB, f"/inbox/{{gap}}/{number}")
    at.own("GET", ALICE, "/outbox/tracking?messageID={gap}")

    at.send("hollow", ALICE, BOB, body=b"1", headers={"mex-chunk-range": "1:2"})
    chunk("hollow", 2, "2:2", body=b"")
    at.own("GET", BOB, "/inbox/{hollow}/2")
    at.own("GET", BOB, "/inbox/{hollow}/2", headers={"accept-encoding": "gzip"}, accept=V2)

    zipped = {"content-encoding": "gzip"}
    at.send("zip", ALICE, BOB, body=gzip.compress(b"first"), headers=zipped | {"mex-chunk-range": "1:2"})
    chunk("zip", 2, "2:2", body=b"plain")
    chunk("zip", 2, "2:2", body=gzip.compress(b"second"), headers={"content-encoding": "GZIP"})
    for number in (1, 2):
        for encoding in (None, "gzip", "identity"):
            at.own("GET", BOB, f"/inbox/{{zip}}/{number}", headers={"accept-encoding": encoding})

    at.send("order1", ALICE, BOB, body=b"1", headers={"mex-chunk-range": "1:2"})
    at.send("order2", ALICE, BOB)
    chunk("order1", 2, "2:2")
    at.own("GET", BOB, "/inbox")
    at.send("whole", ALICE, BOB)
    chunk("whole", 1, "1:1")
    chunk("whole", 2, "2:2")


SUBJECTS = {
    "sending": Subject(sending),
    "flags": Subject(flags),
    "checks": Subject(checks),
    "chunks": Subject(chunks),
}
