//! Which shape the tables have, and how an older one becomes today's.

use rusqlite::Connection;

use super::event;
use super::fault::Fault;

/// Marks a file as a journal of this program, whatever its name ("MRJ1").
const APPLICATION_ID: i64 = 0x4D52_4A31;

/// Every step from an empty file to today's tables. A released step is never changed; a new one is added.
const MIGRATIONS: [&str; 6] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
    include_str!("migrations/0005.sql"),
    include_str!("migrations/0006.sql"),
];

/// The step that made the audit chain, which SQL cannot compute.
const CHAINED_BY: i64 = 2;

/// The version that [`MIGRATIONS`] lead to.
pub(crate) const KNOWN_VERSION: i64 = MIGRATIONS.len() as i64;

/// What a file is before anything is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A journal, perhaps an empty file, that has had this many steps.
    Journal {
        /// Steps done.
        steps: usize,
    },
    /// A journal of a later release.
    TooNew {
        /// Its version.
        found: i64,
    },
    /// A database of something else.
    Foreign,
}

/// Looks without writing.
pub(crate) fn inspect(connection: &Connection) -> rusqlite::Result<Shape> {
    let number = |query: &str| connection.query_row(query, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let objects = number("SELECT count(*) FROM sqlite_schema")?;
    let empty = application == 0 && found == 0 && objects == 0;
    if application != APPLICATION_ID && !empty {
        return Ok(Shape::Foreign);
    }
    if found > KNOWN_VERSION {
        return Ok(Shape::TooNew { found });
    }
    Ok(usize::try_from(found).map_or(Shape::Foreign, |steps| Shape::Journal { steps }))
}

/// Takes the steps that are missing, each in a transaction of its own.
///
/// # Errors
/// The file is as it was before the step that failed.
pub(crate) fn migrate(connection: &mut Connection, steps: usize) -> Result<(), Fault> {
    for (version, migration) in (1_i64..).zip(MIGRATIONS).skip(steps) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        if version == CHAINED_BY {
            event::chain_all(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
