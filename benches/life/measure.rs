//! What is measured, and what must hold.

use crate::Scale;
use crate::client::{Client, Way};
use crate::process::{Held, Proxy};
use crate::server::PAUSE;
use crate::soak;
use crate::watch::Watch;
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// Seconds for which a server reads nothing: longer than a busy machine takes to begin.
const STALL: usize = 30;

/// The bars. Memory while connections are open, and what stays of a stream or a body.
const MOST_RESIDENT: u64 = 150 << 20;
const PER_STREAM: u64 = 256 << 10;
const PER_BODY: u64 = 16 << 20;
const SLOPE: f64 = 1.0;
/// How long it has to be watched for a slope to mean something, and for the bar to be held against it.
const WORTH_A_FIGURE: Duration = Duration::from_secs(55);
const LONG_ENOUGH: Duration = Duration::from_secs(590);

/// A proxy, and the ways to and past it.
pub(crate) struct Stage {
    pub(crate) proxy: Proxy,
    pub(crate) way: Way,
    pub(crate) direct: Way,
    pub(crate) scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Connects,
    AtOnce,
    Streams,
    Bulk,
    SlowReaders,
    SlowWriters,
    Soak,
}

/// What came of one.
pub(crate) struct Outcome {
    done: usize,
    failures: usize,
    /// Why the first one failed.
    first: Option<String>,
    before: Held,
    after: Held,
    most: u64,
    slope: Option<f64>,
    /// Bytes held for each stream.
    each: Option<u64>,
    took: Duration,
    said: Option<String>,
}

pub(crate) const HEADINGS: &str = "| | done | failed | RSS before, most, after (MiB) | slope (MiB/h) | held per stream (KiB) | descriptors | threads | took (s) |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|";

impl Measure {
    pub(crate) const ALL: [Self; 7] =
        [Self::Connects, Self::AtOnce, Self::Streams, Self::Bulk, Self::SlowReaders, Self::SlowWriters, Self::Soak];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Connects => "connects in a row",
            Self::AtOnce => "connections at once",
            Self::Streams => "streams of events",
            Self::Bulk => "bulk down and up",
            Self::SlowReaders => "slow readers",
            Self::SlowWriters => "slow upstreams",
            Self::Soak => "soak",
        }
    }

    pub(crate) async fn take(self, stage: &Stage) -> Result<Outcome> {
        // What is made once, on first use, is there.
        Client::connect(&stage.way).await?.message().await?;
        settle(&stage.proxy, None).await?;
        let before = stage.proxy.held()?;
        let begun = Instant::now();
        let mut watch = Watch::begin();
        watch.look(&stage.proxy)?;
        let mut each = None;
        let tally = match self {
            Self::Connects => connects(stage, &mut watch).await?,
            Self::AtOnce => at_once(stage, &mut watch).await?,
            Self::Streams => streams(stage, &mut watch).await?,
            Self::Bulk => bulk(stage, &mut watch).await?,
            Self::SlowReaders | Self::SlowWriters => {
                let tally = stalled(stage, self == Self::SlowReaders, &mut watch).await?;
                each = Some(watch.most_resident().saturating_sub(before.resident) / stage.scale.stalled as u64);
                tally
            }
            Self::Soak => soak::go(stage, &mut watch).await?,
        };
        let took = begun.elapsed();
        settle(&stage.proxy, before.descriptors).await?;
        Ok(Outcome {
            done: tally.done,
            failures: tally.failures,
            first: tally.first,
            before,
            after: stage.proxy.held()?,
            most: watch.most_resident(),
            slope: (took >= WORTH_A_FIGURE).then(|| watch.slope()).flatten(),
            each,
            took,
            said: stage.proxy.complaint()?,
        })
    }
}

/// Until its descriptors are back where they were, for twice as long as a server stalls, and the recorder has written.
async fn settle(proxy: &Proxy, descriptors: Option<usize>) -> Result<()> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let due = Instant::now() + Duration::from_secs(2 * STALL as u64);
    // A server that reads nothing is waited for until it is gone, whatever its client does.
    while Instant::now() < due && proxy.held()?.descriptors > descriptors.or(Some(usize::MAX)) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// How many went well and how many did not.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) done: usize,
    pub(crate) failures: usize,
    pub(crate) first: Option<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, result: Result<()>) {
        match result {
            Ok(()) => self.done += 1,
            Err(error) => {
                self.failures += 1;
                self.first.get_or_insert(format!("{error:#}"));
            }
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.done += other.done;
        self.failures += other.failures;
        self.first = self.first.take().or(other.first);
    }

    async fn of(mut tasks: JoinSet<Result<()>>) -> Result<Self> {
        let mut tally = Self::default();
        while let Some(done) = tasks.join_next().await {
            tally.add(done?);
        }
        Ok(tally)
    }
}

async fn connects(stage: &Stage, watch: &mut Watch) -> Result<Tally> {
    let mut tally = Tally::default();
    for number in 0..stage.scale.connects {
        let once = async { Client::connect(&stage.way).await?.message().await };
        tally.add(once.await);
        if number % 100 == 0 {
            watch.look(&stage.proxy)?;
        }
    }
    Ok(tally)
}

/// All are open before any is closed.
async fn at_once(stage: &Stage, watch: &mut Watch) -> Result<Tally> {
    let open = Arc::new(Barrier::new(stage.scale.at_once + 1));
    let mut tasks = JoinSet::new();
    for _ in 0..stage.scale.at_once {
        let (way, open) = (stage.way.clone(), Arc::clone(&open));
        tasks.spawn(async move {
            let client = Client::connect(&way).await;
            open.wait().await;
            let mut client = client?;
            let answered = client.message().await;
            open.wait().await;
            answered
        });
    }
    open.wait().await;
    open.wait().await;
    watch.look(&stage.proxy)?;
    Tally::of(tasks).await
}

async fn streams(stage: &Stage, watch: &mut Watch) -> Result<Tally> {
    let time = Duration::from_secs(stage.scale.seconds);
    let events = usize::try_from(time.as_millis() / PAUSE.as_millis())?;
    let mut tasks = JoinSet::new();
    for _ in 0..stage.scale.streams {
        let way = stage.way.clone();
        tasks.spawn(async move { Client::connect(&way).await?.events(events).await });
    }
    watch.look_for(&stage.proxy, time).await?;
    Tally::of(tasks).await
}

async fn bulk(stage: &Stage, watch: &mut Watch) -> Result<Tally> {
    let size = stage.scale.bulk;
    let way = stage.way.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut client = Client::connect(&way).await?;
        client.ask("down", size, 0).await?;
        ensure!(client.answer().await? == (200, size), "not the body expected");
        client.ask("message", 1, size).await?;
        client.send(size).await?;
        ensure!(client.answer().await?.0 == 200, "not the answer expected");
        Ok(())
    });
    while !tasks.is_empty() {
        watch.look(&stage.proxy)?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if let Some(done) = tasks.try_join_next() {
            let mut tally = Tally::default();
            tally.add(done?);
            return Ok(tally);
        }
    }
    Ok(Tally::default())
}

/// Streams of which one side does not move: the client does not read, or the server does not.
async fn stalled(stage: &Stage, reader: bool, watch: &mut Watch) -> Result<Tally> {
    const ENDLESS: usize = 1 << 30;
    let patience = Duration::from_secs(3);
    let mut tasks = JoinSet::new();
    for _ in 0..stage.scale.stalled {
        let way = stage.way.clone();
        tasks.spawn(async move {
            let mut client = Client::connect(&way).await?;
            if reader {
                client.ask("down", ENDLESS, 0).await?;
                tokio::time::sleep(patience).await;
            } else {
                client.ask("stall", STALL, ENDLESS).await?;
                let sent = tokio::time::timeout(patience, client.send(ENDLESS)).await;
                ensure!(sent.is_err(), "a server that reads nothing was sent all");
            }
            Ok(())
        });
    }
    while !tasks.is_empty() {
        watch.look(&stage.proxy)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        if tasks.try_join_next().is_some_and(|done| !matches!(done, Ok(Ok(())))) {
            break;
        }
    }
    let left = Tally::of(tasks).await?;
    Ok(Tally { done: stage.scale.stalled - left.failures, ..left })
}

impl Outcome {
    pub(crate) fn row(&self, name: &str) -> String {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (before, after) = (&self.before, &self.after);
        let count = |held: &Held| held.descriptors.map_or_else(|| "–".to_owned(), |count| count.to_string());
        format!(
            "| {name} | {} | {} | {:.1}, {:.1}, {:.1} | {} | {} | {} → {} | {} → {} | {:.0} |",
            self.done,
            self.failures,
            mib(before.resident),
            mib(self.most.max(after.resident)),
            mib(after.resident),
            self.slope.map_or_else(|| "–".to_owned(), |slope| format!("{slope:.2}")),
            self.each.map_or_else(|| "–".to_owned(), |each| (each >> 10).to_string()),
            count(before),
            count(after),
            before.threads,
            after.threads,
            self.took.as_secs_f64(),
        )
    }

    /// What does not hold.
    pub(crate) fn complaints(&self, measure: Measure) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.failures > 0 {
            complaints.push(format!("{} failed: {}", self.failures, self.first.as_deref().unwrap_or_default()));
        }
        if self.after.descriptors > self.before.descriptors {
            complaints.push(format!("descriptors: {:?} → {:?}", self.before.descriptors, self.after.descriptors));
        }
        if let Some(said) = &self.said {
            complaints.push(format!("it said: {said}"));
        }
        let most = self.most.max(self.after.resident);
        let grown = most.saturating_sub(self.before.resident);
        match measure {
            Measure::Connects | Measure::AtOnce if most > MOST_RESIDENT => {
                complaints.push(format!("{} MiB resident", most >> 20));
            }
            Measure::Bulk if grown > PER_BODY => complaints.push(format!("a large body added {} MiB", grown >> 20)),
            _ => {}
        }
        if let Some(each) = self.each.filter(|each| *each > PER_STREAM) {
            complaints.push(format!("{} KiB held per stream", each >> 10));
        }
        if let Some(slope) = self.slope.filter(|slope| *slope > SLOPE && self.took > LONG_ENOUGH) {
            complaints.push(format!("grows by {slope:.2} MiB an hour"));
        }
        complaints
    }
}
