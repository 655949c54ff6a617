"""The rich views of an inbox and an outbox."""

from player import ALICE, BOB, CAROL, V1, V2, Player, Subject, token

START_TIMES = [
    "2020-01-01T00:00:00",
    "2020-01-01",
    "2020-01",
    "2020",
    "20200101T000000",
    "2020-01-01T00:00:00.123456",
    "2020-01-01%2000:00:00",
    "2999-01-01T00:00:00",
    "2020-W01-1",
    "2020-01-01T24:00:00",
    # A time with a zone cannot be compared with the emulator's own, which have none.
    "2020-01-01T00:00:00Z",
    "2020-01-01T00:00:00%2B01:00",
    "2020-13-01",
    "2020-01-01T25:00:00",
    "yesterday",
    "",
]

MOST = {
    "inbox": ["1", "2", "10", "24", "25", "100", "2000"],
    "outbox": ["10", "24", "25", "100", "101", "5000"],
}
WRONG = ["0", "-1", "9", "2001", "5001", "x", "", "10.5"]


def rich(at: Player) -> None:
    owners = {"inbox": BOB, "outbox": ALICE}
    for box, owner in owners.items():
        at.own("GET", owner, f"/{box}/rich")
    headers = {"mex-localid": "l", "mex-subject": "s", "mex-filename": "f"}
    for number in range(25):
        at.send(f"m{number:02}", ALICE, BOB, headers=headers if number % 2 else {})
    at.own("PUT", BOB, "/inbox/{m03}/status/acknowledged")
    at.call("POST", "/admin/message/{m05}/event", data={"status": "error", "code": "02", "description": "d"})
    at.call("POST", "/admin/message/{m06}/event", data={"status": "undeliverable", "code": "14"})
    report = {"mailbox_id": BOB, "code": "21", "description": "d", "workflow_id": "W", "status": "error"}
    at.call("POST", "/messageexchange/admin/report", data=report, keep={"report": ("message_id",)})
    at.send("begun", ALICE, BOB, headers={"mex-chunk-range": "1:3"})
    at.send("other", ALICE, CAROL)
    for box, owner in owners.items():
        for accept in (None, V1, V2, "application/vnd.mesh.v2+xml"):
            at.own("GET", owner, f"/{box}/rich", accept=accept)
        for most in MOST[box] + WRONG:
            at.own("GET", owner, f"/{box}/rich?max_results={most}")
        for start in START_TIMES:
            at.own("GET", owner, f"/{box}/rich?start_time={start}")
        page = f"/{box}/rich?max_results=10"
        at.own("GET", owner, page, keep={f"{box}_2": ("links", "next")})
        for link, following in ((f"{box}_2", f"{box}_3"), (f"{box}_3", None)):
            keep = {following: ("links", "next")} if following else None
            at.call("GET", f"{{{link}}}", headers={"authorization": token(owner)}, keep=keep)
        at.own("GET", owner, f"{page}&start_time=2020-01-01", keep={f"{box}_late": ("links", "next")})
        at.call("GET", f"{{{box}_late}}", headers={"authorization": token(owner)})
        for length in (0, 23, 24, 1001):
            at.own("GET", owner, f"{page}&continue_from={'a' * length}")
        at.own("GET", CAROL, f"/{box}/rich")
        at.own("GET", owner, f"/{box}/RICH")


def many(at: Player) -> None:
    for number in range(105):
        at.send(f"m{number:03}", ALICE, BOB)
    at.own("GET", BOB, "/inbox/rich")
    at.own("GET", BOB, "/inbox/rich?max_results=104")
    at.own("GET", ALICE, "/outbox/rich")
    at.own("GET", ALICE, "/outbox/rich?max_results=104")


SUBJECTS = {"rich": Subject(rich), "many": Subject(many)}
