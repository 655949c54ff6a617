//! Who receives what: answers of endpoint lookup and workflow search (`mesh-api.md` 4.12, 4.13), read from either
//! version.

use serde::Deserialize;

use crate::id::MailboxId;

/// A mailbox that receives a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its id.
    pub mailbox: MailboxId,
    /// Its name for people; may be empty.
    pub name: String,
}

impl Endpoint {
    /// Reads an answer: none, one or several mailboxes, among which the caller must choose. `None` when it is no such
    /// answer, or names something that cannot be a mailbox.
    pub fn read_all(body: &[u8]) -> Option<Vec<Self>> {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Result>,
        }
        #[derive(Deserialize)]
        struct Result {
            #[serde(alias = "address")]
            mailbox_id: String,
            #[serde(default, alias = "description")]
            mailbox_name: Option<String>,
        }
        let answer: Answer = serde_json::from_slice(body).ok()?;
        let endpoint = |result: Result| {
            let mailbox = result.mailbox_id.parse().ok()?;
            Some(Self { mailbox, name: result.mailbox_name.unwrap_or_default() })
        };
        answer.results.into_iter().map(endpoint).collect()
    }
}

/// Reads how many messages wait (`mesh-api.md` 4.3, deprecated there), from either version.
pub fn read_count(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Count {
        count: u64,
    }
    serde_json::from_slice::<Count>(body).ok().map(|answer| answer.count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_read() {
        let v1 = br#"{"query_id":"q","results":[{"address":"x26abc2","description":"TWO","endpoint_type":"MESH"}]}"#;
        let v2 = br#"{"results":[{"mailbox_id":"X26ABC2","mailbox_name":"TWO"}]}"#;
        let two = Endpoint { mailbox: "X26ABC2".parse().expect("a mailbox"), name: "TWO".to_owned() };
        for body in [&v1[..], &v2[..]] {
            assert_eq!(Endpoint::read_all(body), Some(vec![two.clone()]));
        }
        assert_eq!(Endpoint::read_all(br#"{"results":[]}"#), Some(Vec::new()));
        for junk in
            [&b"null"[..], b"[]", b"<html>", br#"{"results":[{"mailbox_id":" "}]}"#, br#"{"results":null}"#]
        {
            assert_eq!(Endpoint::read_all(junk), None);
        }
        assert_eq!(read_count(br#"{"count":3,"internalID":"x","allResultsIncluded":true}"#), Some(3));
        assert_eq!(read_count(br#"{"count":3}"#), Some(3));
        assert_eq!(read_count(br#"{"count":-1}"#), None);
    }
}
