//! Messages on their way to MESH.

use jiff::Timestamp;
use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::{
    Begin, Direction, KeyReuse, NewOutbound, OutboundChange, OutboundRecord, RelayId, SourceKey,
};
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use super::batch::{Done, Outcome};
use super::connect::Session;
use super::fault::Fault;
use super::value::{self, Entry, FIRST_VERSION, Stored, cut, integer};
use super::words;
use crate::stored;

/// How often a new message is tried whose key is held when it is recorded and free when its holder is looked for.
const BEGIN_TRIES: u32 = 5;

/// A query for outbound records.
macro_rules! records {
    ($which:literal) => {
        concat!(
            "SELECT relay_id, adapter, source_key, fingerprint, mailbox, recipient, received_at, state, version ",
            "FROM mesh_relay.outbound ",
            $which
        )
    };
}

/// A key as the tables find it; it may be longer than an index takes.
fn key_hash(source: &SourceKey) -> Vec<u8> {
    Sha256::digest(source.message.as_bytes()).to_vec()
}

/// Finds the message that holds the key, or records a new one. One that this very call recorded before, when the
/// connection broke in its commit, is new.
pub(crate) async fn begin(session: &Session, new: &NewOutbound) -> Result<Outcome, Fault> {
    for _ in 0..BEGIN_TRIES {
        if let Some(entry) = insert(session, new).await? {
            return Ok(Outcome { result: Ok(Done::Outbound(Begin::New(fresh(new)))), entry: Some(entry) });
        }
        // Another one was first. It is committed by now, since the insert waited for that.
        if let Some(found) = find(session, &new.source).await? {
            let own = found.relay_id == new.relay_id;
            let begun = if own { Begin::New(found) } else { Begin::Known(found) };
            return Ok(Outcome { result: Ok(Done::Outbound(begun)), entry: None });
        }
    }
    Ok(Outcome { result: Err(Fault::Conflict(new.relay_id)), entry: None })
}

async fn insert(session: &Session, new: &NewOutbound) -> Result<Option<Entry>, Fault> {
    const SQL: &str = "INSERT INTO mesh_relay.outbound
            (relay_id, adapter, source_key, key_hash, key_held, key_returns, fingerprint, mailbox, recipient, workflow,
             local_id, file_name, length, message_id, tell, received_at, state_name, state, version, updated_at,
             first_words, words, reply)
        VALUES ($1, $2, $3, $4, TRUE, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $15,
            $19::text::tsvector, $19::text::tsvector || $20::text::tsvector, $21)
        ON CONFLICT DO NOTHING";
    let state = Stored::outbound(&new.state)?;
    let details = new.details.as_ref();
    let recipient = details.map(|details| details.recipient.as_str());
    let workflow = details.map(|details| details.workflow.as_str());
    let local_id = details.and_then(|details| details.local_id.as_ref()).map(LocalId::as_str);
    let file_name = details.and_then(|details| details.file_name.as_deref());
    let length = details.map(|details| integer(details.length));
    let message_id = new.state.message_id().map(MessageId::as_str);
    let relay_id = new.relay_id.to_string();
    let first_words = words::vector([
        Some(relay_id.as_str()),
        Some(new.mailbox.as_str()),
        recipient,
        workflow,
        local_id,
        file_name,
    ]);
    let recorded = session
        .execute(
            SQL,
            &[
                &new.relay_id.0,
                &new.source.adapter,
                &new.source.message,
                &key_hash(&new.source),
                &(new.reuse == KeyReuse::OnceSettled),
                &new.fingerprint,
                &new.mailbox.as_str(),
                &recipient,
                &workflow,
                &local_id,
                &file_name,
                &length,
                &message_id,
                &new.tell,
                &cut(new.at),
                &state.name,
                &state.json,
                &integer(FIRST_VERSION),
                &first_words,
                &words::vector([message_id]),
                &new.reply,
            ],
        )
        .await?;
    Ok((recorded > 0).then(|| Entry {
        relay_id: new.relay_id,
        direction: Direction::Outbound,
        sequence: FIRST_VERSION,
        at: cut(new.at),
        state,
        note: None,
        untold_to: new.tell.then(|| new.source.adapter.clone()),
    }))
}

fn fresh(new: &NewOutbound) -> OutboundRecord {
    OutboundRecord {
        relay_id: new.relay_id,
        source: new.source.clone(),
        fingerprint: new.fingerprint.clone(),
        mailbox: new.mailbox.clone(),
        recipient: new.details.as_ref().map(|details| details.recipient.clone()),
        received_at: cut(new.at),
        state: new.state.clone(),
        version: FIRST_VERSION,
    }
}

/// Records a change of a message that is still at the version the caller saw.
pub(crate) async fn commit(
    session: &Session,
    relay_id: RelayId,
    version: u64,
    change: &OutboundChange,
    chain: &str,
) -> Result<Outcome, Fault> {
    // A message id once known stays, so that an operator finds the message by it in a later doubt, too.
    const SQL: &str = "UPDATE mesh_relay.outbound
        SET state_name = $3, state = $4, version = version + 1, updated_at = $5, due_at = $6,
            message_id = COALESCE($7, message_id),
            accepted_at = COALESCE(accepted_at, $9), collected_at = COALESCE(collected_at, $10),
            words = CASE WHEN $7::text IS NULL THEN words ELSE first_words || $8::text::tsvector END
        WHERE relay_id = $1 AND version = $2
        RETURNING adapter, tell";
    let state = Stored::outbound(&change.state)?;
    let message_id = change.state.message_id().map(MessageId::as_str);
    let (accepted, collected) = stored::ends_at(&change.state);
    let changed = session
        .query(
            SQL,
            &[
                &relay_id.0,
                &integer(version),
                &state.name,
                &state.json,
                &cut(change.at),
                &change.due.map(cut),
                &message_id,
                &words::vector([message_id]),
                &accepted.map(cut),
                &collected.map(cut),
            ],
        )
        .await?;
    let mut entry = Entry {
        relay_id,
        direction: Direction::Outbound,
        sequence: version + 1,
        at: cut(change.at),
        state,
        note: change.note.clone(),
        untold_to: None,
    };
    let Some(row) = changed.first() else {
        return Outcome::unless_done_before(session, &entry, chain).await;
    };
    if value::get(row, "tell")? {
        entry.untold_to = Some(value::get(row, "adapter")?);
    }
    Ok(Outcome { result: Ok(Done::Written), entry: Some(entry) })
}

/// Records that the source has let go. The first time counts.
pub(crate) async fn settle(session: &Session, relay_id: RelayId, at: Timestamp) -> Result<Outcome, Fault> {
    const SQL: &str = "UPDATE mesh_relay.outbound
        SET settled_at = COALESCE(settled_at, $2), key_held = key_held AND NOT key_returns
        WHERE relay_id = $1";
    let changed = session.execute(SQL, &[&relay_id.0, &cut(at)]).await?;
    // Without a row there is nothing that could be settled; saying so is better than a silent yes.
    let result = if changed == 0 { Err(Fault::Conflict(relay_id)) } else { Ok(Done::Written) };
    Ok(Outcome { result, entry: None })
}

/// Finds the message that holds this key.
pub(crate) async fn find(session: &Session, source: &SourceKey) -> Result<Option<OutboundRecord>, Fault> {
    const SQL: &str = records!("WHERE adapter = $1 AND key_hash = $2 AND key_held");
    one(session.query(SQL, &[&source.adapter, &key_hash(source)]).await?)
}

/// The message with this id.
pub(crate) async fn by_id(session: &Session, relay_id: RelayId) -> Result<Option<OutboundRecord>, Fault> {
    const SQL: &str = records!("WHERE relay_id = $1");
    one(session.query(SQL, &[&relay_id.0]).await?)
}

/// The message of a mailbox to which MESH gave this id.
pub(crate) async fn find_sent(
    session: &Session,
    mailbox: &MailboxId,
    message_id: &MessageId,
) -> Result<Option<OutboundRecord>, Fault> {
    const SQL: &str =
        records!("WHERE mailbox = $1 AND message_id = $2 ORDER BY received_at DESC, relay_id DESC LIMIT 1");
    one(session.query(SQL, &[&mailbox.as_str(), &message_id.as_str()]).await?)
}

/// The messages of a mailbox with this local id, newest first.
pub(crate) async fn find_local_id(
    session: &Session,
    mailbox: &MailboxId,
    local_id: &LocalId,
    limit: u32,
) -> Result<Vec<OutboundRecord>, Fault> {
    const SQL: &str =
        records!("WHERE mailbox = $1 AND local_id = $2 ORDER BY received_at DESC, relay_id DESC LIMIT $3");
    all(session.query(SQL, &[&mailbox.as_str(), &local_id.as_str(), &i64::from(limit)]).await?)
}

/// The messages of an adapter whose source has not let go, oldest first.
pub(crate) async fn unsettled(session: &Session, adapter: &str) -> Result<Vec<OutboundRecord>, Fault> {
    const SQL: &str = records!("WHERE adapter = $1 AND settled_at IS NULL ORDER BY received_at, relay_id");
    all(session.query(SQL, &[&adapter]).await?)
}

/// The messages of a mailbox that are to be looked after, longest due first.
pub(crate) async fn due(
    session: &Session,
    mailbox: &MailboxId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<OutboundRecord>, Fault> {
    const SQL: &str = records!("WHERE mailbox = $1 AND due_at <= $2 ORDER BY due_at, relay_id LIMIT $3");
    all(session.query(SQL, &[&mailbox.as_str(), &cut(now), &i64::from(limit)]).await?)
}

fn one(rows: Vec<Row>) -> Result<Option<OutboundRecord>, Fault> {
    rows.first().map(record).transpose()
}

fn all(rows: Vec<Row>) -> Result<Vec<OutboundRecord>, Fault> {
    rows.iter().map(record).collect()
}

fn record(row: &Row) -> Result<OutboundRecord, Fault> {
    Ok(OutboundRecord {
        relay_id: value::relay_id(row, "relay_id")?,
        source: SourceKey { adapter: value::get(row, "adapter")?, message: value::get(row, "source_key")? },
        fingerprint: value::get(row, "fingerprint")?,
        mailbox: value::mailbox(row, "mailbox")?,
        recipient: value::get(row, "recipient")?,
        received_at: value::get(row, "received_at")?,
        state: value::state(row, "state")?,
        version: value::count(row, "version")?,
    })
}
