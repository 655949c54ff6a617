"""Starting the two sandboxes that the conformance tests call: the relay's own and the official emulator."""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

SHARED_KEY = "TestKey"

# A sandbox that has said nothing by then never will. Long, because a busy machine is slow to start Python.
START_SECONDS = 60

_ADDRESS = re.compile(r"http://127\.0\.0\.1:[1-9][0-9]*")


@dataclass(frozen=True)
class Configuration:
    """What a sandbox is started with. `store` is `memory`, `canned` or `file`; the last uses `folder`."""

    auth: str = "full"
    store: str = "memory"
    folder: str = ""


class Sandbox:
    """A running sandbox. Whoever starts it ends it; a `with` block does."""

    def __init__(self, command: list[str], environment: dict[str, str]):
        # A file, not a pipe: nobody reads on once the address is known, and a full pipe would stop it.
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        try:
            self.base_url = self._wait_for_address(command)
        except BaseException:
            self.end()
            raise

    def _wait_for_address(self, command: list[str]) -> str:
        deadline = time.monotonic() + START_SECONDS
        while True:
            ended = self._process.poll()
            said = self.log()
            found = _ADDRESS.search(said)
            if ended is None and found:
                return found.group()
            if ended is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no sandbox answers after {' '.join(command)} (status {ended}):\n{said}")
            time.sleep(0.005)

    def log(self) -> str:
        size = os.fstat(self._log.fileno()).st_size
        # Read by position: the sandbox writes at the end through the same open file.
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "replace")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


def start_ours(configuration: Configuration) -> Sandbox:
    """The relay's sandbox, from the program that MESH_RELAY_BINARY names."""
    binary = os.environ.get("MESH_RELAY_BINARY")
    if not binary:
        raise RuntimeError("MESH_RELAY_BINARY does not name the relay's program, which is to be tried")
    command = [
        binary,
        "sandbox",
        "--listen",
        "127.0.0.1:0",
        "--shared-key",
        SHARED_KEY,
        "--profile",
        "official",
    ]
    command += ["--auth", configuration.auth] if configuration.auth != "full" else []
    store = configuration.folder if configuration.store == "file" else configuration.store
    command += ["--store", store] if store != "memory" else []
    return Sandbox(command, dict(os.environ))


def start_official(configuration: Configuration) -> Sandbox:
    """The official emulator, installed beside this Python."""
    environment = dict(
        os.environ,
        ENV="local",
        BUILD_LABEL="latest",
        AUTH_MODE=configuration.auth,
        STORE_MODE=configuration.store,
        SHARED_KEY=SHARED_KEY,
        MAILBOXES_DATA_DIR=configuration.folder,
        # It takes its naive times for local ones when it writes Last-Modified.
        TZ="UTC",
    )
    command = [sys.executable, "-m", "uvicorn", "mesh_sandbox.api:app", "--host", "127.0.0.1", "--port", "0"]
    return Sandbox(command, environment)


START = {"ours": start_ours, "official": start_official}
