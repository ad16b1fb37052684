//! Mixed traffic: messages, refusals and renewals, streams read to their end and left, answers that break, tunnels, HTTP/2.

use crate::client::{Client, Way, intercepted};
use crate::measure::{Stage, Tally};
use crate::process::Proxy;
use crate::watch::Watch;
use anyhow::{Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinSet;

/// The time between two things that a client does.
const PAUSE: Duration = Duration::from_millis(40);

pub(crate) async fn go(stage: &Stage, watch: &mut Watch) -> Result<Tally> {
    let time = Duration::from_secs(stage.scale.seconds);
    let due = Instant::now() + time;
    let ways = Arc::new((stage.way.clone(), stage.direct.clone()));
    let mut clients = JoinSet::new();
    for seed in 0..stage.scale.clients as u64 {
        let ways = Arc::clone(&ways);
        clients.spawn(async move {
            let mut tally = Tally::default();
            let mut turn = seed;
            while Instant::now() < due {
                tally.add(something(turn, &ways.0, &ways.1).await);
                turn += 1;
                tokio::time::sleep(PAUSE).await;
            }
            tally
        });
    }
    watch.look_for(&stage.proxy, time).await?;
    let mut tally = Tally::default();
    while let Some(done) = clients.join_next().await {
        tally.join(done?);
    }
    Ok(tally)
}

async fn something(turn: u64, way: &Way, direct: &Way) -> Result<()> {
    match turn % 8 {
        0 => session(way).await,
        1 => renewal(way).await,
        2 => Client::connect(way).await?.events(5).await,
        3 => leave_a_stream(way).await,
        4 => break_off(way).await,
        5 => Client::unread(way, direct).await?.message().await,
        6 => many_streams(way).await,
        // A preconnect that nobody uses.
        _ => Client::connect(way).await.map(drop),
    }
}

async fn session(way: &Way) -> Result<()> {
    let mut client = Client::connect(way).await?;
    for _ in 0..10 {
        client.message().await?;
    }
    Ok(())
}

/// Refused, renewed, accepted.
async fn renewal(way: &Way) -> Result<()> {
    let mut client = Client::connect(way).await?;
    client.ask("refused", 1, 0).await?;
    ensure!(client.answer().await?.0 == 401, "not refused");
    client.ask("token", 1, 0).await?;
    ensure!(client.answer().await?.0 == 200, "not renewed");
    client.message().await
}

async fn leave_a_stream(way: &Way) -> Result<()> {
    let mut client = Client::connect(way).await?;
    client.ask("stream", 1_000, 0).await?;
    let mut some = vec![0; 4_096];
    ensure!(client.stream.read(&mut some).await? > 0, "no stream");
    Ok(())
}

/// What the server breaks off is broken off for the client.
async fn break_off(way: &Way) -> Result<()> {
    let mut client = Client::connect(way).await?;
    client.ask("break", 1, 0).await?;
    ensure!(client.answer().await.is_err(), "a broken answer looks whole");
    Ok(())
}

async fn many_streams(way: &Way) -> Result<()> {
    let stream = intercepted(way, &way.http2).await?;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    for _ in 0..10 {
        let request = http::Request::post(format!("https://{}/v1/messages", Proxy::TARGET))
            .header("authorization", "Bearer sk-ant-oat01-FAKE0life0token")
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        ensure!(answer.status() == 200, "not the answer expected");
        answer.into_body().collect().await?;
    }
    drop(sender);
    driver.await??;
    Ok(())
}
