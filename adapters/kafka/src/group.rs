//! The consumer, a member of its group, on a thread of its own: polls without end, takes no more than there is room for,
//! moves the group's offset over what has ended, and gives partitions back in order (`queue-bridging.md` 3.3, 3.4, 3.8).

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use relay_core::{Happening, Pump};
use tokio::sync::mpsc::UnboundedSender;

use crate::Shared;
use crate::client::{Context, advice, made};
use crate::config::Outbound;
use crate::happening::{HandedBack, PutBack, WentBack};
use crate::hold::{Command, FORGOTTEN, Hold, Part, is_wide};
use crate::partition::Stint;
use crate::record::Record;
use crate::settings::Purpose;

/// How long a poll waits while nothing is in work: how late a request to this thread may be heard.
const POLL_IDLE: Duration = Duration::from_millis(50);
/// How long a poll waits while something is in work and room may come at any time.
const POLL_BUSY: Duration = Duration::from_millis(5);
/// How long there may be no room until partitions are paused and polling goes on, which the group needs.
const FULL_MAX: Duration = Duration::from_secs(5);
/// How long what is in work may take to end when its partition goes to another member; well below the time that members
/// have to answer (`max.poll.interval.ms`).
const REVOKE_WITHIN: Duration = Duration::from_secs(30);
/// How long what is in work may take to end when the relay stops.
const FINISH_WITHIN: Duration = Duration::from_secs(40);
/// The group's offsets are moved so often at least, as long as something ends ...
const COMMIT_EVERY: Duration = Duration::from_secs(1);
/// ... and once so many records have ended.
const COMMIT_RECORDS: u32 = 500;
/// How long a broker may take to say where the group is.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long going back within a partition may take.
const SEEK_WITHIN: Duration = Duration::from_secs(10);

/// What the thread tells.
pub(crate) enum Told {
    /// A partition is this member's.
    Assigned(Stint),
    /// A record was taken.
    Record(Stint, Record),
    /// What is in work of a partition is to end.
    Revoked(Stint),
    /// Something is wrong, which may pass.
    Failed(String),
    /// The consumer is about to be closed; because of an error, or on request.
    Closing(Option<String>),
    /// It is closed.
    Closed,
}

/// Starts the thread. It ends on [`Command::Stop`], or when nobody listens.
pub(crate) fn join(
    shared: Shared,
    outbound: Arc<Outbound>,
    commands: (Sender<Command>, Receiver<Command>),
    told: UnboundedSender<Told>,
    pump: Pump,
) -> std::io::Result<()> {
    let name = format!("kafka {}", shared.name);
    let member = move || {
        let context = Member {
            client: shared.context.clone(),
            adapter: Arc::clone(&shared.name),
            topic: outbound.topic.as_str().into(),
            outbound: Arc::clone(&outbound),
            commands: commands.0,
            heard: Mutex::new(commands.1),
            told: told.clone(),
            hold: Mutex::default(),
        };
        match shared.settings.of(&Purpose::Consume(&outbound)).create_with_context(context) {
            Ok(consumer) => {
                let consumer: BaseConsumer<Member> = consumer;
                let why = run(&consumer, &pump);
                let _ = told.send(Told::Closing(why));
                // Leaves the group. May take long; whoever waits has a bound for that.
                drop(consumer);
            }
            Err(error) => {
                let _ = told.send(Told::Closing(Some(made(&error).to_string())));
            }
        }
        let _ = told.send(Told::Closed);
    };
    std::thread::Builder::new().name(name).spawn(member).map(|_| ())
}

/// What the thread knows, where the library's callbacks find it. They run on the same thread, within a poll.
struct Member {
    client: Context,
    adapter: Arc<str>,
    topic: Arc<str>,
    outbound: Arc<Outbound>,
    commands: Sender<Command>,
    heard: Mutex<Receiver<Command>>,
    told: UnboundedSender<Told>,
    hold: Mutex<Hold>,
}

fn run(consumer: &BaseConsumer<Member>, pump: &Pump) -> Option<String> {
    let member = consumer.context();
    // Should the thread break off, its step goes with it, and whoever hears of it begins anew.
    let step = pump.step("joining the group");
    if let Err(error) = consumer.subscribe(&[&member.topic]) {
        return Some(advice(&error));
    }
    let mut committed_at = Instant::now();
    let mut why = None;
    loop {
        step.turn("polling");
        while let Ok(command) = member.heard().try_recv() {
            member.hold().apply(command);
        }
        if member.hold().is_stopping || member.told.is_closed() {
            break;
        }
        member.look_up(consumer);
        member.go_back(consumer);
        member.adjust(consumer);
        if member.hold().ended >= COMMIT_RECORDS || committed_at.elapsed() >= COMMIT_EVERY {
            committed_at = Instant::now();
            member.commit(consumer, None, CommitMode::Async);
        }
        if member.waits_for_room() {
            continue;
        }
        let wait = if member.hold().in_work > 0 { POLL_BUSY } else { POLL_IDLE };
        match consumer.poll(wait) {
            None | Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Ok(message)) => member.take(&message),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Some(advice(&error)),
            Some(Err(error)) => {
                let after = After::of(&error);
                if after == After::GoOn {
                    let _ = member.told.send(Told::Failed(advice(&error)));
                    continue;
                }
                if after == After::Forget {
                    member.forget();
                }
                why = Some(advice(&error));
                break;
            }
        }
    }
    step.turn("giving partitions back");
    let parts: Vec<i32> = member.hold().parts.keys().copied().collect();
    member.give_back(consumer, &parts, FINISH_WITHIN);
    why
}

/// What to do after an error.
#[derive(PartialEq, Eq)]
enum After {
    /// The library tries again by itself.
    GoOn,
    /// A partition may stand still for ever, whatever is mended: join the group again.
    Join,
    /// The same, and where the group was means nothing any more: the topic is gone, and one made anew begins at 0.
    Forget,
}

impl After {
    fn of(error: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => Self::Forget,
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed) => Self::Join,
            _ => Self::GoOn,
        }
    }
}

impl Member {
    fn hold(&self) -> MutexGuard<'_, Hold> {
        self.hold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Receiver<Command>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn list(&self, parts: impl IntoIterator<Item = (i32, Offset)>) -> TopicPartitionList {
        parts.into_iter().map(|(partition, offset)| (self.topic.to_string(), partition, offset)).collect()
    }

    /// Begins a stint of a partition.
    fn begin(&self, partition: i32) {
        let mut hold = self.hold();
        hold.epochs += 1;
        let epoch = hold.epochs;
        hold.parts.insert(partition, Part::new(epoch));
        hold.new.push(partition);
        let _ = self.told.send(Told::Assigned(Stint { partition, epoch }));
    }

    fn take(&self, message: &BorrowedMessage<'_>) {
        let (partition, offset) = (message.partition(), message.offset());
        let went_back = {
            let mut hold = self.hold();
            // A partition that was given back meanwhile.
            let Some(part) = hold.parts.get_mut(&partition) else { return };
            let is_in_order = part.watermark.take(offset);
            if part.again_at.is_some() {
                // It comes again: it is taken and never ends here, so that reading goes back to it at least.
                return;
            }
            // Where the group is further on, as after its offset was out of range, that has to come back as well.
            let is_behind =
                part.committed.is_some_and(|committed| committed != FORGOTTEN && offset < committed);
            if is_in_order && is_behind {
                part.committed = Some(i64::MIN);
            }
            if is_in_order && part.committed.is_none() {
                part.committed = Some(offset);
            }
            (!is_in_order).then_some(Stint { partition, epoch: part.epoch })
        };
        if let Some(before) = went_back {
            let adapter = &self.adapter;
            WentBack { adapter, partition, offset }.tell();
            let _ = self.told.send(Told::Revoked(before));
            self.begin(partition);
            if let Some(part) = self.hold().parts.get_mut(&partition) {
                part.watermark.take(offset);
                // The group's offset is beyond it, and has to come back as well.
                part.committed = Some(i64::MIN);
            }
        }
        let mut hold = self.hold();
        let Some(epoch) = hold.parts.get(&partition).map(|part| part.epoch) else { return };
        let record = Record::of(message, &self.topic, epoch, &self.commands);
        hold.in_work += 1;
        hold.bytes += record.bytes();
        let _ = self.told.send(Told::Record(Stint { partition, epoch }, record));
    }

    /// Waits for room instead of polling, where there is none, for a moment at a time. Not for long: somebody who does not poll
    /// hears of nothing. `false`: there is room, or all partitions are paused and can be polled.
    fn waits_for_room(&self) -> bool {
        {
            let mut hold = self.hold();
            let most = (self.outbound.in_work, self.outbound.in_work_bytes.bytes());
            if hold.in_work < most.0 && hold.bytes < most.1 {
                hold.full_since = None;
                return false;
            }
            let since = *hold.full_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= FULL_MAX {
                return false;
            }
        }
        if let Ok(command) = self.heard().recv_timeout(POLL_IDLE) {
            self.hold().apply(command);
        }
        true
    }

    /// Pauses partitions for which there is no room, and resumes those for which there is.
    fn adjust(&self, consumer: &BaseConsumer<Self>) {
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        {
            let mut hold = self.hold();
            // Told to the library only where it lasts.
            let is_stuck = hold.full_since.is_some_and(|since| since.elapsed() >= FULL_MAX);
            let is_closed = is_stuck || hold.is_paused;
            for (partition, part) in &mut hold.parts {
                let gap = part.watermark.gap() as u64;
                part.is_wide = is_wide(part.is_wide, gap, self.outbound.gap.into());
                let is_paused = is_closed || part.is_wide || !part.has_begun || part.again_at.is_some();
                if part.is_paused != Some(is_paused) {
                    part.is_paused = Some(is_paused);
                    if is_paused { &mut pause } else { &mut resume }.push((*partition, Offset::Invalid));
                }
            }
        }
        for (parts, is_pause) in [(pause, true), (resume, false)] {
            if parts.is_empty() {
                continue;
            }
            let list = self.list(parts);
            let done = if is_pause { consumer.pause(&list) } else { consumer.resume(&list) };
            if let Err(error) = done {
                // Tried again in the next round.
                let mut hold = self.hold();
                for part in list.elements().iter().map(TopicPartitionListElem::partition) {
                    if let Some(part) = hold.parts.get_mut(&part) {
                        part.is_paused = None;
                    }
                }
                let what = format!("partitions could not be paused or resumed: {}", advice(&error));
                let _ = self.told.send(Told::Failed(what));
            }
        }
    }

    /// Asks where the group is in partitions that are new here, and says where it is nowhere: they are read from their
    /// beginning, be it the first time or because the broker forgot.
    fn look_up(&self, consumer: &BaseConsumer<Self>) {
        let new = std::mem::take(&mut self.hold().new);
        if new.is_empty() {
            return;
        }
        let list = self.list(new.into_iter().map(|partition| (partition, Offset::Invalid)));
        // What cannot be answered is not needed: the library asks for itself as well.
        let Ok(found) = consumer.committed_offsets(list, ANSWER_WITHIN) else { return };
        let (mut known, mut parts) = (Vec::new(), Vec::new());
        for element in found.elements() {
            match element.offset() {
                Offset::Offset(offset) => known.push((element.partition(), offset)),
                _ => parts.push(element.partition()),
            }
        }
        let mut hold = self.hold();
        for (partition, offset) in known {
            if let Some(part) = hold.parts.get_mut(&partition) {
                part.committed.get_or_insert(offset);
            }
        }
        if !parts.is_empty() {
            let (adapter, group) = (&self.adapter, &self.outbound.group);
            tracing::info!(%adapter, %group, ?parts, "the group has no offset in these partitions, which are read from \
                their beginning");
        }
    }

    /// Moves no offset any more.
    fn forget(&self) {
        for part in self.hold().parts.values_mut() {
            part.committed = Some(FORGOTTEN);
        }
    }

    /// Reads partitions again whose work broke off.
    fn go_back(&self, consumer: &BaseConsumer<Self>) {
        let again: Vec<(i32, u64, Option<i64>)> = {
            let hold = self.hold();
            let now = Instant::now();
            let again = hold.parts.iter().filter(|(_, part)| part.again_at.is_some_and(|at| at <= now));
            again.map(|(partition, part)| (*partition, part.epoch, part.watermark.position())).collect()
        };
        for (partition, epoch, position) in again {
            if let Some(position) = position
                && let Err(error) =
                    consumer.seek(&self.topic, partition, Offset::Offset(position), SEEK_WITHIN)
            {
                // Tried again in the next round.
                let _ = self.told.send(Told::Failed(advice(&error)));
                continue;
            }
            PutBack.tell();
            let _ = self.told.send(Told::Revoked(Stint { partition, epoch }));
            self.begin(partition);
        }
    }

    /// Moves the group's offsets to where partitions are done; those of `only`, or all.
    fn commit(&self, consumer: &BaseConsumer<Self>, only: Option<&[i32]>, mode: CommitMode) {
        let due: Vec<(i32, Offset)> = {
            let mut hold = self.hold();
            hold.ended = 0;
            let parts = hold.parts.iter_mut();
            let parts = parts.filter(|(partition, _)| only.is_none_or(|only| only.contains(partition)));
            parts
                .filter_map(|(partition, part)| {
                    let position = part.due()?;
                    part.committed = Some(position);
                    Some((*partition, Offset::Offset(position)))
                })
                .collect()
        };
        if !due.is_empty()
            && let Err(error) = consumer.commit(&self.list(due), mode)
        {
            self.not_committed(&error);
        }
    }

    /// What was done comes again, and gets the recorded outcome. The next commit carries it along.
    fn not_committed(&self, error: &KafkaError) {
        let adapter = &self.adapter;
        tracing::warn!(%adapter, "the group's offsets were not moved: {}", advice(error));
        let mut hold = self.hold();
        for part in hold.parts.values_mut().filter(|part| part.committed.is_some_and(|at| at != FORGOTTEN)) {
            part.committed = Some(i64::MIN);
        }
    }

    /// Has the work on partitions end, within a bound, and moves the group's offsets over what has ended.
    fn give_back(&self, consumer: &BaseConsumer<Self>, parts: &[i32], within: Duration) {
        for (partition, part) in self.hold().parts.iter().filter(|(partition, _)| parts.contains(partition)) {
            let stint = Stint { partition: *partition, epoch: part.epoch };
            let _ = self.told.send(Told::Revoked(stint));
        }
        let is_lost = consumer.assignment_lost();
        if !is_lost {
            self.wait_for(parts, within);
            self.commit(consumer, Some(parts), CommitMode::Sync);
        }
        let mut hold = self.hold();
        for partition in parts {
            if let Some(part) = hold.parts.remove(partition)
                && (is_lost || !part.has_left)
            {
                let (adapter, partition, in_work) = (&*self.adapter, *partition, part.watermark.gap());
                HandedBack { adapter, partition, in_work }.tell();
            }
        }
    }

    fn wait_for(&self, parts: &[i32], within: Duration) {
        let until = Instant::now() + within;
        loop {
            let is_over = {
                let hold = self.hold();
                parts.iter().all(|partition| hold.parts.get(partition).is_none_or(|part| part.has_left))
            };
            let left = until.saturating_duration_since(Instant::now());
            if is_over || left.is_zero() || self.told.is_closed() {
                return;
            }
            match self.heard().recv_timeout(left) {
                Ok(command) => self.hold().apply(command),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl ClientContext for Member {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = Context::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        self.client.log(level, fac, message);
    }

    fn stats(&self, _: Statistics) {}

    fn stats_raw(&self, _: &[u8]) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.client.generate_oauth_token(config)
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let parts = |list: &TopicPartitionList| -> Vec<i32> {
            list.elements().iter().map(TopicPartitionListElem::partition).collect()
        };
        match rebalance {
            Rebalance::Assign(list) => {
                let parts = parts(list);
                tracing::info!(adapter = %self.adapter, ?parts, "partitions assigned");
                for partition in parts {
                    self.begin(partition);
                }
            }
            Rebalance::Revoke(list) => {
                let parts = parts(list);
                if !parts.is_empty() {
                    tracing::info!(adapter = %self.adapter, ?parts, "partitions revoked");
                    self.give_back(consumer, &parts, REVOKE_WITHIN);
                }
            }
            Rebalance::Error(error) => {
                let _ = self.told.send(Told::Failed(advice(error)));
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            self.not_committed(&error);
        }
    }
}
