"""An old system at one mailbox, as strict as any: it drops pairs, and hears of IN and SENT by create events alone. Each
name it reads once, at the first event, and never again; then it deletes what it has read.

Beside the system's own eyes a witness takes down every other event there: a file that is written after it has appeared,
or one that somebody else takes away, is a fault, however fast it happened.

    application.py ROOT MAILBOX PARTNER EACH_WAY SEED [collects]

It says "watching" when it does, "all" when all that must come has come, and at the end of its input in one line of JSON
what it saw.
"""

import hashlib
import json
import os
import re
import select
import sys
import time
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple, Optional

import events
from dropping import drop_all
from pairs import Pair

FOLDERS = ("IN", "OUT", "SENT", "FAILED")
WATCHED = ("IN", "SENT", "FAILED")
STATUS = ("DateTime", "Event", "Status", "StatusCode", "Description")
MASK = events.CREATED | events.MOVED_HERE | events.MODIFIED | events.MOVED_AWAY | events.DELETED
# The relay tries at its start, before anything is delivered, whether it may write in a folder.
PROBE = re.compile(r"\.mesh-relay\.probe\.[0-9]+")
# Faults that are told in full.
FAULTS_TOLD_MAX = 40


class Seen(NamedTuple):
    """A data file as it was at its first event."""

    digest: bytes
    identity: tuple


class Fault(Exception):
    """What the system finds and must not find."""


def identity(found: os.stat_result) -> tuple:
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def read_control(content: bytes) -> dict[str, str]:
    """The elements of a control file, those of its status record under their own names."""
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise Fault(f"is no complete XML at its first event: {error}, {len(content)} bytes") from None
    record = root.find("StatusRecord")
    if root.tag != "DTSControl" or record is None:
        raise Fault("has no status record")
    if [child.tag for child in record] != list(STATUS) or any(not child.text for child in record):
        raise Fault(f"has not all of a status record: {[(child.tag, child.text) for child in record]}")
    return {child.tag: child.text or "" for child in [*root, *record]}


def expect(control: dict[str, str], **expected: str):
    for name, text in expected.items():
        if control.get(name) != text:
            raise Fault(f"says {name} {control.get(name)!r} instead of {text!r}")


class Application:
    def __init__(self, root: str, mailbox: str, partner: str, each_way: int, seed: int, collects: bool):
        self.mailbox, self.partner, self.collects = mailbox, partner, collects
        self.paths = {name: os.path.join(root, name) for name in FOLDERS}
        self.own = f"{root}-application"
        for path in (*self.paths.values(), self.own):
            os.makedirs(path, exist_ok=True)
        # By name, which is the local id.
        self.to_send = {pair.name: pair for pair in (Pair(seed, mailbox, partner, n) for n in range(each_way))}
        self.to_come = {pair.name: pair for pair in (Pair(seed, partner, mailbox, n) for n in range(each_way))}
        self.seen: dict[str, set[str]] = {name: set() for name in WATCHED}
        self.data: dict[tuple[str, str], Seen] = {}
        self.deleted: set[tuple[str, str]] = set()
        self.sent: set[str] = set()
        self.received: set[str] = set()
        self.collected: set[str] = set()
        self.ids: set[str] = set()
        self.probes = self.events = 0
        # How long each file had been there when it was read, in seconds.
        self.ages: list[float] = []
        self.faults: list[str] = []

    def has_all(self) -> bool:
        counts = (len(self.sent), len(self.received), len(self.collected))
        each_way = len(self.to_send)
        return counts == (each_way, each_way, each_way if self.collects else 0)

    def take_down(self, event: events.Event):
        self.events += 1
        try:
            if PROBE.fullmatch(event.name):
                self.probes += bool(event.what & events.CREATED)
            elif event.what & (events.CREATED | events.MOVED_HERE):
                self.appeared(event.folder, event.name)
            elif event.what & events.MODIFIED:
                raise Fault("was written after it had appeared")
            elif (event.folder, event.name) in self.deleted:
                self.deleted.remove((event.folder, event.name))
            else:
                raise Fault("was taken away by somebody else")
        except Fault as fault:
            self.faults.append(f"{self.mailbox} {event.folder}/{event.name} {fault}")

    def appeared(self, folder: str, name: str):
        """A create event: the one moment at which the system looks at the file."""
        if name in self.seen[folder]:
            raise Fault("appeared a second time")
        self.seen[folder].add(name)
        stem, ending = os.path.splitext(name)
        if folder == "FAILED":
            raise Fault("is a failure, and nothing can fail")
        if ending == ".dat":
            self.data[folder, stem] = self.read_data(folder, name)
            if folder == "SENT":
                self.compare(folder, stem, self.to_send.get(stem))
        elif ending != ".ctl":
            raise Fault("is no name for an application's eyes")
        elif folder == "SENT":
            self.control_in_sent(stem, read_control(self.read(folder, name)[0]))
        else:
            self.control_in_in(stem, read_control(self.read(folder, name)[0]))

    def read(self, folder: str, name: str) -> tuple[bytes, os.stat_result]:
        try:
            with open(os.path.join(self.paths[folder], name), "rb") as file:
                found = os.fstat(file.fileno())
                self.ages.append(time.time() - found.st_ctime)
                return file.read(), found
        except FileNotFoundError:
            raise Fault("had vanished before it could be read") from None

    def read_data(self, folder: str, name: str) -> Seen:
        content, found = self.read(folder, name)
        return Seen(hashlib.sha256(content).digest(), identity(found))

    def compare(self, folder: str, stem: str, pair: Optional[Pair]):
        """Whether the data, as it was at its first event, is the pair's."""
        if pair is None:
            raise Fault("belongs to no pair that was dropped")
        if self.data[folder, stem].digest != pair.digest():
            raise Fault(f"is not the data that was dropped, {pair.length} bytes, at its first event")

    def take_pair(self, folder: str, stem: str):
        """The data was there before the control file, is still the same, and both are deleted now."""
        before = self.data.get((folder, stem))
        try:
            now = identity(os.stat(os.path.join(self.paths[folder], f"{stem}.dat")))
        except FileNotFoundError:
            raise Fault("has no data file beside it") from None
        if before is None:
            raise Fault("appeared before its data file")
        if before.identity != now:
            raise Fault("has another data file beside it than the one that appeared")
        self.delete(folder, f"{stem}.ctl")
        self.delete(folder, f"{stem}.dat")

    def delete(self, folder: str, name: str):
        self.deleted.add((folder, name))
        os.remove(os.path.join(self.paths[folder], name))

    def control_in_sent(self, stem: str, control: dict[str, str]):
        expect(control, From_DTS=self.mailbox, To_DTS=self.partner, LocalId=stem, MessageType="Data")
        expect(control, Event="TRANSFER", Status="SUCCESS", StatusCode="00")
        if not control.get("DTSId") or control["DTSId"] in self.ids:
            raise Fault(f"has the id {control.get('DTSId')!r}, which is none or another one's")
        if self.collects and stem not in self.collected:
            raise Fault("came before the report that it was collected")
        self.take_pair("SENT", stem)
        self.ids.add(control["DTSId"])
        self.sent.add(stem)

    def control_in_in(self, stem: str, control: dict[str, str]):
        if control.get("MessageType") == "Report":
            return self.collect_report(stem, control)
        expect(control, From_DTS=self.partner, To_DTS=self.mailbox, DTSId=stem, MessageType="Data")
        expect(control, Event="TRANSFER", Status="SUCCESS", StatusCode="00")
        local_id = control.get("LocalId", "")
        self.take_pair("IN", stem)
        self.compare("IN", stem, self.to_come.get(local_id))
        if local_id in self.received:
            raise Fault("brings a message that had come before")
        self.received.add(local_id)

    def collect_report(self, stem: str, control: dict[str, str]):
        expect(control, Event="COLLECT", Status="SUCCESS", StatusCode="00", IsCompressed="N")
        local_id = control.get("LocalId", "")
        if not self.collects or local_id not in self.to_send or local_id in self.collected:
            raise Fault(f"reports what was not asked for, unknown or told before: {local_id!r}")
        if os.path.exists(os.path.join(self.paths["IN"], f"{stem}.dat")):
            raise Fault("is a report and has a data file")
        self.delete("IN", f"{stem}.ctl")
        self.collected.add(local_id)

    def report(self) -> dict:
        for folder, path in self.paths.items():
            for name in os.listdir(path):
                self.faults.append(f"{self.mailbox} {folder}/{name} is still there at the end")
        ages = sorted(self.ages) or [0.0]
        return {
            "sent": len(self.sent),
            "received": len(self.received),
            "collected": len(self.collected),
            "events": self.events,
            "probes": self.probes,
            "read_after_p50_ms": max(0.0, ages[len(ages) // 2] * 1000),
            "read_after_p99_ms": max(0.0, ages[len(ages) * 99 // 100] * 1000),
            "faults": len(self.faults),
            "told": self.faults[:FAULTS_TOLD_MAX],
        }


def say(line: str):
    print(line, flush=True)


def start_dropping(application: Application) -> int:
    """Drops in a process of its own, so that the eyes are never busy with it. Gives what is readable when that ends."""
    ends, held = os.pipe()
    if os.fork() == 0:
        os.close(ends)
        result = 1
        try:
            drop_all(application.to_send.values(), application.paths["OUT"], application.own)
            result = 0
        except Exception as error:  # pylint: disable=broad-except
            print(f"dropping ended with {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(result)
    os.close(held)
    return ends


def main(root: str, mailbox: str, partner: str, each_way: str, seed: str, *collects: str):
    application = Application(root, mailbox, partner, int(each_way), int(seed), collects == ("collects",))
    watch = events.Watch({name: application.paths[name] for name in WATCHED}, MASK)
    say("watching")
    dropping = start_dropping(application)
    waiting = select.poll()
    for readable in (watch, dropping, sys.stdin):
        waiting.register(readable, select.POLLIN)
    has_said_all = False
    is_ended = False
    while not is_ended:
        ready = {descriptor for descriptor, _ in waiting.poll()}
        is_ended = sys.stdin.fileno() in ready
        for event in watch.read():
            application.take_down(event)
        if dropping in ready:
            waiting.unregister(dropping)
            if os.wait()[1] != 0:
                raise RuntimeError("not all pairs could be dropped")
        if not has_said_all and application.has_all():
            has_said_all = True
            say("all")
    while found := watch.read():
        for event in found:
            application.take_down(event)
    say(json.dumps(application.report()))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except events.Overflow:
        sys.exit("overflow: events were lost, so this run says nothing; fewer pairs at a time, or a quieter machine")
