//! What people did: each instance's chain of deeds, beside its chain of messages.

use jiff::Timestamp;
use relay_core::audit::{ChainReport, LinkHash};
use relay_core::search::SEARCH_LIMIT_MAX;
use relay_core::{Deed, DeedQuery, NewDeed};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use futures_util::TryStreamExt;

use super::connect::Session;
use super::fault::Fault;
use super::value::{self, cut, integer};
use crate::deeds::{Found, Kept, Walk};
use crate::stored;

/// Deeds removed in one transaction at most, since the chain's writer waits for it.
const STEP_MAX: u64 = 5_000;

/// The chain's last deed.
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) hash: LinkHash,
}

/// A deed with its place in the chain.
pub(crate) struct Linked<'d> {
    deed: &'d NewDeed,
    number: u64,
    hash: LinkHash,
}

impl Head {
    pub(crate) fn append<'d>(&mut self, deed: &'d NewDeed) -> Linked<'d> {
        self.number += 1;
        self.hash = deed.hash(self.number, &self.hash);
        Linked { deed, number: self.number, hash: self.hash }
    }
}

/// Whether this instance recorded it before, by this very call, whose answer was lost.
pub(crate) async fn is_there(session: &Session, deed: &NewDeed, chain: &str) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM mesh_relay.deed
        WHERE at = $1 AND chain = $2 AND who = $3 AND kind = $4 AND relay_id IS NOT DISTINCT FROM $5
            AND mailbox IS NOT DISTINCT FROM $6 AND message_id IS NOT DISTINCT FROM $7
            AND note IS NOT DISTINCT FROM $8";
    let NewDeed { at, who, kind, relay_id, mailbox, message_id, note } = deed;
    let found = session
        .query(
            SQL,
            &[
                &cut(*at),
                &chain,
                who,
                &kind.as_str(),
                &relay_id.map(|id| id.0),
                &mailbox.as_ref().map(|id| id.as_str()),
                &message_id.as_ref().map(|id| id.as_str()),
                note,
            ],
        )
        .await?;
    Ok(!found.is_empty())
}

/// Adds deeds to the chain, in the transaction that is under way. Its row is locked.
pub(crate) async fn append(session: &Session, chain: &str, deeds: &[Linked<'_>]) -> Result<(), Fault> {
    const SQL: &str = "WITH moved AS (
            UPDATE mesh_relay.chain SET deed_number = $2, deed_hash = $3 WHERE name = $1
        )
        INSERT INTO mesh_relay.deed
            (chain, number, at, who, kind, relay_id, mailbox, message_id, note, hash)
        SELECT $1, number, at, who, kind, relay_id, mailbox, message_id, note, hash
        FROM unnest($4::bigint[], $5::timestamptz[], $6::text[], $7::text[], $8::uuid[], $9::text[], $10::text[],
                $11::text[], $12::bytea[])
            AS deed (number, at, who, kind, relay_id, mailbox, message_id, note, hash)";
    let Some(last) = deeds.last() else { return Ok(()) };
    fn column<'l, T>(deeds: &'l [Linked<'_>], value: impl Fn(&'l Linked<'_>) -> T) -> Vec<T> {
        deeds.iter().map(value).collect()
    }
    let numbers = column(deeds, |link| integer(link.number));
    let times = column(deeds, |link| cut(link.deed.at));
    let people = column(deeds, |link| link.deed.who.as_str());
    let kinds = column(deeds, |link| link.deed.kind.as_str());
    let relay_ids = column(deeds, |link| link.deed.relay_id.map(|id| id.0));
    let mailboxes = column(deeds, |link| link.deed.mailbox.as_ref().map(|id| id.as_str()));
    let message_ids = column(deeds, |link| link.deed.message_id.as_ref().map(|id| id.as_str()));
    let notes = column(deeds, |link| link.deed.note.as_deref());
    let hashes = column(deeds, |link| link.hash.as_slice());
    let (last_number, last_hash) = (integer(last.number), last.hash.as_slice());
    let values: [&(dyn ToSql + Sync); 12] = [
        &chain,
        &last_number,
        &last_hash,
        &numbers,
        &times,
        &people,
        &kinds,
        &relay_ids,
        &mailboxes,
        &message_ids,
        &notes,
        &hashes,
    ];
    session.execute(SQL, &values).await?;
    Ok(())
}

/// What people did, newest first.
pub(crate) async fn deeds(session: &Session, query: &DeedQuery) -> Result<Vec<Deed>, Fault> {
    // Not kept prepared, as a search is not: a condition that restricts nothing is dropped.
    const SQL: &str = "SELECT chain, number, at, who, kind, relay_id, mailbox, message_id, note, hash
        FROM mesh_relay.deed
        WHERE ($2::uuid IS NULL OR relay_id = $2)
            AND ($3::timestamptz IS NULL OR (at, chain, number) < ($3, $4::text, $5::bigint))
        ORDER BY at DESC, chain DESC, number DESC LIMIT $1";
    let before = query.before.as_ref();
    let rows = session
        .client
        .query(
            SQL,
            &[
                &i64::from(query.limit.clamp(1, SEARCH_LIMIT_MAX)),
                &query.relay_id.map(|id| id.0),
                &before.map(|place| cut(place.at)),
                &before.map(|place| place.chain.as_str()),
                &before.map(|place| integer(place.number)),
            ],
        )
        .await?;
    let deed = |row: &Row| {
        let Found { number, deed, .. } = found(row)?;
        Ok(Deed { chain: value::get(row, "chain")?, number, deed })
    };
    rows.iter().map(deed).collect()
}

fn found(row: &Row) -> Result<Found, Fault> {
    let mailbox = value::get::<Option<&str>>(row, "mailbox")?.map(str::parse).transpose();
    let message_id = value::get::<Option<&str>>(row, "message_id")?.map(str::parse).transpose();
    let kind = stored::deed_kind(value::get(row, "kind")?);
    Ok(Found {
        number: value::count(row, "number")?,
        deed: NewDeed {
            at: value::get::<Timestamp>(row, "at")?,
            who: value::get(row, "who")?,
            kind: kind.ok_or(Fault::Unreadable("kind"))?,
            relay_id: value::get::<Option<uuid::Uuid>>(row, "relay_id")?.map(relay_core::RelayId),
            mailbox: mailbox.map_err(|_| Fault::Unreadable("mailbox"))?,
            message_id: message_id.map_err(|_| Fault::Unreadable("message_id"))?,
            note: value::get(row, "note")?,
        },
        hash: value::get(row, "hash")?,
    })
}

/// Checks every chain. To be called in a transaction that sees one moment.
pub(crate) async fn verify(session: &Session) -> Result<Vec<ChainReport>, Fault> {
    const CHAINS: &str = "SELECT name, deed_number, deed_hash, deed_base_number, deed_base_hash
        FROM mesh_relay.chain ORDER BY name";
    let mut reports = Vec::new();
    for row in session.query(CHAINS, &[]).await? {
        let chain = Kept {
            name: value::get(&row, "name")?,
            number: value::count(&row, "deed_number")?,
            hash: value::hash(&row, "deed_hash")?,
            base_number: value::count(&row, "deed_base_number")?,
            base_hash: value::hash(&row, "deed_base_hash")?,
        };
        reports.push(walk(session, chain).await?);
    }
    Ok(reports)
}

/// Follows one chain from its base to its head, deed by deed as they come.
async fn walk(session: &Session, chain: Kept) -> Result<ChainReport, Fault> {
    const DEEDS: &str = "SELECT number, at, who, kind, relay_id, mailbox, message_id, note, hash
        FROM mesh_relay.deed WHERE chain = $1 ORDER BY number";
    let sql = session.prepared(DEEDS).await?;
    let rows = {
        let values: [&(dyn ToSql + Sync); 1] = [&chain.name];
        session.client.query_raw(&sql, values).await?
    };
    let mut rows = std::pin::pin!(rows);
    let mut walk = Walk::along(chain);
    while let Some(row) = rows.try_next().await? {
        walk.follow(found(&row).ok().as_ref());
    }
    Ok(walk.end())
}

/// Chains that have deeds and no row, in words; at most so many.
pub(crate) async fn strays(session: &Session, limit: i64) -> Result<Vec<String>, Fault> {
    const STRAYS: &str = "SELECT DISTINCT chain FROM mesh_relay.deed
        WHERE NOT EXISTS (SELECT FROM mesh_relay.chain WHERE chain.name = deed.chain) LIMIT $1";
    let rows = session.query(STRAYS, &[&limit]).await?;
    let words = |row: &Row| Ok(format!("chain {} has deeds and no head", value::get::<&str>(row, "chain")?));
    rows.iter().map(words).collect()
}

/// One step along one chain of forgetting deeds. To be called in a transaction begun by
/// [`prune::BEGIN`](super::prune::BEGIN). `None`: nothing is left to forget.
pub(crate) async fn prune_step(
    session: &Session,
    chain: &str,
    before: Timestamp,
) -> Result<Option<u64>, Fault> {
    const LOCK: &str =
        "SELECT deed_number, deed_base_number FROM mesh_relay.chain WHERE name = $1 FOR UPDATE";
    const STAYS: &str = "SELECT number FROM mesh_relay.deed
        WHERE chain = $1 AND number <= $3 AND at >= $2 ORDER BY number LIMIT 1";
    const BASE: &str = "UPDATE mesh_relay.chain SET deed_base_number = $2, deed_base_hash = deed.hash
        FROM mesh_relay.deed WHERE chain.name = $1 AND deed.chain = $1 AND deed.number = $2";
    const DEEDS: &str = "DELETE FROM mesh_relay.deed WHERE chain = $1 AND number <= $2";
    let locked = session.query(LOCK, &[&chain]).await?;
    let Some(row) = locked.first() else { return Ok(None) };
    let base = value::count(row, "deed_base_number")?;
    let last = value::count(row, "deed_number")?.min(base + STEP_MAX);
    let stays = session.query(STAYS, &[&chain, &before, &integer(last)]).await?;
    let last = match stays.first() {
        Some(row) => value::count(row, "number")?.saturating_sub(1),
        None => last,
    };
    if last <= base {
        return Ok(None);
    }
    let last = integer(last);
    if session.execute(BASE, &[&chain, &last]).await? == 0 {
        // The deed that would become the base is missing; what is left shows that.
        return Ok(None);
    }
    session.execute(DEEDS, &[&chain, &last]).await.map(Some)
}
