"""Plays the same calls to the official emulator and to our sandbox and compares every answer.

    MESH_RELAY_BINARY=<the relay's program> python differential.py [--itself] [subject ...]

Ends with status 0 if nothing differs but what `meant.py` lists. `--itself` plays to two official emulators,
which must not differ at all: what is then found is a fault of these scripts.
"""

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from tempfile import TemporaryDirectory

import httpx

import admin_calls
import handshake_calls
import inbox_calls
import modes_calls
import outbox_calls
import rich_calls
import tracking_calls
from answers import Site
from meant import MEANT
from player import Player, Subject
from sandboxes import START, Configuration

MODULES = (handshake_calls, outbox_calls, inbox_calls, tracking_calls, admin_calls, rich_calls, modes_calls)

# Fewer calls would mean that subjects have been lost on the way.
LEAST_CALLS = 3000


def play(subject: Subject, kinds: Sequence[str]) -> list[Player]:
    with ExitStack() as ends_after:
        folders = [ends_after.enter_context(TemporaryDirectory()) for _ in kinds]
        player = _play(subject.play, subject.configuration, kinds, folders, [{}, {}])
        if subject.after_exchange is None:
            return [player]
        # With the folders go the ids of what is in them.
        folders.reverse()
        ids = [site.ids for site in reversed(player.sites)]
        return [player, _play(subject.after_exchange, subject.configuration, kinds, folders, ids)]


def _play(
    calls: Callable[[Player], None],
    configuration: Configuration,
    kinds: Sequence[str],
    folders: list[str],
    ids: list[dict[str, str]],
) -> Player:
    with ExitStack() as ends_after:
        sites = []
        for kind, folder, known in zip(kinds, folders, ids, strict=True):
            sandbox = ends_after.enter_context(START[kind](replace(configuration, folder=folder)))
            # A connection to each call: the emulator drops one after a call that it broke on.
            limits = httpx.Limits(max_keepalive_connections=0)
            client = ends_after.enter_context(httpx.Client(trust_env=False, timeout=30, limits=limits))
            sites.append(Site(kind, sandbox.base_url, client, known))
        player = Player(*sites)
        calls(player)
        return player


def main() -> int:
    subjects = {name: subject for module in MODULES for name, subject in module.SUBJECTS.items()}
    parser = ArgumentParser()
    parser.add_argument("--itself", action="store_true", help="compare the official emulator with itself")
    parser.add_argument("subjects", nargs="*", choices=[*subjects, []], help="all of them if none is named")
    options = parser.parse_args()
    kinds = ("official", "official" if options.itself else "ours")

    calls, faults, met = 0, 0, Counter()
    for name in options.subjects or subjects:
        try:
            players = play(subjects[name], kinds)
        except (RuntimeError, httpx.HTTPError) as error:
            faults += 1
            print(f"[{name}] was not played to its end: {error!r}")
            continue
        for player in players:
            calls += player.calls
            faults += len(player.faults)
            met += player.met
            for fault in player.faults:
                print(f"[{name}] {fault}")
    for entry in MEANT:
        print(f"meant, met {met[entry.reason]} times: {entry.reason}")
    if not options.subjects and not options.itself:
        # A meant difference that is no longer met hides nothing now, and might later.
        faults += sum(met[entry.reason] == 0 for entry in MEANT)
        faults += calls < LEAST_CALLS
    print(f"{calls} calls, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
