//! The inbox, all pages of it (`mesh-api.md` 4.2).

use std::collections::HashSet;

use hyper::Method;
use mesh_api::path::WorkflowFilter;
use mesh_api::{InboxPage, MessageId, path};

use crate::call::Outline;
use crate::client::Mailbox;
use crate::error::{Call, CallError};

/// Most ids that one listing returns. The rest comes with the next one, when these are acknowledged.
pub const LIST_IDS_MAX: usize = 50_000;
/// Most pages that one listing asks for.
pub const LIST_PAGES_MAX: usize = 500;

/// Longest link to a next page that is followed, in bytes: room for a token of 1000 characters, escaped.
const LINK_BYTES_MAX: usize = 4096;
const PAGE: u32 = path::PAGE_DEFAULT;

impl Mailbox {
    /// The ids in the inbox, oldest first, each once, at most [`LIST_IDS_MAX`]. Follows the links of version 2
    /// also over empty pages, and continues by the last id where the server answers in version 1.
    ///
    /// MESH wants an inbox listed at most once in five minutes, unless more is known to wait (`mesh-api.md` 7.2).
    ///
    /// # Errors
    /// What every call may meet. A page that fails fails the listing.
    pub async fn list(&self) -> Result<Vec<MessageId>, CallError> {
        self.list_from(path::inbox(&self.id, PAGE)).await
    }

    /// The same of the workflows that a filter keeps.
    ///
    /// # Errors
    /// As [`Mailbox::list`].
    pub async fn list_filtered(&self, filter: &WorkflowFilter) -> Result<Vec<MessageId>, CallError> {
        self.list_from(path::inbox_filtered(&self.id, PAGE, filter)).await
    }

    async fn list_from(&self, first: String) -> Result<Vec<MessageId>, CallError> {
        let mut listing = Listing::default();
        let mut next = Some(first.clone());
        while let Some(path) = next {
            if listing.paths.len() >= LIST_PAGES_MAX || !listing.paths.insert(path.clone()) {
                let pages = listing.paths.len();
                tracing::warn!(mailbox = %self.id, pages, "the inbox repeats a page or has too many");
                break;
            }
            let page = self.page(path).await?;
            if page.unusable > 0 {
                tracing::warn!(mailbox = %self.id, skipped = page.unusable, "the inbox holds unusable ids");
            }
            let listed = page.messages.len();
            let last = page.messages.last().cloned();
            let fresh = listing.add(page.messages);
            if listing.ids.len() >= LIST_IDS_MAX {
                break;
            }
            next = match (page.linked, page.next, last) {
                // A page of known ids means that the server goes round in circles.
                _ if listed > 0 && fresh == 0 => None,
                (true, Some(link), _) => Some(self.checked(link)?),
                (true, None, _) => None,
                (false, _, Some(last)) if listed + page.unusable >= PAGE as usize => {
                    Some(path::after(&first, &last))
                }
                (false, ..) => None,
            };
        }
        Ok(listing.ids)
    }

    async fn page(&self, path: String) -> Result<InboxPage, CallError> {
        let response = self.repeat(&Outline::new(Call::List, Method::GET, path), None).await?;
        let body = self.read_small(Call::List, response).await?;
        InboxPage::read(&body).ok_or_else(|| self.unusable(Call::List, "it is no inbox"))
    }

    /// A link, when it stays within MESH at the same host: the next request carries our credentials.
    fn checked(&self, link: String) -> Result<String, CallError> {
        if is_path_of_mesh(&link) {
            Ok(link)
        } else {
            Err(self.unusable(Call::List, "its link to the next page leads elsewhere"))
        }
    }
}

fn is_path_of_mesh(link: &str) -> bool {
    let within = link.strip_prefix(path::ROOT).is_some_and(|rest| rest.starts_with('/'));
    let clean = link.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#');
    within && clean && link.len() <= LINK_BYTES_MAX && !link.contains("/../")
}

#[derive(Default)]
struct Listing {
    ids: Vec<MessageId>,
    seen: HashSet<MessageId>,
    paths: HashSet<String>,
}

impl Listing {
    /// Adds what is new, up to the bound, and says how much that was.
    fn add(&mut self, ids: Vec<MessageId>) -> usize {
        let before = self.ids.len();
        for id in ids {
            if self.ids.len() < LIST_IDS_MAX && self.seen.insert(id.clone()) {
                self.ids.push(id);
            }
        }
        self.ids.len() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_same_origin_are_followed() {
        assert!(is_path_of_mesh("/messageexchange/A/inbox?max_results=10&continue_from=a%3D"));
        for link in [
            "https://elsewhere.example.test/messageexchange/A/inbox",
            "//elsewhere.example.test/messageexchange/A",
            "/messageexchange@elsewhere.example.test/",
            "/messageexchange/../admin",
            "/messageexchange/A inbox",
            "/admin",
            "",
        ] {
            assert!(!is_path_of_mesh(link), "{link}");
        }
    }
}
