//! Endpoint lookup and workflow search (`mesh-api.md` 4.12, 4.13). Neither needs authorisation.

use hyper::{HeaderMap, StatusCode};
use mesh_api::ApiVersion;
use serde::Serialize;
use uuid::Uuid;

use crate::answer::{self, Answer, Refusal};
use crate::api::{Api, version};
use crate::directory::Mailbox;

#[derive(Serialize)]
struct Results<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    query_id: Option<String>,
    results: Vec<T>,
}

#[derive(Serialize)]
struct FoundV1<'a> {
    address: &'a str,
    description: &'a str,
    endpoint_type: &'static str,
}

#[derive(Serialize)]
struct FoundV2<'a> {
    mailbox_id: &'a str,
    mailbox_name: &'a str,
}

/// 4.12.
pub(super) fn endpoint(
    api: &Api,
    headers: &HeaderMap,
    ods_code: &str,
    workflow: &str,
) -> Result<Answer, Refusal> {
    let version = version(headers)?;
    if ods_code.trim().is_empty() {
        return Err(Refusal::plain(StatusCode::BAD_REQUEST, "ods code missing"));
    }
    check_workflow(workflow)?;
    let found = api.directory.receivers_at(ods_code, workflow);
    Ok(match version {
        ApiVersion::V1 => {
            let results = found.map(|mailbox| FoundV1 {
                address: mailbox.id.as_str(),
                description: &mailbox.party.name,
                endpoint_type: "MESH",
            });
            let query_id = Some(Uuid::new_v4().simple().to_string());
            answer::json(StatusCode::OK, &Results { query_id, results: results.collect() })
        }
        ApiVersion::V2 => found_v2(found),
    })
}

/// 4.13: one body for both versions.
pub(super) fn search(api: &Api, headers: &HeaderMap, workflow: &str) -> Result<Answer, Refusal> {
    version(headers)?;
    check_workflow(workflow)?;
    Ok(found_v2(api.directory.receivers(workflow)))
}

fn check_workflow(workflow: &str) -> Result<(), Refusal> {
    match workflow.trim().is_empty() {
        true => Err(Refusal::plain(StatusCode::BAD_REQUEST, "workflow id missing")),
        false => Ok(()),
    }
}

fn found_v2<'a>(found: impl Iterator<Item = &'a Mailbox>) -> Answer {
    let results =
        found.map(|mailbox| FoundV2 { mailbox_id: mailbox.id.as_str(), mailbox_name: &mailbox.party.name });
    answer::json(StatusCode::OK, &Results { query_id: None, results: results.collect() })
}
