"""How old systems hand their pairs over: the habits of `dts-file-interface.md` 2.4, one after the other."""

import heapq
import os
import time
from collections.abc import Iterable, Iterator

from pairs import Pair

# A system that is slow at its files pauses so long, in seconds. Far less than the relay's quiet time.
_SLOW = 0.2
# Files in OUT above which a system waits before it drops more, and how long it waits at a time.
_OUT_MAX = 1_000
_PAUSE = 0.02
# Pairs between two looks at how full OUT is.
_LOOK_EVERY = 25


class _Dropper:
    """Each habit drops one pair and says in seconds when it goes on."""

    def __init__(self, out: str, own: str):
        self._out, self._own = out, own

    def straight(self, pair: Pair) -> Iterator[float]:
        """Both files are written into OUT, the data first."""
        _write(self._in_out(pair, "dat"), pair.data())
        _write(self._in_out(pair, "ctl"), pair.control())
        yield 0

    def linked(self, pair: Pair) -> Iterator[float]:
        """The data is a link to the system's own archive; the control file is empty and filled later."""
        archived = self._in_own(pair, "archived.dat")
        _write(archived, pair.data())
        os.link(archived, self._in_out(pair, "dat"))
        _write(self._in_out(pair, "ctl"), b"")
        yield _SLOW
        _write(self._in_out(pair, "ctl"), pair.control())
        os.remove(archived)

    def staged(self, pair: Pair) -> Iterator[float]:
        """Both files are made elsewhere and renamed into OUT."""
        for ending, content in (("dat", pair.data()), ("ctl", pair.control())):
            _write(self._in_own(pair, ending), content)
        for ending in ("dat", "ctl"):
            os.replace(self._in_own(pair, ending), self._in_out(pair, ending))
        yield 0

    def slowly(self, pair: Pair) -> Iterator[float]:
        """Each file comes in two halves."""
        for ending, content in (("dat", pair.data()), ("ctl", pair.control())):
            half = len(content) // 2
            _write(self._in_out(pair, ending), content[:half])
            yield _SLOW
            _write(self._in_out(pair, ending), content[half:], "ab")

    def replacing(self, pair: Pair) -> Iterator[float]:
        """The data is put right by another file in its place before the control file comes."""
        _write(self._in_out(pair, "dat"), b"a first try")
        _write(self._in_own(pair, "dat"), pair.data())
        os.replace(self._in_own(pair, "dat"), self._in_out(pair, "dat"))
        _write(self._in_out(pair, "ctl"), pair.control())
        yield 0

    def habits(self):
        return (self.straight, self.linked, self.staged, self.slowly, self.replacing)

    def _in_out(self, pair: Pair, ending: str) -> str:
        return os.path.join(self._out, f"{pair.name}.{ending}")

    def _in_own(self, pair: Pair, ending: str) -> str:
        return os.path.join(self._own, f"{pair.name}.{ending}")


def _write(path: str, content: bytes, mode: str = "wb"):
    with open(path, mode) as file:
        file.write(content)


def drop_all(pairs: Iterable[Pair], out: str, own: str):
    """Drops every pair; `own` is a folder of the system's on the same disk."""
    habits = _Dropper(out, own).habits()
    unfinished: list[tuple[float, int, Iterator[float]]] = []

    def go_on(dropping: Iterator[float], number: int):
        pause = next(dropping, None)
        if pause is not None:
            heapq.heappush(unfinished, (time.monotonic() + pause, number, dropping))

    def go_on_with_what_is_due():
        while unfinished and unfinished[0][0] <= time.monotonic():
            _, number, dropping = heapq.heappop(unfinished)
            go_on(dropping, number)

    for pair in pairs:
        go_on_with_what_is_due()
        while pair.number % _LOOK_EVERY == 0 and len(os.listdir(out)) > _OUT_MAX:
            time.sleep(_PAUSE)
            go_on_with_what_is_due()
        go_on(habits[pair.number % len(habits)](pair), pair.number)
    while unfinished:
        time.sleep(max(0, unfinished[0][0] - time.monotonic()))
        go_on_with_what_is_due()
