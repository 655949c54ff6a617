//! `mesh-relay inbox`, `track` and `lookup`: questions that change nothing.

use clap::Args;
use mesh_api::path::WorkflowFilter;
use mesh_api::{Endpoint, IdError, LocalId, MessageId, Tracking, TrackingStatus, WorkflowId};
use mesh_client::{CallError, ErrorKind, LocalIdMatch};
use serde_json::{Value, json};

use super::connect::ConnectArgs;
use super::failure::{End, Failure};
use super::show::{self, facts, table};

/// Most messages whose details one command asks for: each takes a call.
const DETAILS_MAX: usize = 500;

/// What `inbox` takes.
#[derive(Debug, Args)]
pub struct InboxArgs {
    /// Only these workflows: W, W* (begins with), *W* (contains), or ! and one of these for all others
    #[arg(long, value_name = "FILTER")]
    workflow_filter: Option<WorkflowFilter>,
    /// Only how many messages there are
    #[arg(long, conflicts_with_all = ["workflow_filter", "details"])]
    count: bool,
    /// Also type, sender, workflow and number of chunks, of the first 500
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// What `track` takes.
#[derive(Debug, Args)]
pub struct TrackArgs {
    /// The message
    #[arg(value_name = "ID", required_unless_present = "local_id", conflicts_with = "local_id")]
    id: Option<MessageId>,
    /// Your own reference, in place of the message id
    #[arg(long, value_name = "ID")]
    local_id: Option<String>,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// What `lookup` takes.
#[derive(Debug, Args)]
pub struct LookupArgs {
    /// ODS code of the organisation
    #[arg(value_name = "ODS", required_unless_present = "workflow", requires = "of")]
    ods: Option<String>,
    /// The workflow
    #[arg(value_name = "WORKFLOW", id = "of")]
    of: Option<WorkflowId>,
    /// Every organisation's mailboxes for this workflow
    #[arg(long, value_name = "WORKFLOW", conflicts_with_all = ["ods", "of"])]
    workflow: Option<WorkflowId>,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// Runs `inbox`.
pub(super) async fn inbox(args: &InboxArgs) -> Result<(), Failure> {
    let mailbox = args.connect.open()?.mailbox;
    let json = args.connect.json;
    if args.count {
        let count = mailbox.count().await?;
        return show::line(&if json { json!({ "count": count }).to_string() } else { count.to_string() });
    }
    let ids = match &args.workflow_filter {
        Some(filter) => mailbox.list_filtered(filter).await?,
        None => mailbox.list().await?,
    };
    let mut documents = Vec::new();
    let mut rows = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let download = match args.details && index < DETAILS_MAX {
            true => match mailbox.head(id).await {
                Ok(download) => Some(download),
                // Taken by someone else since it was listed.
                Err(error) if is_gone(&error) => None,
                Err(error) => return Err(error.into()),
            },
            false => None,
        };
        let mut row = vec![id.to_string()];
        if let Some(download) = &download {
            row.extend([
                show::kind(download).to_owned(),
                show::plain(&download.from),
                show::plain(&download.workflow),
                download.chunk.of.to_string(),
            ]);
        }
        rows.push(row);
        documents.push(download.as_ref().map_or_else(|| json!({ "message_id": id }), show::metadata_json));
    }
    if json {
        return show::line(&json!({ "messages": documents }).to_string());
    }
    if rows.is_empty() {
        return Ok(());
    }
    if args.details {
        rows.insert(0, ["ID", "TYPE", "FROM", "WORKFLOW", "CHUNKS"].map(str::to_owned).to_vec());
    }
    show::line(&table(&rows))
}

fn is_gone(error: &CallError) -> bool {
    matches!(error.kind(), ErrorKind::NoSuchMessage | ErrorKind::NoLongerAvailable)
}

/// Runs `track`.
pub(super) async fn track(args: &TrackArgs) -> Result<(), Failure> {
    let tracking = match (&args.id, &args.local_id) {
        (Some(id), _) => args.connect.open()?.mailbox.track(id).await?,
        (None, Some(local_id)) => {
            let local_id: LocalId =
                local_id.parse().map_err(|error: IdError| Failure::usage(error.to_string()))?;
            found(args.connect.open()?.mailbox.track_by_local_id(&local_id).await?)?
        }
        (None, None) => return Err(Failure::usage("name a message: its id, or --local-id")),
    };
    if args.connect.json {
        return show::line(&tracking_json(&tracking).to_string());
    }
    let uploaded = tracking.uploaded.map(|time| time.to_string()).unwrap_or_default();
    show::line(&facts(&[
        ("message", tracking.message_id.as_str()),
        ("status", status(&tracking.status)),
        ("means", meaning(&tracking.status)),
        ("code", &tracking.status_code),
        ("description", &tracking.status_description),
        ("uploaded", &uploaded),
    ]))
}

fn found(outcome: LocalIdMatch) -> Result<Tracking, Failure> {
    match outcome {
        LocalIdMatch::One(tracking) => Ok(tracking),
        LocalIdMatch::Nothing => {
            let what = "MESH knows no message of this mailbox with that local id";
            Err(Failure::new(End::Gone, what).next("After a send in doubt, ask once more in a minute."))
        }
        LocalIdMatch::Several => {
            let what = "this mailbox sent several messages with that local id, and MESH does not say which";
            Err(Failure::new(End::Failed, what).next("Track them by their message ids."))
        }
    }
}

fn status(status: &TrackingStatus) -> &str {
    match status {
        TrackingStatus::Uploading => "uploading",
        TrackingStatus::Accepted => "accepted",
        TrackingStatus::Acknowledged => "acknowledged",
        TrackingStatus::Undeliverable => "undeliverable",
        TrackingStatus::Error => "error",
        TrackingStatus::Other(word) => word,
    }
}

fn meaning(status: &TrackingStatus) -> &'static str {
    match status {
        TrackingStatus::Uploading => "chunks are still to come; nothing is delivered",
        TrackingStatus::Accepted => "it waits in the recipient's inbox",
        TrackingStatus::Acknowledged => "the recipient has it",
        TrackingStatus::Undeliverable => "nobody collected it, or nobody could",
        TrackingStatus::Error => "it failed",
        TrackingStatus::Other(_) => "",
    }
}

fn tracking_json(tracking: &Tracking) -> Value {
    json!({
        "message_id": tracking.message_id,
        "status": status(&tracking.status),
        "status_code": tracking.status_code,
        "status_description": tracking.status_description,
        "uploaded": tracking.uploaded.map(|time| time.to_string()),
    })
}

/// Runs `lookup`.
pub(super) async fn lookup(args: &LookupArgs) -> Result<(), Failure> {
    let mailbox = args.connect.open()?.mailbox;
    let endpoints = match (&args.workflow, &args.ods, &args.of) {
        (Some(workflow), ..) => mailbox.workflow_search(workflow).await?,
        (None, Some(ods), Some(workflow)) => mailbox.lookup(ods, workflow).await?,
        _ => return Err(Failure::usage("name an ODS code and a workflow, or --workflow alone")),
    };
    if args.connect.json {
        let document = |endpoint: &Endpoint| json!({ "mailbox_id": endpoint.mailbox.as_str(), "mailbox_name": endpoint.name });
        let documents: Vec<Value> = endpoints.iter().map(document).collect();
        return show::line(&json!({ "mailboxes": documents }).to_string());
    }
    let row = |endpoint: &Endpoint| vec![endpoint.mailbox.to_string(), show::plain(&endpoint.name)];
    let rows: Vec<_> = endpoints.iter().map(row).collect();
    if rows.is_empty() { Ok(()) } else { show::line(&table(&rows)) }
}
