//! What a person decides about messages: asked of the running relay, or done on the journal when none runs.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use relay_config::{ConsoleRole, Faults, Loaded};
use relay_console::view::MessageView;
use relay_core::{Caller, Decision, Operator, Role, Surroundings};
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, ApiError};
use super::source::{Source, relay_id};
use super::{ActArgs, AskError, one};
use crate::adapters::AdapterConfig;
use crate::journal::OpenJournal;
use crate::system::{SystemChance, SystemClock};
use crate::{settings, system};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Send, or deliver, once more.
    Resend,
    /// Leave it to a person.
    Park,
    /// Do not send it.
    Cancel,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::Resend => "resend",
            Self::Park => "park",
            Self::Cancel => "cancel",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Resend => "Send once more",
            Self::Park => "Park",
            Self::Cancel => "Cancel the sending of",
        }
    }
}

#[derive(Deserialize)]
struct Done {
    done: String,
}

/// Who does it.
enum Doer {
    /// The running relay.
    Api(Box<Api>),
    /// This process, on the journal.
    Here(Box<Here>),
}

struct Here {
    operator: Operator,
    journal: OpenJournal,
    caller: Caller,
}

/// Does it to each message, after asking back.
pub(super) async fn run(act: Act, args: &ActArgs, reason: &str) -> Result<(), AskError> {
    let source = Source::open(&args.ask).await?;
    let mut messages = Vec::with_capacity(args.ids.len());
    for id in &args.ids {
        messages.push(one(&source, id).await?);
    }
    messages.sort_by(|a, b| a.relay_id.cmp(&b.relay_id));
    messages.dedup_by(|a, b| a.relay_id == b.relay_id);
    if !args.yes && !confirmed(act, &messages)? {
        return Err(AskError::Declined);
    }
    let doer = doer(act, source, args).await?;
    let mut results = Vec::with_capacity(messages.len());
    for message in &messages {
        results.push((message, doer.act(act, message, reason).await));
    }
    doer.close().await;
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    if args.ask.json {
        let list = results.iter().map(|(message, result)| match result {
            Ok(done) => json!({ "relay_id": message.relay_id, "done": done }),
            Err(error) => json!({ "relay_id": message.relay_id, "error": error.to_string() }),
        });
        println!("{}", json!({ "results": list.collect::<Vec<_>>() }));
    } else {
        for (message, result) in &results {
            match result {
                Ok(done) => println!("{}: {done}", message.relay_id),
                Err(error) => eprintln!("{}: not done: {error}", message.relay_id),
            }
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(AskError::Undone { failed, all: messages.len() }),
    }
}

/// Asks back with how many there are and whom they concern.
fn confirmed(act: Act, messages: &[MessageView]) -> Result<bool, AskError> {
    let mut partners: BTreeMap<&str, u64> = BTreeMap::new();
    for message in messages {
        *partners.entry(message.partner.as_deref().unwrap_or("unknown")).or_default() += 1;
    }
    let whom: Vec<String> =
        partners.iter().map(|(partner, number)| format!("{partner} ({number})")).collect();
    let (number, whom) = (messages.len(), whom.join(", "));
    let plural = if number == 1 { "" } else { "s" };
    let question = format!("{} {number} message{plural}, partner: {whom}", act.question());
    if !io::stdin().is_terminal() {
        let what = format!("{question}: nobody can be asked back here; say --yes if that is meant");
        return Err(AskError::Usage(what));
    }
    eprint!("{question}? [y/N] ");
    let mut answer = String::new();
    let read = io::stderr().flush().and_then(|()| io::stdin().lock().read_line(&mut answer));
    Ok(read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn doer(act: Act, source: Source, args: &ActArgs) -> Result<Doer, AskError> {
    let journal = match source {
        Source::Api(api) => return Ok(Doer::Api(api)),
        Source::Journal(journal) => journal,
    };
    // It is opened for writing now, if nobody else has it.
    drop(journal);
    let path = args.ask.config.as_deref().unwrap_or(Path::new(""));
    let loaded = relay_config::load(path).map_err(AskError::Configuration)?;
    if let Some(api) = running(&loaded).await? {
        return Ok(Doer::Api(Box::new(api)));
    }
    let mut faults = Faults::new();
    let settings = settings::journal(&loaded.journal, &loaded.secrets, &mut faults);
    let settings = settings.ok_or(AskError::Configuration(faults))?;
    let adapters = settings::adapters(path).map_err(AskError::Configuration)?;
    let journal = OpenJournal::open(&settings).await?;
    let surroundings = Surroundings::new(journal.shared(), Arc::new(SystemClock), Arc::new(SystemChance));
    let shared = settings.is_shared();
    // Folders are opened only where something is taken from them.
    let keepers = adapters.iter().filter(|_| act == Act::Resend).filter_map(|(name, config)| {
        let keeps = AdapterConfig::keeps(config, shared)?;
        Some((name.clone(), keeps))
    });
    let operator = Operator::new(surroundings, [], keepers.collect::<Vec<_>>());
    let caller = Caller::new(&system::account(), Role::Operator);
    Ok(Doer::Here(Box::new(Here { operator, journal, caller })))
}

/// The console of the relay that runs on this configuration. `None`: it has none, or does not run.
async fn running(loaded: &Loaded) -> Result<Option<Api>, AskError> {
    let Some(console) = &loaded.console else { return Ok(None) };
    let Some(operator) = console.callers.iter().find(|caller| caller.role == ConsoleRole::Operator) else {
        return Ok(None);
    };
    let token =
        operator.token.resolve(&loaded.secrets).map_err(|error| AskError::Usage(error.to_string()))?;
    let scheme = if console.tls.is_some() { "https" } else { "http" };
    let url = match (&console.public_url, &console.tls) {
        // Its certificate is for that name.
        (Some(url), Some(_)) => url.clone(),
        _ => format!("{scheme}://{}", console.listen),
    };
    let roots = match &console.tls {
        Some(tls) => {
            let read = std::fs::read(&tls.cert);
            Some(read.map_err(|error| AskError::Usage(format!("{}: {error}", tls.cert.display())))?)
        }
        None => None,
    };
    let api = Api::new(&url, Some(token), roots.as_deref())?;
    match api.get::<serde_json::Value>("/v1/mailboxes").await {
        Ok(_) => Ok(Some(api)),
        // Nobody there: the journal itself will say if somebody is at work on it after all.
        Err(ApiError::Unreachable { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Doer {
    async fn act(&self, act: Act, message: &MessageView, reason: &str) -> Result<String, AskError> {
        match self {
            Self::Api(api) => {
                let place = format!("/v1/messages/{}/{}", message.relay_id, act.as_str());
                // The token is the configuration's; who used it stands beside.
                let by = system::account();
                let reason = if reason.is_empty() { by } else { format!("{by} {reason}") };
                let done: Done = api.post(&place, &json!({ "reason": reason })).await?;
                Ok(done.done)
            }
            Self::Here(here) => here.act(act, message, reason).await,
        }
    }

    async fn close(self) {
        if let Self::Here(here) = self {
            here.journal.close().await;
        }
    }
}

impl Here {
    async fn act(&self, act: Act, message: &MessageView, reason: &str) -> Result<String, AskError> {
        let (operator, caller) = (&self.operator, &self.caller);
        let (id, inbound) = (relay_id(message)?, message.direction == "inbound");
        let next = "when the relay runs";
        Ok(match (act, inbound) {
            (Act::Resend, false) => operator.resend(caller, id, reason).await?,
            (Act::Resend, true) => {
                operator.deliver_again(caller, id, reason).await?;
                format!("delivered once more {next}")
            }
            (Act::Park, true) => {
                operator.park_inbound(caller, id, reason).await?;
                "parked; MESH still holds it".to_owned()
            }
            (Act::Park, false) => {
                operator.decide(caller, id, &Decision::Park, reason).await?;
                format!("parked; your system is told {next}")
            }
            (Act::Cancel, false) => {
                operator.decide(caller, id, &Decision::Cancel, reason).await?;
                format!("cancelled; your system is told {next}")
            }
            (Act::Cancel, true) => {
                return Err(AskError::Usage(
                    "it came from MESH; it can be parked, or delivered once more".to_owned(),
                ));
            }
        })
    }
}
