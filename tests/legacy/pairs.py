"""What the two old systems send each other. Both can make every pair anew, so neither has to be told what is right."""

import hashlib
import random

# Every so many messages one is long, and one so long that the relay sends it in chunks (of 20 MB).
_LONG_EVERY = 200
_LONG_AT = 30
_LONG_BYTES = (1_000_000, 3_000_000)
_CHUNKED_EVERY = 2_500
_CHUNKED_AT = 60
_CHUNKED_BYTES = (20_500_000, 24_000_000)
_USUAL_BYTES = (200, 20_000)


class Pair:
    """One of the pairs that `sender` drops for `receiver`. Its name is its local id, as many systems have it."""

    def __init__(self, seed: int, sender: str, receiver: str, number: int):
        self._key = f"{seed}/{sender}/{number}".encode()
        self.sender, self.receiver, self.number = sender, receiver, number
        dice = random.Random(self._key)
        self.is_chunked = number % _CHUNKED_EVERY == _CHUNKED_AT
        is_long = number % _LONG_EVERY == _LONG_AT
        bounds = _CHUNKED_BYTES if self.is_chunked else _LONG_BYTES if is_long else _USUAL_BYTES
        self.length = dice.randint(*bounds)
        self._compress = not self.is_chunked and dice.random() < 0.5
        self._allow_chunking = self.is_chunked or dice.random() < 0.5
        self.name = (
            f"{sender}LAB{number:08}",
            hashlib.md5(self._key).hexdigest(),
            f"{sender}_23112026_{number:06}.csv",
        )[number % 3]

    def data(self) -> bytes:
        return hashlib.shake_128(self._key).hexdigest(self.length // 2 + 1)[: self.length].encode()

    def digest(self) -> bytes:
        return hashlib.sha256(self.data()).digest()

    def control(self) -> bytes:
        """In one of the spellings that are about: with a declaration or without, with either line end."""
        flag = {True: "Y", False: "N"}
        elements = (
            ("Version", "1.0"),
            ("AddressType", "DTS"),
            ("MessageType", "Data"),
            ("From_DTS", self.sender),
            ("To_DTS", self.receiver),
            ("Subject", f"Results {self.number}"),
            ("LocalId", self.name),
            ("WorkflowId", "TEST_WORKFLOW"),
            ("Compress", flag[self._compress]),
            ("Encrypted", "N"),
            ("AllowChunking", flag[self._allow_chunking]),
        )
        lines = ["<DTSControl>", *(f"  <{name}>{text}</{name}>" for name, text in elements), "</DTSControl>", ""]
        if self.number % 2:
            lines.insert(0, '<?xml version="1.0" encoding="UTF-8"?>')
        return ("\r\n" if self.number % 5 < 2 else "\n").join(lines).encode()
