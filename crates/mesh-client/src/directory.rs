//! Who receives what, and how much waits (`mesh-api.md` 4.3, 4.12, 4.13).

use hyper::Method;
use mesh_api::{Effect, Endpoint, WorkflowId, endpoint, path};

use crate::call::Outline;
use crate::client::Mailbox;
use crate::error::{Call, CallError, ErrorKind};

/// Longest ODS code that is asked for, in characters.
const ODS_CODE_CHARS_MAX: usize = 20;

impl Mailbox {
    /// The mailboxes of an organisation that receive a workflow: none, one, or several among which the caller must
    /// choose (`mesh-api.md` 4.12). Case counts in both parts.
    ///
    /// # Errors
    /// [`ErrorKind::Unsendable`] for an ODS code that cannot be one: empty, longer than 20 characters, or with others
    /// than letters and digits. What every call may meet.
    pub async fn lookup(&self, ods_code: &str, workflow: &WorkflowId) -> Result<Vec<Endpoint>, CallError> {
        const CALL: Call = Call::Lookup;
        let usable = (1..=ODS_CODE_CHARS_MAX).contains(&ods_code.len())
            && ods_code.bytes().all(|b| b.is_ascii_alphanumeric());
        if !usable {
            return Err(self.fail(CALL, ErrorKind::Unsendable("ODS code"), Effect::NotApplied));
        }
        self.endpoints(CALL, path::endpoint_lookup(ods_code, workflow)).await
    }

    /// All mailboxes that receive a workflow (`mesh-api.md` 4.13).
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn workflow_search(&self, workflow: &WorkflowId) -> Result<Vec<Endpoint>, CallError> {
        self.endpoints(Call::WorkflowSearch, path::workflow_search(workflow)).await
    }

    async fn endpoints(&self, call: Call, path: String) -> Result<Vec<Endpoint>, CallError> {
        let response = self.repeat(&Outline::new(call, Method::GET, path), None).await?;
        let body = self.read_small(call, response).await?;
        Endpoint::read_all(&body).ok_or_else(|| self.unusable(call, "it is no list of mailboxes"))
    }

    /// How many messages wait in the inbox (`mesh-api.md` 4.3, deprecated there: a listing tells it too).
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn count(&self) -> Result<u64, CallError> {
        const CALL: Call = Call::Count;
        let response = self.repeat(&Outline::new(CALL, Method::GET, path::count(&self.id)), None).await?;
        let body = self.read_small(CALL, response).await?;
        endpoint::read_count(&body).ok_or_else(|| self.unusable(CALL, "it is no count"))
    }
}
