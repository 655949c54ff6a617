//! Every metric of the relay. The comment over each is its description, shown by `/metrics` and in `docs/metrics.md`.

use super::{Counter, Declared, Gauge, Histogram};

/// Declares metrics, and the list of them all. Without a comment a metric does not compile.
macro_rules! metrics {
    ($(
        $(#[doc = $text:literal])+
        $constant:ident: $kind:ident<$count:literal> = $name:literal, [$($label:literal),*] $(, $buckets:expr)?;
    )+) => {
        $(
            $(#[doc = $text])+
            pub const $constant: $kind<$count> = $kind {
                name: $name,
                description: concat!($($text),+),
                labels: [$($label),*],
                $(buckets: &$buckets)?
            };
        )+

        /// Every metric, in the order of this file.
        pub const ALL: &[Declared] = &[$((&$constant).declared()),+];
    };
}

/// A call to MESH takes some tens of milliseconds over the internet, a chunk of 100 MB minutes, and after three the client
/// gives up.
const OF_A_CALL: [f64; 13] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0];

/// A commit is a sync of the disk, from a fraction of a millisecond to a disk in trouble, or a round trip to a database.
const OF_A_COMMIT: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Up to as many as may share one commit.
const OF_A_BATCH: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

metrics! {
    /// Messages that reached an end here. `direction`: outbound or inbound. `adapter`: its configured name, `(by hand)` or,
    /// where a mailbox has none, `(none)`. `outcome`: outbound accepted (MESH has it), rejected, parked, expired, cancelled;
    /// inbound delivered (the far side has it), parked, left (of a workflow that is not taken here, it stays at MESH), gone
    /// (another reader took it, or it expired). One that was parked and sent again by a person counts at each end.
    MESSAGES: Counter<3> = "mesh_relay_messages_total", ["direction", "adapter", "outcome"];

    /// Payload bytes of messages. `direction`: outbound when MESH accepted the message, inbound as they are read from MESH,
    /// those of repeated attempts included.
    PAYLOAD_BYTES: Counter<1> = "mesh_relay_payload_bytes_total", ["direction"];

    /// Attempts after the first one. `direction`: outbound for sends, inbound for deliveries.
    RETRIES: Counter<1> = "mesh_relay_retries_total", ["direction"];

    /// Messages that the other side may have twice, since nobody could be asked before they were repeated. `direction`:
    /// outbound for MESH, inbound for the system behind an adapter, which can tell by the message id.
    POSSIBLE_DUPLICATES: Counter<1> = "mesh_relay_possible_duplicates_total", ["direction"];

    /// Messages that MESH had accepted and that failed after all: a report or tracking said so.
    UNDELIVERED: Counter<0> = "mesh_relay_undelivered_total", [];

    /// Messages that MESH had accepted and whose fate became known or was given up. `outcome`: collected, undelivered,
    /// unknown.
    FOLLOWED: Counter<1> = "mesh_relay_followed_total", ["outcome"];

    /// Events about messages, as they are told to the system behind an adapter. `outcome`: told, failed (told again later).
    EVENTS: Counter<2> = "mesh_relay_events_total", ["adapter", "outcome"];

    /// Incidents that are open. `kind`: one of a closed set, as `[alerts.after]` names them.
    INCIDENTS_OPEN: Gauge<1> = "mesh_relay_incidents_open", ["kind"];

    /// Messages that have not ended, by direction and mailbox, over all instances that share the journal: outbound from the
    /// first sight until MESH has it or it failed, inbound from the first listing until MESH heard that it was delivered.
    IN_FLIGHT: Gauge<2> = "mesh_relay_in_flight", ["direction", "mailbox"];

    /// How long the oldest message that has not ended has been known, by direction and mailbox; 0 where there is none.
    OLDEST_UNSETTLED: Gauge<2> = "mesh_relay_oldest_unsettled_seconds", ["direction", "mailbox"];

    /// Messages that MESH may have and nobody knows.
    IN_DOUBT: Gauge<0> = "mesh_relay_in_doubt", [];

    /// Messages that wait for a person, by direction.
    PARKED: Gauge<1> = "mesh_relay_parked", ["direction"];

    /// Messages that waited in a mailbox's inbox when this instance last listed it; 0 at an
    /// instance that does not poll it.
    INBOX_BACKLOG: Gauge<1> = "mesh_relay_inbox_backlog", ["mailbox"];

    /// When a mailbox's inbox was last listed by any instance, in seconds since 1970 (UTC); 0: never.
    LAST_POLL: Gauge<1> = "mesh_relay_mailbox_last_poll_seconds", ["mailbox"];

    /// When a mailbox's last handshake went well, by any instance, in seconds since 1970 (UTC); 0: never.
    LAST_HANDSHAKE: Gauge<1> = "mesh_relay_mailbox_last_handshake_seconds", ["mailbox"];

    /// 1 while this instance meets trouble with a mailbox, else 0. `part`: receiving, sending.
    MAILBOX_TROUBLE: Gauge<2> = "mesh_relay_mailbox_trouble", ["mailbox", "part"];

    /// 1 where deliveries to an adapter can work now, as far as it can tell, else 0. Adapters that take no messages from MESH
    /// have none.
    ADAPTER_READY: Gauge<1> = "mesh_relay_adapter_ready", ["adapter"];

    /// How many mailboxes and adapters are paused by a person.
    PAUSED: Gauge<0> = "mesh_relay_paused", [];

    /// When the numbers of messages and mailboxes were last read from the journal, in seconds since 1970 (UTC). They are what
    /// they were then.
    STATES_READ: Gauge<0> = "mesh_relay_states_read_seconds", [];

    /// How long a call to MESH took, repetitions included: until its answer, or the head of a download. `call`: handshake,
    /// send, chunk, list, open, head, acknowledge, track, find, lookup. `status`: ok, refused, credentials, not-found, gone,
    /// complete, throttled, unreachable, not-trusted, failed.
    MESH_REQUEST: Histogram<2> = "mesh_relay_mesh_request_seconds", ["call", "status"], OF_A_CALL;

    /// How long a commit of the journal took, all its changes and the sync included.
    JOURNAL_COMMIT: Histogram<0> = "mesh_relay_journal_commit_seconds", [], OF_A_COMMIT;

    /// How many changes shared a commit of the journal.
    JOURNAL_BATCH: Histogram<0> = "mesh_relay_journal_batch_size", [], OF_A_BATCH;

    /// Commits of the journal that failed. Nothing is sent, settled or acknowledged without one.
    JOURNAL_ERRORS: Counter<0> = "mesh_relay_journal_errors_total", [];

    /// Free bytes on the volume of the journal's file; not with PostgreSQL.
    JOURNAL_DISK_FREE: Gauge<0> = "mesh_relay_journal_disk_free_bytes", [];

    /// Leases that ran out under work that was going on, which was then dropped.
    LEASES_LOST: Counter<0> = "mesh_relay_leases_lost_total", [];

    /// When a certificate that the relay shows ends, in seconds since 1970 (UTC). `name`: client for the one shown to MESH,
    /// console, or the adapter's name.
    CERTIFICATE_EXPIRY: Gauge<1> = "mesh_relay_certificate_expiry_seconds", ["name"];

    /// 1 while the broker of an adapter is out of room and takes no messages, else 0.
    BROKER_BLOCKED: Gauge<1> = "mesh_relay_broker_blocked", ["adapter"];

    /// What became of records of outbound topics, and of their partitions. `outcome`: accepted, a reason for parking, or
    /// offset-reset, handed-back, rewound for what happened to a partition.
    KAFKA_RECORDS: Counter<1> = "mesh_relay_kafka_records_total", ["outcome"];

    /// What became of messages from MESH at their topic. `outcome`: delivered, repeated (marked so: an earlier try may have
    /// arrived), seen (an earlier transaction had it), failed.
    KAFKA_DELIVERIES: Counter<1> = "mesh_relay_kafka_deliveries_total", ["outcome"];

    /// Configurations that were read anew while the relay ran. `outcome`: taken, refused.
    CONFIG_RELOADS: Counter<1> = "mesh_relay_config_reloads_total", ["outcome"];

    /// Always 1. `version`: the relay's.
    BUILD_INFO: Gauge<1> = "mesh_relay_build_info", ["version"];
}

/// The certificate that the relay shows to MESH, as a value of [`CERTIFICATE_EXPIRY`]'s label.
pub const CLIENT_IDENTITY: &str = "client";

/// The value of the label `adapter` where a mailbox has none.
pub const NO_ADAPTER: &str = "(none)";

/// The value of the label `adapter` of what a person did about a message from MESH.
pub const BY_HAND: &str = "(by hand)";

/// The label `direction` of what goes to MESH.
pub const OUTBOUND: &str = "outbound";
/// The label `direction` of what comes from MESH.
pub const INBOUND: &str = "inbound";
