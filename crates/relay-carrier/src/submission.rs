//! A broker's message as one for MESH (`queue-bridging.md` 2.3, 2.4).

use jiff::Timestamp;
use relay_core::{Envelope, HeaderText, MailboxId, TraceContext, checksum};
use sha2::{Digest, Sha256};

use crate::claim::ClaimHeaders;
use crate::header::{self, Meaning};
use crate::unfit::{Reason, Unfit};

/// What a broker's message says of itself. Private.
#[derive(Clone, Default)]
pub struct Given {
    /// Its id, by which it is known when it comes again.
    pub message_id: Option<String>,
    /// Among whose ids that one is, where a carrier knows of more than one namespace (CloudEvents' `source`).
    pub source: Option<String>,
    /// Copied to every event about it.
    pub correlation_id: Option<String>,
    /// Where events about it go as well.
    pub reply_to: Option<String>,
    /// Type of the payload.
    pub content_type: Option<String>,
    /// Its headers as text.
    pub headers: Vec<(String, String)>,
}

/// A message for MESH.
#[derive(Clone)]
pub struct Submission {
    /// Its metadata.
    pub envelope: Envelope,
    /// Whether the relay is asked to gzip it on the way.
    pub gzip: bool,
    /// Messages of one key go one after the other.
    pub order_key: Option<String>,
    /// Not to be sent after this.
    pub not_after: Option<Timestamp>,
    /// Where its payload is, if it names one.
    pub claim: Option<ClaimHeaders>,
}

impl Given {
    /// The key within which order is asked for, whatever else is wrong with the message.
    pub fn order_key(&self) -> Option<&str> {
        let is = |name: &str| header::meaning(name) == Meaning::Given(header::ORDER_KEY);
        let found = self.headers.iter().find(|(name, _)| is(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The trace context that the message brought, if it is one.
    pub fn trace(&self) -> Option<TraceContext> {
        let value = |known: &'static str| {
            let is = |name: &str| header::meaning(name) == Meaning::Given(known);
            self.headers.iter().find(|(name, _)| is(name)).map(|(_, value)| value.as_str())
        };
        TraceContext::read(value(header::TRACE_PARENT)?, value(header::TRACE_STATE))
    }
}

impl Submission {
    /// Reads what a message of `mailbox`'s queue says of itself.
    ///
    /// # Errors
    /// The first thing for which it can never be sent.
    pub fn read(given: &Given, mailbox: &MailboxId) -> Result<Self, Unfit> {
        let headers = Headers::read(&given.headers)?;
        if let Some(from) = headers.get(header::FROM)
            && !from.trim().eq_ignore_ascii_case(mailbox.as_str())
        {
            let sentence =
                format!("{} names another mailbox than {mailbox}, which this queue sends from", header::FROM);
            return Err(Unfit::new(Reason::OtherMailbox, sentence));
        }
        let message_id = given.message_id.as_deref().unwrap_or_default();
        let to = headers.required(header::TO, "the recipient's mailbox")?;
        let to = to.parse().map_err(|error| bad(header::TO, &error))?;
        let workflow = headers.required(header::WORKFLOW_ID, "the kind of traffic")?;
        let workflow = workflow.parse().map_err(|error| bad(header::WORKFLOW_ID, &error))?;
        let mut envelope = Envelope::new(mailbox.clone(), to, workflow);
        envelope.local_id = match headers.get(header::LOCAL_ID) {
            Some(local_id) => Some(local_id.parse().map_err(|error| bad(header::LOCAL_ID, &error))?),
            // A message id that MESH cannot take is no fault: it only is not the local id then.
            None => message_id.parse().ok(),
        };
        envelope.subject = headers.text(header::SUBJECT)?;
        envelope.file_name = headers.text(header::FILE_NAME)?;
        envelope.partner_id = headers.text(header::PARTNER_ID)?;
        envelope.process_id = headers.text(header::PROCESS_ID)?;
        let sum = headers.get(header::CHECKSUM).unwrap_or_default();
        envelope.checksum = checksum(sum).map_err(|error| bad(header::CHECKSUM, &error))?;
        envelope.content_type =
            HeaderText::optional("content type", given.content_type.as_deref().unwrap_or_default())
                .map_err(|error| bad("the content type", &error))?;
        envelope.compressed = headers.flag(header::COMPRESSED)?;
        envelope.encrypted = headers.flag(header::ENCRYPTED)?;
        let not_after = headers.get(header::NOT_AFTER).map(str::parse::<Timestamp>).transpose();
        let not_after = not_after.map_err(|_| {
            let sentence = format!("{} is no time such as 2026-11-22T10:15:00Z", header::NOT_AFTER);
            Unfit::new(Reason::BadHeader, sentence)
        })?;
        Ok(Self {
            envelope,
            gzip: headers.flag(header::COMPRESS)?,
            order_key: headers.get(header::ORDER_KEY).map(|key| key.trim().to_owned()),
            not_after,
            claim: ClaimHeaders::read(|name| headers.get(name))?,
        })
    }

    /// Looks whether a message has its payload in one place: with it, or where it says.
    ///
    /// # Errors
    /// When it has none, or two.
    pub fn with_body(self, body: &[u8]) -> Result<Self, Unfit> {
        match (&self.claim, body.is_empty()) {
            (None, true) => {
                let sentence = format!(
                    "it has no body, and MESH takes none without; if its payload lies elsewhere, name it in {}",
                    header::DATA_REF
                );
                Err(Unfit::new(Reason::Empty, sentence))
            }
            (Some(_), false) => {
                let sentence = format!(
                    "it has a body, and names another one in {}; send one of the two",
                    header::DATA_REF
                );
                Err(Unfit::new(Reason::BadReference, sentence))
            }
            _ => Ok(self),
        }
    }

    /// A hash of all that MESH would get, by which another message under the same id is told from this one.
    pub fn fingerprint(&self, body: &[u8]) -> String {
        let content = match &self.claim {
            None => digest([body]),
            Some(claim) => claim.sha256.clone(),
        };
        let headers = self.envelope.headers();
        let parts = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        digest(std::iter::once(content.as_bytes()).chain(parts))
    }
}

/// SHA-256 of several parts, told apart, in hexadecimal.
pub fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

fn bad(name: &str, error: &dyn std::fmt::Display) -> Unfit {
    Unfit::new(Reason::BadHeader, format!("{name}: {error}"))
}

/// The headers by their own names.
struct Headers<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Headers<'a> {
    fn read(given: &'a [(String, String)]) -> Result<Self, Unfit> {
        let mut headers: Vec<(&'static str, &str)> = Vec::with_capacity(given.len());
        for (name, value) in given {
            let known = match header::meaning(name) {
                Meaning::Given(known) => known,
                Meaning::Written | Meaning::Foreign => continue,
                Meaning::Unknown => {
                    let sentence = format!(
                        "{} begins with {} or Mex- and is no header that is known; the known ones are {}",
                        header::shown(name),
                        header::PREFIX,
                        header::GIVEN.join(", ")
                    );
                    return Err(Unfit::new(Reason::UnknownHeader, sentence));
                }
            };
            if headers.iter().any(|(other, before)| *other == known && before != value) {
                let sentence = format!("{known} is given twice, with different values");
                return Err(Unfit::new(Reason::BadHeader, sentence));
            }
            headers.push((known, value));
        }
        Ok(Self(headers))
    }

    /// A value that is not empty.
    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value).filter(|value| !value.trim().is_empty())
    }

    fn required(&self, name: &str, what: &str) -> Result<&'a str, Unfit> {
        self.get(name).ok_or_else(|| {
            Unfit::new(Reason::MissingHeader, format!("there is no {name}; give {what} there"))
        })
    }

    fn text<const CHARS_MAX: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<HeaderText<CHARS_MAX>>, Unfit> {
        HeaderText::optional(name, self.get(name).unwrap_or_default())
            .map_err(|error| Unfit::new(Reason::BadHeader, error.to_string()))
    }

    fn flag(&self, name: &str) -> Result<bool, Unfit> {
        match self.get(name).map(|value| value.trim().to_ascii_lowercase()).as_deref() {
            None | Some("n" | "no" | "false" | "0") => Ok(false),
            Some("y" | "yes" | "true" | "1") => Ok(true),
            Some(_) => Err(Unfit::new(Reason::BadHeader, format!("{name} is neither true nor false"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(headers: &[(&str, &str)]) -> Given {
        Given {
            message_id: Some("ORDER-7".to_owned()),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            ..Given::default()
        }
    }

    fn read(headers: &[(&str, &str)]) -> Result<Submission, Unfit> {
        Submission::read(&given(headers), &"X26ABC1".parse().expect("a mailbox"))
    }

    const LEAST: [(&str, &str); 2] = [("mesh_to", "X26ABC2"), ("mesh_workflow_id", "TEST_WORKFLOW")];

    fn with(more: (&'static str, &'static str)) -> Result<Submission, Unfit> {
        read(&[LEAST[0], LEAST[1], more])
    }

    #[test]
    fn the_message_id_is_the_local_id_unless_there_is_one() {
        let local_id = |submission: Submission| submission.envelope.local_id.map(|id| id.as_str().to_owned());
        assert_eq!(local_id(read(&LEAST).expect("it")).as_deref(), Some("ORDER-7"));
        assert_eq!(local_id(with(("Mex-LocalID", "L1")).expect("it")).as_deref(), Some("L1"));
    }

    #[test]
    fn what_can_never_be_sent_says_why_and_shows_nothing() {
        let long: &'static str = Box::leak("s".repeat(501).into_boxed_str());
        for (more, reason) in [
            (("mesh_from", "X26ABC9"), Reason::OtherMailbox),
            (("mesh_subject", long), Reason::BadHeader),
            (("mesh_subject", "secret\u{7}"), Reason::BadHeader),
            (("mesh_checksum", "secret?"), Reason::BadHeader),
            (("mesh_compress", "secret"), Reason::BadHeader),
            (("mesh_not_after", "secret"), Reason::BadHeader),
            (("mesh_recipient", "secret"), Reason::UnknownHeader),
            (("mesh_data_ref", "s3://secret"), Reason::BadReference),
            (("Mex-To", "secret"), Reason::BadHeader),
        ] {
            let Err(unfit) = with(more) else { panic!("{} was taken", more.0) };
            assert_eq!(unfit.reason, reason, "{unfit}");
            assert!(!unfit.sentence.contains("secret") && !unfit.sentence.contains("sss"), "{unfit}");
        }
        for missing in [&LEAST[..1], &LEAST[1..]] {
            assert_eq!(read(missing).err().map(|unfit| unfit.reason), Some(Reason::MissingHeader));
        }
    }
}
