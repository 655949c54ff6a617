"""Handshake, authorisation, versions, and what the web framework answers by itself."""

from player import ALICE, BOB, V1, V2, Player, Subject, token

CLIENT = {"mex-clientversion": "test==1", "mex-osname": "Linux", "mex-osversion": "6.8"}

# What a client may put into Accept: plain, of a version, decorated, and wrong.
ACCEPTS = [
    None,
    "",
    "*/*",
    "text/html",
    "application/json",
    V1,
    V2,
    "application/vnd.mesh.v3+json",
    "application/vnd.mesh.v10+json",
    "application/vnd.mesh.v0+json",
    "application/vnd.mesh.v02+json",
    "application/vnd.mesh.v2+json; charset=utf-8",
    "charset=utf-8; application/vnd.mesh.v2+json",
    "application/vnd.mesh.v1+json;application/vnd.mesh.v2+json",
    "application/vnd.mesh.v2+json, application/json",
    "application/json, application/vnd.mesh.v2+json",
    "application/vnd.mesh.v2+xml",
    "application/vnd.mesh.v+json",
    "application/vnd.mesh.vx+json",
    "application/vnd.mesh+json",
    "vnd.mesh",
    "APPLICATION/VND.MESH.V2+JSON",
    "application/vnd.mesh.V2+json",
    ";;",
]


def handshake(at: Player) -> None:
    for method in ("GET", "POST"):
        for accept in (None, V1, V2):
            at.own(method, ALICE, "", headers=CLIENT, accept=accept)
            at.own(
                method,
                ALICE,
                "",
                headers=CLIENT | {"user-agent": "x", "mex-javaversion": "N/A"},
                accept=accept,
            )
    for missing in CLIENT:
        for accept in (V1, V2):
            at.own("POST", ALICE, "", headers=CLIENT | {missing: None}, accept=accept)
    at.own("POST", ALICE, "", accept=V2)
    at.own("GET", ALICE, "", headers=dict.fromkeys(CLIENT, ""))
    at.own("POST", ALICE, "", headers=CLIENT, body=b"not wanted", accept=V2)
    at.own("POST", ALICE, "", headers=CLIENT, data={"not": "wanted"})
    at.own("HEAD", ALICE, "", headers=CLIENT)
    at.own("PUT", ALICE, "", headers=CLIENT)
    at.own("DELETE", ALICE, "", headers=CLIENT)
    at.own("GET", ALICE, "/", headers=CLIENT)
    at.own("GET", ALICE, "?unknown=1", headers=CLIENT)


def versions(at: Player) -> None:
    at.send("m1", ALICE, BOB)
    for accept in ACCEPTS:
        at.own("GET", ALICE, "", headers=CLIENT, accept=accept)
        at.own("GET", BOB, "/inbox", accept=accept)
        at.own("GET", BOB, "/inbox/NOSUCHMESSAGE", accept=accept)
        at.own("GET", ALICE, "/outbox/tracking?messageID={m1}", accept=accept)
    for accept in ("application/vnd.mesh.v3+json", "application/vnd.mesh.v2+json, */*", ""):
        at.own("GET", BOB, "/count", accept=accept)
        at.own("GET", BOB, "/inbox/{m1}", accept=accept)
        at.own("HEAD", BOB, "/inbox/{m1}", accept=accept)
        at.own("GET", BOB, "/inbox/rich", accept=accept)
        at.own("GET", ALICE, "/outbox/tracking/nothing", accept=accept)
        at.call("GET", "/messageexchange/endpointlookup/X26/TEST_WORKFLOW", accept=accept)
        at.call("GET", "/messageexchange/workflowsearch/TEST_WORKFLOW", accept=accept)
        at.own(
            "POST",
            ALICE,
            "/outbox",
            accept=accept,
            headers={"mex-to": "NOBODY", "mex-workflowid": "W"},
            body=b"x",
        )


def authorisation(at: Player) -> None:
    good = token(ALICE)
    fields = good.removeprefix("NHSMESH ").split(":")
    wrong_hash = ":".join(fields[:4] + ["0" * 64])
    headers = [
        None,
        "",
        good,
        good.removeprefix("NHSMESH "),
        good.replace("NHSMESH", "nhsmesh"),
        good.replace("NHSMESH", "NhsMesh"),
        good.replace("NHSMESH ", "NHSMESH:"),
        good.replace("NHSMESH ", "NHSMESH  "),
        good.replace("NHSMESH ", "Bearer "),
        good.replace("NHSMESH ", "NHSMESH"),
        "NHSMESH",
        "NHSMESH " + ALICE,
        "NHSMESH " + ":".join(fields[:4]),
        good + ":more",
        "NHSMESH " + wrong_hash,
        "NHSMESH " + ":".join(fields[:4] + [fields[4].upper()]),
        "NHSMESH " + ":".join(fields[:2] + ["x"] + fields[3:]),
        "NHSMESH " + ":".join(fields[:2] + [""] + fields[3:]),
        "NHSMESH " + ":".join(fields[:2] + ["-1"] + fields[3:]),
        "NHSMESH " + ":".join(fields[:3] + ["never"] + fields[4:]),
        token(ALICE, count="0"),
        token(ALICE, count="001"),
        token(ALICE, password="wrong"),
        token(ALICE, key="wrong"),
        token(BOB),
        token(ALICE.lower()),
        token("NOSUCHBOX"),
        "a:b:c:d:e",
        "::::",
    ]
    for header in headers:
        for accept in (V1, V2):
            at.call(
                "GET", f"/messageexchange/{ALICE}", headers=CLIENT | {"authorization": header}, accept=accept
            )
    for mailbox in (ALICE.lower(), "x26Abc1"):
        at.call("GET", f"/messageexchange/{mailbox}", headers=CLIENT | {"authorization": token(ALICE)})
        at.call(
            "GET", f"/messageexchange/{mailbox}/inbox", headers={"authorization": token(ALICE)}, accept=V2
        )
        at.call(
            "GET", f"/messageexchange/{mailbox}/inbox", headers={"authorization": token(mailbox)}, accept=V2
        )
    for mailbox in ("NOSUCHBOX", "X26%20ABC1", "%20", "X26ABC1%20"):
        for accept in (V1, V2):
            given = {"authorization": token("NOSUCHBOX")}
            at.call("GET", f"/messageexchange/{mailbox}/inbox", headers=given, accept=accept)
    # Authorisation comes before every other check.
    bad = {"authorization": token(ALICE, password="wrong")}
    at.call("GET", f"/messageexchange/{ALICE}", headers=bad)
    at.call("GET", f"/messageexchange/{ALICE}", headers=bad, accept="application/vnd.mesh.v2+xml")
    at.call("GET", f"/messageexchange/{ALICE}/inbox?max_results=1", headers=bad)
    at.call("POST", f"/messageexchange/{ALICE}/outbox", headers=bad)
    at.call("POST", f"/messageexchange/{ALICE}/outbox/X/x", headers=bad)
    at.call("GET", f"/messageexchange/{ALICE}/outbox/tracking", headers=bad)
    at.call("HEAD", f"/messageexchange/{ALICE}/inbox/X", headers=bad)
    at.call("GET", f"/messageexchange/{ALICE}/inbox/rich?max_results=0", headers=bad)
    for path in ("inbox", "count", "inbox/X", "inbox/X/1", "outbox/rich", "inbox/rich", "outbox/tracking/X"):
        at.call("GET", f"/messageexchange/{ALICE}/{path}")
    at.call("PUT", f"/messageexchange/{ALICE}/inbox/X/status/acknowledged")
    at.call("POST", f"/messageexchange/{ALICE}/update")


def framework(at: Player) -> None:
    at.own("POST", ALICE, "/update")
    at.own("POST", ALICE, "/update", body=b"x", accept=V2)
    at.own("GET", ALICE, "/update")
    for path in ("/", "/nothing", "/messageexchange", "/messageexchange/", "/messageexchange/a/b/c/d/e/f"):
        at.call("GET", path)
    at.call("POST", "/nothing", accept=V2)
    at.call("OPTIONS", f"/messageexchange/{ALICE}/inbox")
    at.call("PATCH", f"/messageexchange/{ALICE}/inbox")
    wrong_methods = [
        ("POST", "/inbox"),
        ("HEAD", "/inbox"),
        ("DELETE", "/inbox/X"),
        ("POST", "/inbox/X"),
        ("PUT", "/inbox/X"),
        ("HEAD", "/inbox/X/1"),
        ("POST", "/inbox/X/1"),
        ("GET", "/inbox/X/status/acknowledged"),
        ("POST", "/inbox/X/status/acknowledged"),
        ("PUT", "/inbox/X/status/other"),
        ("GET", "/inbox/X/status/other"),
        ("POST", "/count"),
        ("HEAD", "/count"),
        ("GET", "/outbox"),
        ("PUT", "/outbox"),
        ("GET", "/outbox/X"),
        ("GET", "/outbox/X/1"),
        ("PUT", "/outbox/X/1"),
        ("POST", "/outbox/X"),
        ("POST", "/outbox/tracking"),
        ("POST", "/outbox/rich"),
        ("POST", "/inbox/rich"),
        ("HEAD", "/inbox/rich"),
        ("HEAD", "/outbox/tracking"),
        ("GET", "/elsewhere"),
        ("GET", "/inbox/X/1/2"),
        ("GET", "//inbox"),
        ("GET", "/INBOX"),
    ]
    for method, path in wrong_methods:
        at.own(method, ALICE, path)
    for method, path in [("GET", "/inbox/"), ("GET", "/count/"), ("POST", "/outbox/"), ("GET", "/inbox/X/")]:
        at.own(method, ALICE, path)
    at.own("GET", ALICE, "/inbox/?max_results=20")
    at.own("GET", ALICE, "/inbox/X/1/")
    at.own("GET", ALICE, "/outbox/tracking/")
    at.own("GET", ALICE, "/inbox/rich/")
    at.own("PUT", ALICE, "/inbox/X/status/acknowledged/")
    at.own("DELETE", ALICE, "/inbox/")
    at.call("POST", "/messageexchange/endpointlookup/X26/TEST_WORKFLOW")
    at.call("HEAD", "/messageexchange/workflowsearch/TEST_WORKFLOW")
    at.call("GET", "/messageexchange/workflowsearch/TEST_WORKFLOW/")
    at.call("GET", "/messageexchange/endpointlookup/X26/")
    at.call("GET", "/messageexchange/endpointlookup/X26")
    at.call("GET", "/messageexchange/workflowsearch/")
    at.call("GET", "/messageexchange/workflowsearch")


SUBJECTS = {
    "handshake": Subject(handshake),
    "versions": Subject(versions),
    "authorisation": Subject(authorisation),
    "framework": Subject(framework),
}
