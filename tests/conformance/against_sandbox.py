"""Lets the official emulator's own tests call a sandbox over HTTP.

The tests come with the emulator's package and are run unchanged. The package's `conftest.py`, which would
give them the emulator inside their own process, must be left out; this plugin takes its place. In this
folder:

    MESH_RELAY_BINARY=<the relay's program> \
    python -m pytest -p against_sandbox --noconftest --pyargs mesh_sandbox.tests.inbox
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from sandboxes import SHARED_KEY, START, Configuration, Sandbox


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sandbox",
        choices=sorted(START),
        default="ours",
        help="what the tests call; they must pass against the official emulator, or this plugin is at fault",
    )


@pytest.fixture(autouse=True)
def setup(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every test finds in its environment. Tests change it as they run, and so choose their sandbox."""
    monkeypatch.setenv("ENV", "local")
    monkeypatch.setenv("BUILD_LABEL", "test")
    monkeypatch.setenv("AUTH_MODE", "full")
    monkeypatch.setenv("STORE_MODE", "memory")
    monkeypatch.setenv("SHARED_KEY", SHARED_KEY)
    monkeypatch.delenv("MAILBOXES_DATA_DIR", raising=False)


class App:
    """Has the calls of the test client that the tests were written for.

    Each call goes to a sandbox of the configuration that the environment names at that moment, started by
    the first call that wants it.
    """

    def __init__(self, kind: str, spare_folder: Path, ends_with_the_test: ExitStack):
        self._kind = kind
        self._spare_folder = str(spare_folder)
        self._ends_with_the_test = ends_with_the_test
        self._clients: dict[Configuration, httpx.Client] = {}

    def _client(self) -> httpx.Client:
        configuration = Configuration(
            auth=os.environ["AUTH_MODE"],
            store=os.environ["STORE_MODE"],
            folder=os.environ.get("MAILBOXES_DATA_DIR", self._spare_folder),
        )
        if configuration not in self._clients:
            sandbox = self._ends_with_the_test.enter_context(START[self._kind](configuration))
            # The in-process client follows redirects and never leaves for a proxy.
            client = httpx.Client(
                base_url=sandbox.base_url, follow_redirects=True, trust_env=False, timeout=30
            )
            self._clients[configuration] = self._ends_with_the_test.enter_context(client)
        return self._clients[configuration]

    def get(self, url: str, **more) -> httpx.Response:
        return self._client().get(url, **more)

    def head(self, url: str, **more) -> httpx.Response:
        return self._client().head(url, **more)

    def post(self, url: str, **more) -> httpx.Response:
        return self._client().post(url, **more)

    def put(self, url: str, **more) -> httpx.Response:
        return self._client().put(url, **more)

    def delete(self, url: str, **more) -> httpx.Response:
        return self._client().delete(url, **more)


@pytest.fixture
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    # A test that asks for a store in files and names no folder gets one that no other test uses. It is not
    # made inside `tmp_path`, which a test may name as its store.
    with ExitStack() as ends_with_the_test:
        yield App(request.config.getoption("sandbox"), tmp_path_factory.mktemp("store"), ends_with_the_test)


@pytest.fixture
def base_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    sandbox: Sandbox = START[request.config.getoption("sandbox")](Configuration())
    with sandbox:
        yield sandbox.base_url
