"""Tracking by id and by local id, and the two ways to look a mailbox up."""

from urllib.parse import quote

from player import ALICE, BOB, CAROL, V1, V2, Player, Subject

LOCAL_IDS = [
    "plain",
    "with space",
    "a/b",
    "a%b",
    "a?b",
    "a#b",
    "a+b",
    "a&b=c",
    "é✓",
    "..",
    "UPPER",
    "upper",
    "x" * 300,
]


def tracking(at: Player) -> None:
    at.send("sent", ALICE, BOB, headers={"mex-localid": "sent", "mex-subject": "s", "mex-filename": "f.txt"})
    at.send("taken", ALICE, BOB, headers={"mex-localid": "taken"})
    at.own("PUT", BOB, "/inbox/{taken}/status/acknowledged")
    at.send("begun", ALICE, BOB, headers={"mex-localid": "begun", "mex-chunk-range": "1:2"})
    at.send("other", BOB, ALICE, headers={"mex-localid": "other"})
    for accept in (None, V1, V2, "application/vnd.mesh.v3+json"):
        for name in ("sent", "sent:lower", "taken", "begun", "other"):
            at.own("GET", ALICE, f"/outbox/tracking?messageID={{{name}}}", accept=accept)
            at.own("GET", ALICE, f"/outbox/tracking/{name}", accept=accept)
        at.own("GET", BOB, "/outbox/tracking?messageID={sent}", accept=accept)
        at.own("GET", CAROL, "/outbox/tracking?messageID={sent}", accept=accept)
        at.own("GET", BOB, "/outbox/tracking/sent", accept=accept)
        queries = ["messageID=NOSUCH", "messageID=", "messageID", "messageid={sent}", "message_id={sent}"]
        queries += [
            "",
            "localID=sent",
            "messageID={sent}&messageID={taken}",
            "messageID=%20",
            "x=1&messageID={sent}",
        ]
        for query in queries:
            at.own("GET", ALICE, f"/outbox/tracking?{query}", accept=accept)


def local_ids(at: Player) -> None:
    for number, local_id in enumerate(LOCAL_IDS):
        at.send(f"m{number:02}", ALICE, BOB, headers={"mex-localid": local_id})
        for accept in (V1, V2):
            at.own("GET", ALICE, f"/outbox/tracking/{quote(local_id, safe='')}", accept=accept)
        at.own("GET", BOB, f"/outbox/tracking/{quote(local_id, safe='')}")
        at.own("HEAD", BOB, f"/inbox/{{m{number:02}}}")
    at.own("GET", ALICE, "/outbox/tracking/with+space")
    at.own("GET", ALICE, "/outbox/tracking/a/b")
    at.own("GET", ALICE, "/outbox/tracking/%20")
    at.own("GET", ALICE, "/outbox/tracking/PLAIN")
    at.own("GET", ALICE, "/outbox/tracking/plain%20")
    at.send("again", ALICE, BOB, headers={"mex-localid": "plain"})
    at.send("elsewhere", ALICE, CAROL, headers={"mex-localid": "UPPER"})
    at.send("theirs", BOB, CAROL, headers={"mex-localid": "upper"})
    for accept in (V1, V2, "application/vnd.mesh.v2+xml"):
        for local_id in ("plain", "UPPER", "upper", "nothing"):
            at.own("GET", ALICE, f"/outbox/tracking/{local_id}", accept=accept)
        at.own("GET", BOB, "/outbox/tracking/upper", accept=accept)
    at.send("one_of_two", BOB, ALICE, headers={"mex-localid": "two", "mex-chunk-range": "1:2"})
    at.own("GET", BOB, "/outbox/tracking/two")
    at.send("two_of_two", BOB, ALICE, headers={"mex-localid": "two"})
    at.own("GET", BOB, "/outbox/tracking/two")


def lookups(at: Player) -> None:
    ods_codes = ["X26", "X27", "x26", "NONE", "%20", "X26%20", "é"]
    workflows = [
        "TEST_WORKFLOW",
        "TEST_WORKFLOW_ACK",
        "TEST_WORKFLOW2",
        "test_workflow",
        "NONE",
        "%20",
        "A%2FB",
        "é",
    ]
    for accept in (None, V1, V2, "application/vnd.mesh.v2+xml"):
        for workflow in workflows:
            for ods_code in ods_codes:
                at.call("GET", f"/messageexchange/endpointlookup/{ods_code}/{workflow}", accept=accept)
            at.call("GET", f"/messageexchange/workflowsearch/{workflow}", accept=accept)
    at.call("GET", "/messageexchange/workflowsearch/TEST_WORKFLOW", headers={"authorization": "rubbish"})
    at.call(
        "GET", "/messageexchange/endpointlookup/X26/TEST_WORKFLOW?x=1", headers={"authorization": "rubbish"}
    )


SUBJECTS = {
    "tracking": Subject(tracking),
    "local ids": Subject(local_ids),
    "lookups": Subject(lookups),
}
