//! Whom commands ask: a running relay's API, or the journal itself.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use relay_config::Faults;
use relay_console::view::{DeedView, HistoryView, MessageView, PartnerView};
use relay_core::search::SEARCH_LIMIT_MAX;
use relay_core::{DeedQuery, Direction, MailboxId, MessageQuery, Records, RelayId};
use serde::Deserialize;
use url::form_urlencoded;

use super::api::Api;
use super::{AskArgs, AskError};
use crate::{journal, settings, system};

/// Deeds that are shown of a message.
const DEEDS: u32 = 50;
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Who answers.
pub(super) enum Source {
    /// A running relay.
    Api(Box<Api>),
    /// The journal.
    Journal(Box<dyn Records>),
}

/// Which messages.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) words: Vec<String>,
    pub(super) direction: Option<Direction>,
    pub(super) mailbox: Option<MailboxId>,
    pub(super) partner: Option<String>,
    pub(super) workflow: Option<String>,
    pub(super) state: Option<String>,
    /// How long ago they were first seen at most.
    pub(super) since: Option<Duration>,
    pub(super) limit: u32,
}

#[derive(Deserialize)]
struct Messages {
    messages: Vec<MessageView>,
}

#[derive(Deserialize)]
struct Message {
    history: Vec<HistoryView>,
    deeds: Vec<DeedView>,
}

#[derive(Deserialize)]
struct Partners {
    partners: Vec<PartnerView>,
}

impl Source {
    /// Whom the arguments name.
    pub(super) async fn open(args: &AskArgs) -> Result<Self, AskError> {
        if let Some(url) = &args.relay {
            return Ok(Self::Api(Box::new(Api::at(url, args.token.as_deref(), args.roots.as_deref())?)));
        }
        let path = args.config.as_deref().unwrap_or(Path::new(""));
        let loaded = relay_config::load(path).map_err(AskError::Configuration)?;
        let mut faults = Faults::new();
        let journal = settings::journal(&loaded.journal, &loaded.secrets, &mut faults);
        let journal = journal.ok_or(AskError::Configuration(faults))?;
        Ok(Self::Journal(journal::records(&journal).await?))
    }

    /// Messages, newest first.
    pub(super) async fn messages(&self, question: &Question) -> Result<Vec<MessageView>, AskError> {
        match self {
            Self::Api(api) => {
                let found: Messages = api.get(&format!("/v1/messages?{}", question.as_query())).await?;
                Ok(found.messages)
            }
            Self::Journal(records) => {
                let found = records.search(&question.as_message_query()).await?;
                Ok(found.iter().map(MessageView::from).collect())
            }
        }
    }

    /// What happened to a message, and what people did about it.
    pub(super) async fn history(
        &self,
        message: &MessageView,
    ) -> Result<(Vec<HistoryView>, Vec<DeedView>), AskError> {
        match self {
            Self::Api(api) => {
                let shown: Message = api.get(&format!("/v1/messages/{}", message.relay_id)).await?;
                Ok((shown.history, shown.deeds))
            }
            Self::Journal(records) => {
                let relay_id = relay_id(message)?;
                let direction =
                    if message.direction == "outbound" { Direction::Outbound } else { Direction::Inbound };
                let history = records.history(relay_id).await?;
                let query = DeedQuery { relay_id: Some(relay_id), before: None, limit: DEEDS };
                let deeds = records.deeds(&query).await?;
                let history = history.iter().map(|entry| HistoryView::new(entry, direction)).collect();
                Ok((history, deeds.iter().map(DeedView::from).collect()))
            }
        }
    }

    /// Whom messages were exchanged with for so long.
    pub(super) async fn partners(&self, since: Duration) -> Result<Vec<PartnerView>, AskError> {
        match self {
            Self::Api(api) => {
                let days = since.as_secs().div_ceil(DAY).max(1);
                let found: Partners = api.get(&format!("/v1/reports/partners?days={days}")).await?;
                Ok(found.partners)
            }
            Self::Journal(records) => {
                let found = records.partners(ago(since)).await?;
                Ok(found.iter().map(PartnerView::from).collect())
            }
        }
    }
}

/// The relay's id of a message.
pub(super) fn relay_id(message: &MessageView) -> Result<RelayId, AskError> {
    let id = message.relay_id.parse();
    id.map(RelayId).map_err(|_| AskError::NoSuch(message.relay_id.clone()))
}

fn ago(interval: Duration) -> Timestamp {
    let past = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    system::now().checked_sub(past).unwrap_or(Timestamp::MIN)
}

impl Question {
    fn as_message_query(&self) -> MessageQuery {
        MessageQuery {
            direction: self.direction,
            mailbox: self.mailbox.clone(),
            partner: self.partner.clone(),
            workflow: self.workflow.clone(),
            state: self.state.clone(),
            from: self.since.map(ago),
            words: self.words.clone(),
            limit: self.limit,
            ..MessageQuery::default()
        }
    }

    fn as_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                query.append_pair(name, &value);
            }
        };
        add("q", (!self.words.is_empty()).then(|| self.words.join(" ")));
        add("direction", self.direction.map(|direction| direction.as_str().to_owned()));
        add("mailbox", self.mailbox.as_ref().map(ToString::to_string));
        add("partner", self.partner.clone());
        add("workflow", self.workflow.clone());
        add("state", self.state.clone());
        add("from", self.since.map(|since| ago(since).to_string()));
        add("limit", Some(self.limit.clamp(1, SEARCH_LIMIT_MAX).to_string()));
        query.finish()
    }
}
