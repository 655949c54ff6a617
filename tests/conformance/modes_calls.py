"""The other ways to start a sandbox: authorisation off or canned, and the canned and the file store."""

from player import ALICE, BOB, CAROL, V1, V2, Player, Subject, token
from sandboxes import Configuration

CLIENT = {"mex-clientversion": "test==1", "mex-osname": "Linux", "mex-osversion": "6.8"}
CANNED = ["SIMPLE_MESSAGE", "UNDELIVERED_MESSAGE", "CHUNKED_MESSAGE_GZ", "simple_message", "NOSUCH"]


# What the calls on the file store send, in every state that a message can be filed in.
FILED = ["plain", "begun", "gap", "full", "report", "failed", "unfinished"]


def no_authorisation(at: Player) -> None:
    for header in (None, "rubbish", token(ALICE), token(BOB), token(ALICE, password="wrong")):
        for accept in (V1, V2):
            headers = {"authorization": header}
            at.call("GET", f"/messageexchange/{ALICE}", headers=CLIENT | headers, accept=accept)
            at.call("GET", f"/messageexchange/{ALICE.lower()}/inbox", headers=headers, accept=accept)
            at.call("GET", "/messageexchange/NOSUCHBOX/inbox", headers=headers, accept=accept)
            at.call("GET", f"/messageexchange/{ALICE}/inbox/rich", headers=headers, accept=accept)


def canned_authorisation(at: Player) -> None:
    tokens = ["VALID", "valid", "INVALID", ""]
    headers = [f"NHSMESH {ALICE}:{nonce}:1:things" for nonce in tokens]
    headers += [
        f"{ALICE}:VALID",
        f"nhsmesh {ALICE}:VALID:x:y:z:more",
        f"NHSMESH {BOB}:VALID:1:t",
        ALICE,
        "",
        token(ALICE),
    ]
    headers += [f"NHSMESH {ALICE.lower()}:VALID:1:t", "NHSMESH NOSUCHBOX:VALID:1:t"]
    for header in headers:
        for accept in (V1, V2):
            given = {"authorization": header}
            at.call("GET", f"/messageexchange/{ALICE}", headers=CLIENT | given, accept=accept)
            at.call("GET", "/messageexchange/NOSUCHBOX/inbox", headers=given, accept=accept)
    at.call("GET", f"/messageexchange/{ALICE}/inbox")


def canned_store(at: Player) -> None:
    for accept in (V1, V2):
        for mailbox in (ALICE, BOB, CAROL):
            at.own("GET", mailbox, "/inbox", accept=accept)
            at.own("GET", mailbox, "/count", accept=accept)
            for name in CANNED:
                at.own("HEAD", mailbox, f"/inbox/{name}", accept=accept)
                at.own("GET", mailbox, f"/inbox/{name}", accept=accept)
                at.own("GET", mailbox, f"/inbox/{name}", headers={"accept-encoding": "gzip"}, accept=accept)
                for number in (1, 2, 3):
                    at.own("GET", mailbox, f"/inbox/{name}/{number}", accept=accept)
                at.own("GET", mailbox, f"/outbox/tracking?messageID={name}", accept=accept)
    for mailbox in (ALICE, BOB):
        at.own("GET", mailbox, "/inbox/rich")
        at.own("GET", mailbox, "/outbox/rich")
        at.own("GET", mailbox, "/inbox/rich?start_time=2000-01-01")
        at.own("GET", mailbox, "/outbox/rich?start_time=2000-01-01")
    for name in CANNED:
        at.call("GET", f"/admin/message/{name}")
    # Nothing is written, yet the writer is told that all is well.
    at.send("dropped", ALICE, BOB)
    at.send("dropped2", ALICE, BOB, accept=V2)
    at.own("GET", BOB, "/inbox")
    at.own("GET", BOB, "/inbox/{dropped}")
    at.own("GET", ALICE, "/outbox/tracking?messageID={dropped}")
    at.own("GET", ALICE, "/outbox/rich")
    at.own("PUT", ALICE, "/inbox/SIMPLE_MESSAGE/status/acknowledged")
    at.own("GET", ALICE, "/inbox")
    at.own("POST", ALICE, "/outbox/CHUNKED_MESSAGE_GZ/2", headers={"mex-chunk-range": "2:2"}, body=b"x")
    report = {"mailbox_id": ALICE, "code": "21", "description": "d", "workflow_id": "W"}
    at.call("POST", "/messageexchange/admin/report", data=report, keep={"report": ("message_id",)})
    at.own("GET", ALICE, "/inbox/{report}")
    at.call("POST", "/admin/message/SIMPLE_MESSAGE/event", data={"status": "error"})
    at.own("GET", ALICE, "/inbox/SIMPLE_MESSAGE")
    for root in ("/admin", "/messageexchange/admin"):
        for path in ("/reset", f"/reset/{ALICE}", "/reset/NOSUCHBOX"):
            for accept in (V1, V2):
                at.call("DELETE", root + path, accept=accept)
    at.call("GET", f"/admin/mailbox/{ALICE}")
    at.call("GET", "/messageexchange/workflowsearch/TEST_WORKFLOW")


def file_store(at: Player) -> None:
    for mailbox in (ALICE, BOB, CAROL):
        at.own("GET", mailbox, "/inbox", accept=V2)
    at.send("plain", ALICE, BOB, headers={"mex-localid": "l"})
    at.send("begun", ALICE, BOB, body=b"1", headers={"mex-chunk-range": "1:2"})
    at.own("POST", ALICE, "/outbox/{begun}/2", headers={"mex-chunk-range": "2:2"}, body=b"22")
    at.send("gap", ALICE, BOB, body=b"1", headers={"mex-chunk-range": "1:3"})
    at.own("POST", ALICE, "/outbox/{gap}/3", headers={"mex-chunk-range": "3:3"}, body=b"333")
    at.own("PUT", BOB, "/inbox/{plain}/status/acknowledged")
    everything = {
        "mex-subject": "naïve",
        "mex-localid": "l 2",
        "mex-filename": "f.txt",
        "mex-partnerid": "p",
    }
    everything |= {
        "mex-content-checksum": "ab12",
        "mex-content-encrypted": "Y",
        "content-type": "text/plain",
    }
    at.send("full", ALICE, BOB, headers=everything)
    report = {"mailbox_id": BOB, "code": "21", "description": "d", "workflow_id": "W", "status": "error"}
    at.call("POST", "/messageexchange/admin/report", data=report, keep={"report": ("message_id",)})
    at.send("failed", ALICE, BOB)
    event = {"status": "error", "code": "02", "event": "SEND", "description": "d", "linked_message_id": "L"}
    at.call("POST", "/admin/message/{failed}/event", data=event)
    at.send("unfinished", ALICE, BOB, body=b"1", headers={"mex-chunk-range": "1:2"})
    for _ in range(2):
        for name in FILED:
            at.own("GET", BOB, f"/inbox/{{{name}}}")
            at.own("GET", BOB, f"/inbox/{{{name}}}/2")
            at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}")
            at.call("GET", f"/admin/message/{{{name}}}")
        at.own("GET", BOB, "/inbox", accept=V2)
        at.own("GET", BOB, "/inbox/rich")
        at.own("GET", ALICE, "/outbox/rich")
        at.own("GET", ALICE, "/outbox/tracking/l")
        # Everything is read again from the files, which a reset leaves alone.
        at.call("DELETE", "/admin/reset")


def other_folder(at: Player) -> None:
    for mailbox in (ALICE, BOB, CAROL):
        for path in ("/inbox", "/count", "/inbox/rich", "/outbox/rich"):
            at.own("GET", mailbox, path, accept=V2)
    for name in FILED:
        at.own("HEAD", BOB, f"/inbox/{{{name}}}")
        at.own("GET", BOB, f"/inbox/{{{name}}}", accept=V2)
        at.own("GET", BOB, f"/inbox/{{{name}}}/2")
        at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}")
        at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}", accept=V2)
        at.call("GET", f"/admin/message/{{{name}}}")
    at.own("GET", ALICE, "/outbox/tracking/l")
    at.own("PUT", BOB, "/inbox/{begun}/status/acknowledged")
    # The upload is not gone on with: the emulator forgets its content encoding across a restart and refuses it.
    at.send("later", ALICE, BOB)
    at.own("GET", BOB, "/inbox", accept=V2)
    at.own("GET", BOB, "/inbox/rich")


SUBJECTS = {
    "no authorisation": Subject(no_authorisation, Configuration(auth="none")),
    "canned authorisation": Subject(canned_authorisation, Configuration(auth="canned")),
    "canned store": Subject(canned_store, Configuration(store="canned")),
    "file store": Subject(file_store, Configuration(store="file"), other_folder),
}
