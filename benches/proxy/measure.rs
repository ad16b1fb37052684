//! What is measured, one value per party and round.

use crate::Scale;
use crate::load::{Client, Way};
use crate::message::{Ask, LARGE};
use crate::process::{Origin, Party, Running};
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const MESSAGES: usize = 3_000;
const AT_ONCE: usize = 16;
const STREAMS: usize = 100;
const OPEN: usize = 64;
const MORE: usize = 400;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Microseconds of one message on a kept connection: the median, and the 99th percentile.
    MessageP50,
    MessageP99,
    /// Messages per second on 16 connections.
    Throughput,
    /// CPU seconds of the party per 10,000 of those messages.
    Cpu,
    /// Connections per second: CONNECT, TLS, one message.
    Connections,
    /// Microseconds from the write of an event to its arrival, 100 streams at 20 events a second each.
    EventP50,
    EventP99,
    /// Events per second of one stream, written one by one without a pause.
    Burst,
    /// MiB per second of a body of 64 MiB.
    Down,
    Up,
    /// MiB resident of a process of its own with 64 connections open, each of which has carried a message.
    Resident,
    /// The same of the process that has carried everything else.
    Kept,
    /// KiB that each further open connection adds, once it has carried a message.
    Idle,
    /// Milliseconds from the start of the process to the first accepted connection.
    Ready,
}

impl Measure {
    pub(crate) const ALL: [Self; 14] = [
        Self::Ready,
        Self::Resident,
        Self::Idle,
        Self::MessageP50,
        Self::MessageP99,
        Self::Throughput,
        Self::Cpu,
        Self::Connections,
        Self::EventP50,
        Self::EventP99,
        Self::Burst,
        Self::Down,
        Self::Up,
        Self::Kept,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MessageP50 => "message of 2 KiB, p50 (µs)",
            Self::MessageP99 => "message of 2 KiB, p99 (µs)",
            Self::Throughput => "messages on 16 connections (1/s)",
            Self::Cpu => "CPU of 10,000 messages (s)",
            Self::Connections => "new connections (1/s)",
            Self::EventP50 => "event delay, 100 streams, p50 (µs)",
            Self::EventP99 => "event delay, 100 streams, p99 (µs)",
            Self::Burst => "events in a row (1/s)",
            Self::Down => "64 MiB down (MiB/s)",
            Self::Up => "64 MiB up (MiB/s)",
            Self::Resident => "RSS, 64 connections (MiB)",
            Self::Kept => "RSS, 64 connections, after all that (MiB)",
            Self::Idle => "RSS of each idle connection (KiB)",
            Self::Ready => "ready to accept (ms)",
        }
    }

    /// The value for one party; none where it makes no sense.
    pub(crate) fn take(self, runtime: &Runtime, party: &Party, origin: &Origin, scale: Scale) -> Result<Option<f64>> {
        let way = &party.way;
        let messages = MESSAGES / scale.divisor;
        let value = match self {
            Self::MessageP50 => quantile(runtime.block_on(messages_one_by_one(way, messages))?, 50),
            Self::MessageP99 => quantile(runtime.block_on(messages_one_by_one(way, messages))?, 99),
            Self::Throughput => {
                // Long enough for the recorder to be a part of it, and not to have its work before it.
                let many = 20 * messages;
                many as f64 / runtime.block_on(messages_at_once(way, many))?.as_secs_f64()
            }
            Self::Cpu => return cpu(runtime, party, 2 * messages),
            Self::Connections => {
                (messages / 6) as f64 / runtime.block_on(connections(way, messages / 6))?.as_secs_f64()
            }
            Self::EventP50 => quantile(runtime.block_on(events(way, 60 / scale.divisor))?, 50),
            Self::EventP99 => quantile(runtime.block_on(events(way, 60 / scale.divisor))?, 99),
            Self::Burst => burst(runtime, way, 200_000 / scale.divisor)?,
            Self::Down => mebibytes_per_second(runtime.block_on(async { Client::connect(way).await?.down().await })?),
            Self::Up => mebibytes_per_second(runtime.block_on(async { Client::connect(way).await?.up().await })?),
            Self::Resident => {
                let Some(another) = party.another(origin)? else { return Ok(None) };
                resident(runtime, another.process(), &another.way()?)?
            }
            Self::Kept => {
                let Some(process) = &party.process else { return Ok(None) };
                resident(runtime, process, way)?
            }
            Self::Idle => return idle(runtime, party, origin, scale),
            Self::Ready => return Ok(party.another(origin)?.map(|another| another.after().as_secs_f64() * 1e3)),
        };
        Ok(Some(value))
    }
}

async fn messages_one_by_one(way: &Way, count: usize) -> Result<Vec<u64>> {
    let mut client = Client::connect(way).await?;
    for _ in 0..count / 10 {
        client.message().await?;
    }
    let mut taken = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        client.message().await?;
        taken.push(u64::try_from(begun.elapsed().as_nanos())?);
    }
    Ok(taken)
}

async fn messages_at_once(way: &Way, count: usize) -> Result<Duration> {
    let mut clients = Vec::with_capacity(AT_ONCE);
    for _ in 0..AT_ONCE {
        let mut client = Client::connect(way).await?;
        client.message().await?;
        clients.push(client);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            for _ in 0..count / AT_ONCE {
                client.message().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}

/// What the recorder does at most 100 ms later is waited for and counted.
fn cpu(runtime: &Runtime, party: &Party, count: usize) -> Result<Option<f64>> {
    let Some(process) = &party.process else { return Ok(None) };
    let before = process.cpu()?;
    runtime.block_on(messages_at_once(&party.way, count))?;
    std::thread::sleep(Duration::from_millis(300));
    Ok(Some((process.cpu()? - before).as_secs_f64() * 10_000.0 / count as f64))
}

async fn connections(way: &Way, count: usize) -> Result<Duration> {
    const CLIENTS: usize = 8;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..CLIENTS {
        let way = way.clone();
        tasks.spawn(async move {
            for _ in 0..count.div_ceil(CLIENTS) {
                Client::connect(&way).await?.message().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(begun.elapsed())
}

async fn events(way: &Way, count: usize) -> Result<Vec<u64>> {
    let mut clients = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        clients.push(Client::connect(way).await?);
    }
    let mut tasks = JoinSet::new();
    for mut client in clients {
        // Spread over the pause between two events, as independent streams are.
        tokio::time::sleep(Duration::from_micros(crate::message::EVENT_PAUSE * 1_000 / STREAMS as u64)).await;
        tasks.spawn(async move { client.events(Ask::Stream(count)).await });
    }
    let mut delays = Vec::with_capacity(STREAMS * count);
    while let Some(done) = tasks.join_next().await {
        delays.extend(done??);
    }
    Ok(delays)
}

fn burst(runtime: &Runtime, way: &Way, count: usize) -> Result<f64> {
    runtime.block_on(async {
        let mut client = Client::connect(way).await?;
        client.message().await?;
        let begun = Instant::now();
        client.events(Ask::Burst(count)).await?;
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    })
}

/// A process of its own, since what others have left behind would be used again.
fn idle(runtime: &Runtime, party: &Party, origin: &Origin, scale: Scale) -> Result<Option<f64>> {
    let Some(another) = party.another(origin)? else { return Ok(None) };
    let (process, way) = (another.process(), another.way()?);
    runtime.block_on(async {
        let mut clients = Vec::new();
        let mut before = 0;
        for open in 0..OPEN + MORE / scale.divisor {
            if open == OPEN {
                before = process.resident()?;
            }
            let mut client = Client::connect(&way).await?;
            client.message().await?;
            clients.push(client);
        }
        let more = clients.len().saturating_sub(OPEN);
        Ok(Some(process.resident()?.saturating_sub(before) as f64 / more as f64 / 1024.0))
    })
}

fn resident(runtime: &Runtime, process: &Running, way: &Way) -> Result<f64> {
    runtime.block_on(async {
        let mut clients = Vec::with_capacity(OPEN);
        for _ in 0..OPEN {
            let mut client = Client::connect(way).await?;
            client.message().await?;
            clients.push(client);
        }
        Ok(process.resident()? as f64 / f64::from(1 << 20))
    })
}

/// In microseconds.
fn quantile(mut nanoseconds: Vec<u64>, percent: usize) -> f64 {
    nanoseconds.sort_unstable();
    let at = (nanoseconds.len() * percent / 100).min(nanoseconds.len().saturating_sub(1));
    nanoseconds.get(at).copied().unwrap_or_default() as f64 / 1e3
}

fn mebibytes_per_second(taken: Duration) -> f64 {
    (LARGE >> 20) as f64 / taken.as_secs_f64()
}
