//! Which shape the tables have, and how an older one becomes today's.

use super::connect::{Session, Target};
use super::fault::Fault;
use super::open::PostgresOpenError;

/// Every step from nothing to today's tables. A released step is never changed; a new one is added.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
];

/// The version that [`MIGRATIONS`] lead to.
pub(crate) const KNOWN_VERSION: i64 = MIGRATIONS.len() as i64;

/// Marks a schema as a journal of this program, whatever its name.
const PRODUCT: &str = "mesh-relay journal";

/// Begins the one transaction in which tables are looked at and changed. Instances that start at once do so one after
/// the other; the lock's number is "MRJ1".
const BEGIN: &str = "BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(1297238577)";

/// What a database is before anything is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing of the journal is there.
    Empty {
        /// Whether the schema is, without a table.
        schema: bool,
    },
    /// A journal that has had this many steps.
    Journal {
        /// Steps done.
        version: i64,
    },
    /// Tables of something else.
    Foreign,
}

/// Takes the steps that are missing, all or none.
pub(crate) async fn migrate(session: &Session, target: &Target) -> Result<(), PostgresOpenError> {
    let journal = || target.name.to_string();
    let steps = session.transaction(BEGIN, async {
        let shape = inspect(session).await?;
        let done = match shape {
            Shape::Empty { schema } => {
                create(session, schema).await?;
                0
            }
            Shape::Journal { version } => version,
            Shape::Foreign => return Ok(shape),
        };
        let steps = usize::try_from(done).unwrap_or_default();
        for migration in MIGRATIONS.iter().skip(steps) {
            session.batch(migration).await?;
        }
        if done < KNOWN_VERSION {
            let sql = "UPDATE mesh_relay.journal SET version = $1";
            session.client.execute(sql, &[&KNOWN_VERSION]).await?;
        }
        Ok(shape)
    });
    match steps.await {
        Ok(Shape::Foreign) => Err(PostgresOpenError::Foreign { journal: journal() }),
        Ok(Shape::Journal { version: found }) if found > KNOWN_VERSION => {
            Err(PostgresOpenError::TooNew { journal: journal(), found, known: KNOWN_VERSION })
        }
        Ok(_) => Ok(()),
        Err(fault) => Err(PostgresOpenError::Storage { journal: journal(), what: fault.plain() }),
    }
}

pub(crate) async fn inspect(session: &Session) -> Result<Shape, Fault> {
    let client = &session.client;
    let schema: bool =
        client.query_one("SELECT to_regnamespace('mesh_relay') IS NOT NULL", &[]).await?.get(0);
    let tables =
        "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('mesh_relay')";
    let tables: i64 = client.query_one(tables, &[]).await?.get(0);
    if tables == 0 {
        return Ok(Shape::Empty { schema });
    }
    // Asked first, since a statement that fails would end the transaction.
    let ours = "SELECT count(*) FROM pg_catalog.pg_attribute
        WHERE attrelid = to_regclass('mesh_relay.journal') AND NOT attisdropped
            AND (attname, atttypid) IN (('product', 'text'::regtype), ('version', 'bigint'::regtype))";
    let columns: i64 = client.query_one(ours, &[]).await?.get(0);
    if columns != 2 {
        return Ok(Shape::Foreign);
    }
    let rows = client.query("SELECT version FROM mesh_relay.journal WHERE product = $1", &[&PRODUCT]).await?;
    Ok(match rows.as_slice() {
        [row] => Shape::Journal { version: row.get(0) },
        _ => Shape::Foreign,
    })
}

async fn create(session: &Session, schema: bool) -> Result<(), Fault> {
    // An administrator may have made the schema, so that this user needs no right to.
    if !schema {
        session.batch("CREATE SCHEMA mesh_relay").await?;
    }
    session.batch("CREATE TABLE mesh_relay.journal (product TEXT NOT NULL, version BIGINT NOT NULL)").await?;
    let sql = "INSERT INTO mesh_relay.journal (product, version) VALUES ($1, 0)";
    session.client.execute(sql, &[&PRODUCT]).await?;
    Ok(())
}
