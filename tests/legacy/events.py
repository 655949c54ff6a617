"""File-system events of Linux, as `inotify(7)` has them."""

import ctypes
import os
import struct
from typing import NamedTuple

MODIFIED = 0x002
MOVED_AWAY = 0x040
MOVED_HERE = 0x080
CREATED = 0x100
DELETED = 0x200

_OVERFLOW = 0x4000
_ONLY_FOLDERS = 0x01000000
_NOT_BLOCKING = os.O_NONBLOCK | os.O_CLOEXEC
_HEAD = struct.Struct("iIII")
_READ_BYTES = 1 << 20


class Overflow(Exception):
    """Events were lost, so nothing can be said about what was seen."""


class Event(NamedTuple):
    """Something happened to `name` in a folder."""

    folder: str
    name: str
    what: int


class Watch:
    """Watches folders, each under a name. To be waited for by its `fileno`."""

    def __init__(self, folders: dict[str, str], mask: int):
        system = ctypes.CDLL(None, use_errno=True)
        self._descriptor = system.inotify_init1(_NOT_BLOCKING)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._names = {}
        for name, path in folders.items():
            number = system.inotify_add_watch(self._descriptor, os.fsencode(path), mask | _ONLY_FOLDERS)
            if number < 0:
                raise OSError(ctypes.get_errno(), f"inotify_add_watch of {name}")
            self._names[number] = name

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> list[Event]:
        """What has happened since the last time; nothing when nothing has."""
        try:
            raw = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return []
        events, at = [], 0
        while at < len(raw):
            number, what, _, length = _HEAD.unpack_from(raw, at)
            at += _HEAD.size
            if what & _OVERFLOW:
                raise Overflow
            name = os.fsdecode(raw[at : at + length].rstrip(b"\0"))
            at += length
            if number in self._names and name:
                events.append(Event(self._names[number], name, what))
        return events
