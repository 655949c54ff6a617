//! Which libraries never get a word into the log, whatever `MESH_RELAY_LOG` asks for.

use tracing::Metadata;

/// Libraries that log what they carry: lapin whole messages that come back, at `warn`, and every frame at `trace`
/// (`queue-bridging.md` 2.7, 3), `object_store` names of objects. What they have to say comes to us as errors, which are
/// told without that.
const SILENT: [&str; 3] = ["lapin", "amq_protocol", "object_store"];

/// Whether what has this to say may say it. A filter of its own, because among the directives of `MESH_RELAY_LOG` the more
/// detailed one wins: `lapin::channel=trace` would open again what `lapin=off` had closed.
pub fn may_speak(metadata: &Metadata<'_>) -> bool {
    !SILENT.iter().any(|silent| metadata.target().starts_with(silent))
}
