//! Messages on their way from MESH.

use mesh_api::{LocalId, MailboxId, MessageId};
use relay_core::{
    Begin, Direction, InboundChange, InboundDetails, InboundRecord, InboundState, NewInbound, RelayId,
};
use tokio_postgres::Row;

use super::batch::{Done, Outcome};
use super::connect::Session;
use super::fault::Fault;
use super::value::{self, Entry, FIRST_VERSION, Stored, cut, integer};
use super::words;

/// Finds the message with this MESH id, or records a new one at its first attempt. One that this very call recorded
/// before, when the connection broke in its commit, is new.
pub(crate) async fn begin(session: &Session, new: &NewInbound) -> Result<Outcome, Fault> {
    const SQL: &str = "INSERT INTO mesh_relay.inbound
            (relay_id, mailbox, message_id, received_at, state_name, state, version, updated_at, first_words, words)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $4, $8::text::tsvector, $8::text::tsvector)
        ON CONFLICT DO NOTHING";
    let state = InboundState::Delivering { attempt: 1 };
    let stored = Stored::inbound(&state)?;
    let relay_id = new.relay_id.to_string();
    let first_words = [relay_id.as_str(), new.mailbox.as_str(), new.message_id.as_str()];
    let recorded = session
        .execute(
            SQL,
            &[
                &new.relay_id.0,
                &new.mailbox.as_str(),
                &new.message_id.as_str(),
                &cut(new.at),
                &stored.name,
                &stored.json,
                &integer(FIRST_VERSION),
                &words::vector(first_words.map(Some)),
            ],
        )
        .await?;
    if recorded == 0 {
        let result = match find(session, new).await? {
            Some(found) if found.relay_id == new.relay_id => Ok(Done::Inbound(Begin::New(found))),
            Some(found) => Ok(Done::Inbound(Begin::Known(found))),
            None => Err(Fault::Conflict(new.relay_id)),
        };
        return Ok(Outcome { result, entry: None });
    }
    let record = InboundRecord {
        relay_id: new.relay_id,
        message_id: new.message_id.clone(),
        state,
        version: FIRST_VERSION,
    };
    let entry = Entry {
        relay_id: new.relay_id,
        direction: Direction::Inbound,
        sequence: FIRST_VERSION,
        at: cut(new.at),
        state: stored,
        note: None,
        untold_to: None,
    };
    Ok(Outcome { result: Ok(Done::Inbound(Begin::New(record))), entry: Some(entry) })
}

async fn find(session: &Session, new: &NewInbound) -> Result<Option<InboundRecord>, Fault> {
    const SQL: &str = "SELECT relay_id, message_id, state, version FROM mesh_relay.inbound
        WHERE mailbox = $1 AND message_id = $2";
    let rows = session.query(SQL, &[&new.mailbox.as_str(), &new.message_id.as_str()]).await?;
    rows.first().map(record).transpose()
}

/// The message with this id.
pub(crate) async fn by_id(session: &Session, relay_id: RelayId) -> Result<Option<InboundRecord>, Fault> {
    const SQL: &str =
        "SELECT relay_id, message_id, state, version FROM mesh_relay.inbound WHERE relay_id = $1";
    session.query(SQL, &[&relay_id.0]).await?.first().map(record).transpose()
}

/// Records a change of a message that is still at the version the caller saw.
pub(crate) async fn commit(
    session: &Session,
    relay_id: RelayId,
    version: u64,
    change: &InboundChange,
    chain: &str,
) -> Result<Outcome, Fault> {
    const SQL: &str = "UPDATE mesh_relay.inbound
        SET state_name = $3, state = $4, version = version + 1, updated_at = $5
        WHERE relay_id = $1 AND version = $2";
    const WITH_DETAILS: &str = "UPDATE mesh_relay.inbound
        SET state_name = $3, state = $4, version = version + 1, updated_at = $5,
            sender = $6, workflow = $7, local_id = $8, file_name = $9, report = $10,
            words = first_words || $11::text::tsvector
        WHERE relay_id = $1 AND version = $2";
    let state = Stored::inbound(&change.state)?;
    let (seen, at) = (integer(version), cut(change.at));
    let changed = match &change.details {
        None => session.execute(SQL, &[&relay_id.0, &seen, &state.name, &state.json, &at]).await?,
        Some(details) => {
            let InboundDetails { sender, workflow, local_id, file_name, report } = details;
            // A report has no sender.
            let sender = (!sender.is_empty()).then_some(sender.as_str());
            let workflow = (!workflow.is_empty()).then_some(workflow.as_str());
            let local_id = local_id.as_ref().map(LocalId::as_str);
            let words = words::vector([sender, workflow, local_id, file_name.as_deref()]);
            session
                .execute(
                    WITH_DETAILS,
                    &[
                        &relay_id.0,
                        &seen,
                        &state.name,
                        &state.json,
                        &at,
                        &sender,
                        &workflow,
                        &local_id,
                        file_name,
                        report,
                        &words,
                    ],
                )
                .await?
        }
    };
    let entry = Entry {
        relay_id,
        direction: Direction::Inbound,
        sequence: version + 1,
        at,
        state,
        note: change.note.clone(),
        untold_to: None,
    };
    if changed == 0 {
        return Outcome::unless_done_before(session, &entry, chain).await;
    }
    Ok(Outcome { result: Ok(Done::Written), entry: Some(entry) })
}

/// The messages of a mailbox that were begun and have not ended, oldest first.
pub(crate) async fn unended(
    session: &Session,
    mailbox: &MailboxId,
    limit: u32,
) -> Result<Vec<MessageId>, Fault> {
    const SQL: &str = "SELECT message_id FROM mesh_relay.inbound WHERE mailbox = $1
        AND state_name IN ('listed', 'delivering', 'delivered')
        ORDER BY received_at, relay_id LIMIT $2";
    let rows = session.query(SQL, &[&mailbox.as_str(), &i64::from(limit)]).await?;
    rows.iter().map(|row| value::message_id(row, "message_id")).collect()
}

fn record(row: &Row) -> Result<InboundRecord, Fault> {
    let message_id: MessageId = value::message_id(row, "message_id")?;
    Ok(InboundRecord {
        relay_id: value::relay_id(row, "relay_id")?,
        message_id,
        state: value::state(row, "state")?,
        version: value::count(row, "version")?,
    })
}
