//! The guard on HTTP/1.1: what it stops, what it lets by, and whoever is asked.

use super::{OK, REFUSED, guarded, is_ours, parts, start, with_key};
use crate::support::{Collector, Ending, Wire, soon};
use authtrace::policy::Reason;
use authtrace::proxy::{Choice, OnGuard};
use authtrace::trace::{EndKind, NoteKind, Record};
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;

async fn pass(client: &mut Wire, upstream: &mut Wire, request: &str, answer: &str) {
    client.send(request).await;
    upstream.expect(request).await;
    upstream.send(answer).await;
    client.expect(answer).await;
}

async fn receive_own(client: &mut Wire) -> (String, String) {
    let (head, _) = parts(&client.receive_until(b"\r\n\r\n").await);
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    (head, String::from_utf8(client.receive(length).await).unwrap())
}

fn notes(records: &Collector) -> Vec<String> {
    let of_policy = |record| match record {
        Record::Note(note) if note.kind == NoteKind::Policy => Some(note.text.to_string()),
        _ => None,
    };
    records.records().into_iter().filter_map(of_policy).collect()
}

#[tokio::test]
async fn after_so_many_refusals_in_a_row_the_server_is_not_asked_any_more() {
    let (_pki, origin, proxy) = start(guarded(2, OnGuard::Answer), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;
    pass(&mut client, &mut upstream, &one, OK).await;
    for _ in 0..2 {
        pass(&mut client, &mut upstream, &one, REFUSED).await;
    }
    for _ in 0..2 {
        client.send(&one).await;
        let (head, body) = receive_own(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{head}");
        assert!(head.contains("x-should-retry: false") && head.contains("X-Authtrace: guard_refusals"), "{head}");
        assert!(body.contains("authtrace stopped this request: 2 refusals in a row of one credential"), "{body}");
    }
    // Another credential is not meant.
    pass(&mut client, &mut upstream, &with_key("/v1/messages", "two"), OK).await;
    let exchanges = proxy.records.await_exchanges(7).await;
    let ours: Vec<bool> = exchanges.iter().map(is_ours).collect();
    assert_eq!(ours, [false, false, false, false, true, true, false]);
    let noted = notes(&proxy.records);
    let expected = "2 refusals in a row of one credential: from exchange 5 on authtrace answers in the server's place";
    assert_eq!(noted, [expected]);
}

/// Requests that overlap: the third waits for the outcome of the second, and is stopped by it.
#[tokio::test]
async fn requests_on_their_way_count_before_further_ones_go() {
    let (_pki, origin, proxy) = start(guarded(2, OnGuard::Answer), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let (mut other, mut other_upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;
    client.send(&one).await;
    upstream.expect(&one).await;
    other.send(&one).await;
    // It is read, but not sent.
    let begun = |records: &[Record]| {
        let begun = records.iter().filter(|record| matches!(record, Record::Request(_))).count();
        (begun == 3).then_some(())
    };
    proxy.records.await_record("the third request", begun).await;
    upstream.send(REFUSED).await;
    client.expect(REFUSED).await;
    let (head, _) = receive_own(&mut other).await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    other.close().await;
    assert_eq!(other_upstream.receive_end().await.0, b"");
}

#[tokio::test]
async fn healthy_traffic_is_never_touched() {
    let (_pki, origin, proxy) = start(guarded(2, OnGuard::Answer), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    // A 401, a renewed token, a success; then a long run with a refusal now and then.
    pass(&mut client, &mut upstream, &with_key("/v1/messages", "old"), REFUSED).await;
    pass(&mut client, &mut upstream, &with_key("/v1/oauth/token", "none"), OK).await;
    let new = with_key("/v1/messages", "new");
    for _ in 0..40 {
        pass(&mut client, &mut upstream, &new, OK).await;
        pass(&mut client, &mut upstream, &new, REFUSED).await;
        pass(&mut client, &mut upstream, &with_key("/api/event_logging/batch", "new"), REFUSED).await;
        pass(&mut client, &mut upstream, &with_key("/api/claude_code/settings", "new"), OK).await;
    }
    let exchanges = proxy.records.await_exchanges(162).await;
    assert!(!exchanges.iter().any(is_ours));
    assert!(exchanges.iter().all(|one| one.passage.as_ref().is_some_and(|passage| !passage.request.is_altered())));
    assert_eq!(notes(&proxy.records), Vec::<String>::new());
}

#[tokio::test]
async fn a_held_request_goes_on_is_refused_or_dropped_as_somebody_decides() {
    let (desk, mut questions) = unbounded_channel();
    let (_pki, origin, proxy) = start(guarded(1, OnGuard::Hold(desk)), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;

    client.send(&one).await;
    let held = soon("the question", questions.recv()).await.unwrap();
    assert_eq!((held.exchange, held.reason, held.method.as_str()), (2, Reason::Refusals(1), "GET"));
    assert_eq!(held.path.as_str(), "/v1/messages");
    assert!(held.credential.as_ref().is_some_and(|credential| !credential.to_string().contains("FAKE")));
    held.reply.send(Choice::Continue).unwrap();
    upstream.expect(&one).await;
    upstream.send(REFUSED).await;
    client.expect(REFUSED).await;

    client.send(&one).await;
    soon("the question", questions.recv()).await.unwrap().reply.send(Choice::Refuse).unwrap();
    let (head, body) = receive_own(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized") && head.contains("X-Authtrace: guard_asked"), "{head}");
    assert!(body.contains("authentication_error"));

    client.send(&one).await;
    soon("the question", questions.recv()).await.unwrap().reply.send(Choice::Drop).unwrap();
    client.expect_end(Ending::Reset).await;
    let exchanges = proxy.records.await_exchanges(4).await;
    let ends: Vec<_> = exchanges.iter().map(|one| (one.status(), one.end.outcome, is_ours(one))).collect();
    let whole = EndKind::Complete;
    assert_eq!(
        ends,
        [(Some(401), whole, false), (Some(401), whole, false), (Some(401), whole, true), (None, EndKind::Cut, true)]
    );
}

/// What TLS says meanwhile wakes authtrace, and so does the client; whichever comes last, the server is read afterwards.
#[tokio::test]
async fn the_answer_to_a_held_request_arrives_though_the_server_renewed_its_keys_meanwhile() {
    for length in 0..4 {
        let (desk, mut questions) = unbounded_channel();
        let (_pki, origin, proxy) = start(guarded(1, OnGuard::Hold(desk)), "http/1.1").await;
        let (mut client, mut upstream) = proxy.intercepted(&origin).await;
        let (mut other, mut other_upstream) = proxy.intercepted(&origin).await;
        let (one, two) = (with_key("/v1/messages", "one"), with_key("/v1/messages", "two"));
        pass(&mut client, &mut upstream, &one, REFUSED).await;
        let head = one.replace("\r\n\r\n", &format!("\r\nContent-Length: {length}\r\n\r\n"));
        client.send(&head).await;
        let held = soon("the question", questions.recv()).await.unwrap();
        upstream.renew_keys().await;
        // When this has passed, authtrace has been woken.
        pass(&mut other, &mut other_upstream, &two, OK).await;
        for _ in 0..length {
            client.send("x").await;
            pass(&mut other, &mut other_upstream, &two, OK).await;
        }
        held.reply.send(Choice::Continue).unwrap();
        upstream.expect(head + &"x".repeat(length)).await;
        upstream.send(OK).await;
        client.expect(OK).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_not_asked_about_any_more() {
    let (desk, mut questions) = unbounded_channel();
    let (_pki, origin, proxy) = start(guarded(1, OnGuard::Hold(desk)), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;
    // As large as what Claude Code sends, and more.
    let body = "x".repeat(300_000);
    client.send(one.replace("GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 300000\r\n\r\n") + &body).await;
    let mut held = soon("the question", questions.recv()).await.unwrap();
    client.close().await;
    soon("the end of the waiting", held.reply.closed()).await;
    let exchanges = proxy.records.await_exchanges(2).await;
    assert_eq!(exchanges[1].end.outcome, EndKind::ClientAbort);
    assert!(is_ours(&exchanges[1]));
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_request_is_answered() {
    let (desk, questions) = unbounded_channel();
    drop(questions);
    let (_pki, origin, proxy) = start(guarded(1, OnGuard::Hold(desk)), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;
    client.send(&one).await;
    assert!(receive_own(&mut client).await.0.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn whoever_ends_the_run_is_told() {
    let (bell, mut rung) = unbounded_channel();
    let (_pki, origin, proxy) = start(guarded(1, OnGuard::Stop(bell)), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;
    client.send(&one).await;
    assert_eq!(soon("the bell", rung.recv()).await, Some(Reason::Refusals(1)));
    receive_own(&mut client).await;
}

/// A token may be good for messages and for nothing beside.
#[tokio::test]
async fn refusals_beside_the_messages_end_no_run() {
    let (bell, mut rung) = unbounded_channel();
    let (_pki, origin, proxy) = start(guarded(1, OnGuard::Stop(bell)), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let profile = with_key("/api/oauth/profile", "one");
    pass(&mut client, &mut upstream, &profile, REFUSED).await;
    client.send(&profile).await;
    assert!(receive_own(&mut client).await.0.starts_with("HTTP/1.1 403"));
    assert!(rung.try_recv().is_err());
    pass(&mut client, &mut upstream, &with_key("/v1/messages", "one"), OK).await;
}

/// A stream that is still running when the next request comes does not hold it up.
#[tokio::test]
async fn nobody_waits_for_a_stream() {
    let (_pki, origin, proxy) = start(guarded(2, OnGuard::Answer), "http/1.1").await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    let (mut other, mut other_upstream) = proxy.intercepted(&origin).await;
    let one = with_key("/v1/messages", "one");
    pass(&mut client, &mut upstream, &one, REFUSED).await;
    client.send(&one).await;
    upstream.expect(&one).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    upstream.send(head).await;
    client.expect(head).await;
    let begun = std::time::Instant::now();
    pass(&mut other, &mut other_upstream, &one, OK).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
