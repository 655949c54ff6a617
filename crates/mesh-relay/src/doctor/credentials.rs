//! What MESH says to our mailboxes: whether it is MESH, whether clocks agree, and whose credentials are wrong, as far as it tells.

use jiff::SignedDuration;
use mesh_api::MailboxId;
use mesh_client::{CallError, Client, ConnectFault, ErrorKind};
use relay_config::{SecretRef, Secrets};
use relay_core::diagnosis::Finding;

use super::mesh::refusal;
use super::secrets::place;

/// Whether MESH lets a mailbox in.
pub(super) const MAILBOX: &str = "mesh.mailbox";
/// Whether the shared key is the environment's.
const SHARED_KEY: &str = "mesh.shared-key";
/// Whether our clock and MESH's agree.
const CLOCK: &str = "mesh.clock";

/// A difference between clocks that is worth a word.
const SKEW_TOLD: SignedDuration = SignedDuration::from_mins(1);
/// One beyond which MESH refuses every call (`mesh-api.md` 2.2).
const SKEW_MAX: SignedDuration = SignedDuration::from_hours(2);

/// Who asks, and what is named when it goes wrong.
pub(super) struct Credentials<'a> {
    pub(super) client: Client,
    pub(super) mailboxes: &'a [(MailboxId, SecretRef)],
    pub(super) secrets: &'a Secrets,
    pub(super) shared_key: &'a SecretRef,
    /// The server, as items name it.
    pub(super) server: String,
    /// Our certificate, as items name it; empty when there is none.
    pub(super) certificate: String,
    /// The check of whether MESH answers.
    pub(super) answer: &'static str,
    /// The check of whether it takes our certificate.
    pub(super) accepted: &'static str,
}

/// All mailboxes, when none can be asked about.
pub(super) fn not_checked(mailboxes: &[(MailboxId, SecretRef)], why: &str) -> Vec<Finding> {
    mailboxes.iter().map(|(id, _)| Finding::not_checked(MAILBOX, format!("mailbox {id}"), why)).collect()
}

/// How MESH met a mailbox.
enum Met {
    LetIn,
    /// With MESH's own words.
    Refused(String),
    /// The secret is not there, and has a check of its own.
    NoPassword,
}

impl Credentials<'_> {
    pub(super) async fn look(&self) -> Vec<Finding> {
        let mut met = Vec::with_capacity(self.mailboxes.len());
        for (id, password) in self.mailboxes {
            let Ok(password) = password.resolve(self.secrets) else {
                met.push(Met::NoPassword);
                continue;
            };
            let mailbox = self.client.mailbox(id.clone(), password);
            met.push(match mailbox.handshake().await {
                Ok(()) => Met::LetIn,
                Err(error) if matches!(error.kind(), ErrorKind::CredentialsRefused) => {
                    Met::Refused(words(&error))
                }
                // It concerns every mailbox, so the others are not asked about.
                Err(error) => {
                    let mut findings = vec![self.trouble(&error)];
                    findings.extend(self.clock());
                    findings.extend(not_checked(self.mailboxes, "MESH did not answer as it should"));
                    return findings;
                }
            });
        }
        let mut findings = Vec::new();
        if met.iter().all(|met| matches!(met, Met::NoPassword)) {
            findings.push(Finding::not_checked(self.answer, &self.server, "no password can be read"));
        } else {
            findings.push(Finding::sound(self.answer, &self.server, "MESH answers"));
        }
        let clock = self.clock();
        let is_late = clock.as_ref().is_some_and(Finding::is_fault);
        findings.extend(clock);
        findings.extend(self.judge(&met, is_late));
        findings
    }

    fn judge(&self, met: &[Met], is_late: bool) -> Vec<Finding> {
        let tried = met.iter().filter(|met| !matches!(met, Met::NoPassword)).count();
        // MESH knows the mailbox and says no: it does not say to what.
        let is_plain =
            |met: &Met| matches!(met, Met::Refused(words) if !is_unknown(words) && !is_inactive(words));
        let refused = met.iter().filter(|met| is_plain(met)).count();
        let is_key = !is_late && tried > 1 && refused == tried;
        let mut findings = Vec::new();
        let key = format!("shared_key of [mesh] ({})", place(self.shared_key, self.secrets));
        if is_key {
            let advice = "write the shared key of this environment there; should it be right, every mailbox's password is wrong";
            findings.push(Finding::fault(SHARED_KEY, &key, "MESH refuses every mailbox", advice));
        } else if met.iter().any(|met| matches!(met, Met::LetIn)) {
            findings.push(Finding::sound(SHARED_KEY, &key, "it is this environment's"));
        }
        for ((id, password), met) in self.mailboxes.iter().zip(met) {
            let item = format!("mailbox {id} (password in {})", place(password, self.secrets));
            findings.push(match met {
                Met::LetIn => Finding::sound(MAILBOX, item, "MESH lets it in"),
                Met::NoPassword => Finding::not_checked(MAILBOX, item, "its password cannot be read"),
                Met::Refused(_) if is_late => {
                    Finding::not_checked(MAILBOX, item, "MESH refuses every call while the clocks are so far apart")
                }
                Met::Refused(words) if is_unknown(words) => {
                    let advice = "correct `id` of the mailbox, or `environment` of [mesh]: each environment has its own";
                    Finding::fault(MAILBOX, item, "MESH knows no mailbox of this id", advice)
                }
                Met::Refused(words) if is_inactive(words) => {
                    let advice = "ask the MESH service desk to activate it";
                    Finding::fault(MAILBOX, item, "MESH says that the mailbox is not active", advice)
                }
                Met::Refused(_) if is_key => {
                    Finding::not_checked(MAILBOX, item, "it is refused like every other; see mesh.shared-key")
                }
                Met::Refused(_) if refused < tried => {
                    let advice = "write the mailbox's own password of this environment there";
                    Finding::fault(MAILBOX, item, "MESH refuses its password, and takes the shared key from others", advice)
                }
                Met::Refused(_) => {
                    let advice = format!("check the password, and then {key}");
                    let found = "MESH refuses the password or the shared key, and does not say which";
                    Finding::fault(MAILBOX, item, found, advice)
                }
            });
        }
        findings
    }

    fn clock(&self) -> Option<Finding> {
        let skew = self.client.clock_skew()?;
        let item = "this machine's clock";
        let seconds = skew.as_secs().unsigned_abs();
        let way = if skew.is_negative() { "ahead of" } else { "behind" };
        let found = format!("it is {} {way} MESH's", span(seconds));
        let advice = "set it by a time server (NTP)";
        Some(if skew.abs() >= SKEW_MAX {
            let found = format!("{found}, and MESH refuses calls beyond two hours");
            Finding::fault(CLOCK, item, found, advice)
        } else if skew.abs() >= SKEW_TOLD {
            Finding::warning(CLOCK, item, found, advice)
        } else {
            Finding::sound(CLOCK, item, "it agrees with MESH's to the minute")
        })
    }

    fn trouble(&self, error: &CallError) -> Finding {
        if let ErrorKind::Connect(ConnectFault::Tls(refused)) = error.kind()
            && refused.refuses_us()
        {
            let has_one = !self.certificate.is_empty();
            return Finding { check: self.accepted, ..refusal(&self.certificate, has_one, refused) };
        }
        let told = error.to_string();
        let (found, advice) =
            told.split_once("; ").unwrap_or((&told, "ask the MESH service desk, and look again later"));
        Finding::fault(self.answer, &self.server, found, advice)
    }
}

fn words(error: &CallError) -> String {
    error.service().map(|service| service.description.to_ascii_lowercase()).unwrap_or_default()
}

/// `mesh-api.md` 2.2, 4.
fn is_unknown(words: &str) -> bool {
    words.contains("no mailbox matched")
}

fn is_inactive(words: &str) -> bool {
    words.contains("inactive")
}

fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60) {
        (0, 0) => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {} min", minutes % 60),
    }
}
