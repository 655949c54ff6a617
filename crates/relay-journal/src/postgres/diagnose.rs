//! A look at a journal's database for whoever sets it up. Writes nothing and makes nothing.

use relay_core::diagnosis::Finding;

use super::connect::{Session, Target};
use super::fault::Fault;
use super::migrate::{KNOWN_VERSION, Shape, inspect};

/// Whether the database lets us in.
const DATABASE: &str = "journal.database";
/// Which release made the tables.
const VERSION: &str = "journal.version";
/// Whether this user may use them.
const RIGHTS: &str = "journal.rights";

/// Of all tables of the journal, those that this user may not use as the relay does.
const WITHOUT_RIGHTS: &str = "
    SELECT c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace = to_regnamespace('mesh_relay') AND c.relkind = 'r'
        AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
    ORDER BY c.relname";

/// Looks at the database that `url` names; with `tls`, over an encrypted connection alone.
pub async fn diagnose(url: &str, tls: Option<rustls::ClientConfig>) -> Vec<Finding> {
    let encrypted = tls.is_some();
    let target = match Target::new(url, tls) {
        Ok(target) => target,
        Err(error) => {
            let advice = "mend `url` of [journal], and `roots` beside it";
            return vec![Finding::fault(DATABASE, "the journal's database", error.to_string(), advice)];
        }
    };
    let item = target.name.to_string();
    let session = match target.connect().await {
        Ok(session) => session,
        Err(fault) => {
            let advice = "mend `url` of [journal], or what it leads to";
            return vec![Finding::fault(DATABASE, item, fault.plain(), advice)];
        }
    };
    let mut findings = vec![match target.is_exposed() {
        true => {
            let advice = "name `roots` in [journal], unless the network to the database is trusted";
            Finding::warning(
                DATABASE,
                &item,
                "it lets us in, over a connection that is not encrypted",
                advice,
            )
        }
        false if encrypted => Finding::sound(DATABASE, &item, "it lets us in, over an encrypted connection"),
        false => Finding::sound(DATABASE, &item, "it lets us in"),
    }];
    match look(&session, &item).await {
        Ok(more) => findings.extend(more),
        Err(fault) => {
            let advice = "look at the database's own log";
            findings.push(Finding::fault(RIGHTS, item, fault.plain(), advice));
        }
    }
    findings
}

async fn look(session: &Session, item: &str) -> Result<Vec<Finding>, Fault> {
    session.batch("SET default_transaction_read_only = on").await?;
    let usage = session.client.query_one(
        "SELECT coalesce(has_schema_privilege(to_regnamespace('mesh_relay'), 'USAGE'), true)",
        &[],
    );
    let usable: bool = usage.await?.get(0);
    if !usable {
        let advice =
            "grant it usage on the schema, and select, insert, update and delete on the tables in it";
        return Ok(vec![Finding::fault(RIGHTS, item, "this user may not use the schema mesh_relay", advice)]);
    }
    Ok(match inspect(session).await? {
        Shape::Empty { schema } => {
            let (sql, what) = match schema {
                true => ("SELECT has_schema_privilege('mesh_relay', 'CREATE')", "in the schema mesh_relay"),
                false => (
                    "SELECT has_database_privilege(current_database(), 'CREATE')",
                    "a schema in the database",
                ),
            };
            let may: bool = session.client.query_one(sql, &[]).await?.get(0);
            let rights = match may {
                true => Finding::sound(RIGHTS, item, "there are no tables yet; the first start makes them"),
                false => {
                    let found = format!("there are no tables yet, and this user may not create {what}");
                    Finding::fault(RIGHTS, item, found, "grant it the right to create there")
                }
            };
            vec![rights]
        }
        Shape::Journal { version } if version > KNOWN_VERSION => {
            let found = format!("version {version}, and this release knows versions up to {KNOWN_VERSION}");
            vec![Finding::fault(VERSION, item, found, "run the release that wrote it, or a later one")]
        }
        Shape::Journal { version } => {
            let without: Vec<String> =
                session.client.query(WITHOUT_RIGHTS, &[]).await?.iter().map(|row| row.get(0)).collect();
            let rights = if without.is_empty() {
                Finding::sound(RIGHTS, item, "this user may read and write all tables")
            } else {
                let found = format!("this user may not read and write {}", without.join(", "));
                Finding::fault(
                    RIGHTS,
                    item,
                    found,
                    "grant it select, insert, update and delete on the schema's tables",
                )
            };
            vec![Finding::sound(VERSION, item, format!("version {version}")), rights]
        }
        Shape::Foreign => {
            let found = "the schema mesh_relay holds tables of something else";
            vec![Finding::fault(VERSION, item, found, "name another database for the journal")]
        }
    })
}
