//! What is not run as it is printed, and why. Everything else in a block of commands is run.

/// Commands that this machine cannot run, by their beginning and with the reason. Words of the relay's own among them are
/// still shown to the real program, with `--help` behind them, so that a subcommand or option that there is not is found.
pub const NOT_RUN: &[(&str, &str)] = &[
    ("sudo apt install", "installs a package; tests/package does that"),
    ("sudo systemctl enable", "needs systemd"),
    (
        "mesh-relay shadow --meshclient-cfg meshclient.cfg --follow",
        "goes on until Ctrl-C; tests/end_to_end does that",
    ),
];

/// Programs of a page, by page and language, that another test runs as they are printed.
pub const RUN_ELSEWHERE: &[(&str, &str)] = &[(
    "README.md python",
    "tests/amqp/readme.rs and tests/kafka/readme.rs; the official client in tests/end_to_end",
)];

/// What a page prints and what is there in its stead. `{…}` are places and ports of the page's own stage.
pub const SUBSTITUTIONS: &[(&str, &str)] = &[
    ("sudo ", ""),
    ("/etc/mesh-relay", "{place}/etc"),
    ("/var/lib/mesh-relay", "{place}/state"),
    ("/var/mesh", "{place}/mesh"),
    ("/var/backups", "{place}/backups"),
    ("/opt/MESH-APP-HOME", "{place}/app"),
    ("/opt/MESH-DATA-HOME", "{place}/data"),
    ("/opt/DTS", "{place}/dts"),
    ("/srv/rehearsal", "{place}/rehearsal"),
    ("environment = \"sandbox\"", "environment = { url = \"http://127.0.0.1:{sandbox}\" }"),
    ("127.0.0.1:9443", "{live}"),
    ("127.0.0.1:8700", "127.0.0.1:{sandbox}"),
    ("mesh-relay sandbox", "mesh-relay sandbox --listen 127.0.0.1:{sandbox}"),
    ("127.0.0.1:8710", "127.0.0.1:{console}"),
    ("127.0.0.1:8780", "127.0.0.1:{receiver}"),
    ("amqp://guest:guest@localhost/%2f", "{rabbitmq}"),
    ("localhost:9092", "{kafka}"),
];
