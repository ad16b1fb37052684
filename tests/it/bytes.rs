//! The bytes of HTTP/1.x messages pass as they are: what either side sends is compared with what the other receives,
//! for several hundred generated exchanges, in every way of going through the proxy.

use crate::support::{Ending, HOST, Origin, Pki, Seed, Setup, TestProxy, Wire};
use authtrace::trace::{EndKind, Exchange, HeadChange, HeadPassage, Outcome, Passage};
use base64::Engine as _;

/// One thing that happens on a connection, seen from in front of and from behind the proxy.
enum Step {
    /// What the client sends, and what the origin is to receive of it.
    Up { sent: Vec<u8>, passed: Vec<u8> },
    /// What the origin sends; the client is to receive the same.
    Down(Vec<u8>),
}

/// What the record of an exchange has to say.
#[derive(Debug, PartialEq, Eq)]
struct Expected {
    status: u16,
    interim: Vec<u16>,
    asked: u64,
    answered: u64,
    request_trailers: usize,
    response_trailers: usize,
}

struct Conversation {
    steps: Vec<Step>,
    expected: Vec<Expected>,
    /// Whether the last answer ends with the connection.
    origin_closes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Tls,
    PlainTunnel,
    Absolute,
}

#[tokio::test]
async fn intercepted_messages_pass_byte_for_byte() {
    compare(Way::Tls, 0x7115, 60).await;
}

#[tokio::test]
async fn messages_in_a_plain_tunnel_pass_byte_for_byte() {
    compare(Way::PlainTunnel, 0x9141, 60).await;
}

#[tokio::test]
async fn messages_in_absolute_form_pass_but_for_the_request_line_and_proxy_fields() {
    compare(Way::Absolute, 0xab50, 60).await;
}

async fn compare(way: Way, seed: u64, conversations: usize) {
    let pki = Pki::new();
    let origin = match way {
        Way::Tls => Origin::tls(pki.server(HOST, &["http/1.1"])).await,
        Way::PlainTunnel | Way::Absolute => Origin::plain().await,
    };
    let proxy = Setup::to(&origin).start(&pki);
    let mut seed = Seed::new(seed);
    let mut exchanges = 0;
    for number in 0..conversations {
        let conversation = Conversation::generate(&mut seed, way);
        let expected = conversation.expected.len();
        let context = format!("{way:?}, conversation {number}");
        hold(&proxy, &origin, way, conversation, &mut seed, exchanges, &context).await;
        exchanges += expected;
        let connections = proxy.records.await_connections(number + 1).await;
        let connection = connections.last().unwrap();
        assert_eq!(connection.requests, expected as u64, "{context}");
        assert_eq!(connection.end.outcome, Outcome::Ok, "{context}: {connection:#?}");
    }
    proxy.until_idle().await;
    assert_eq!(proxy.records.exchanges().len(), exchanges, "one record for every exchange");
}

async fn hold(
    proxy: &TestProxy,
    origin: &Origin,
    way: Way,
    conversation: Conversation,
    seed: &mut Seed,
    before: usize,
    context: &str,
) {
    let Conversation { steps, expected, origin_closes } = conversation;
    let cuts: Vec<Vec<Vec<u8>>> = steps
        .iter()
        .map(|step| match step {
            Step::Up { sent, .. } => seed.pieces(sent),
            Step::Down(bytes) => seed.pieces(bytes),
        })
        .collect();
    let client_side = async {
        let mut client = match way {
            Way::Tls => proxy.try_tls(HOST, proxy.client(&["http/1.1"])).await.unwrap(),
            Way::PlainTunnel => Wire::Plain(proxy.tunnel(&format!("{HOST}:80")).await),
            Way::Absolute => proxy.dial().await,
        };
        for (step, cuts) in steps.iter().zip(&cuts) {
            println!("client {}", describe(step));
            match step {
                Step::Up { .. } => client.send_pieces(cuts).await,
                Step::Down(bytes) => same(&client.receive(bytes.len()).await, bytes, context),
            }
        }
        client
    };
    let origin_side = async {
        let mut upstream = origin.accept().await;
        for (step, cuts) in steps.iter().zip(&cuts) {
            println!("origin {}", describe(step));
            match step {
                Step::Up { passed, .. } => same(&upstream.receive(passed.len()).await, passed, context),
                Step::Down(_) => upstream.send_pieces(cuts).await,
            }
        }
        upstream
    };
    println!("{context}");
    let (mut client, mut upstream) = tokio::join!(client_side, origin_side);
    if !origin_closes {
        // The record of an exchange is there when its last byte has passed, not only when the connection ends.
        proxy.records.await_exchanges(before + expected.len()).await;
        client.close().await;
        upstream.expect_end(Ending::Clean).await;
    }
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
    client.close().await;
    let records = proxy.records.await_exchanges(before + expected.len()).await;
    let told: Vec<Expected> = records[before..].iter().map(as_told).collect();
    records[before..].iter().for_each(|exchange| passed(exchange, way));
    assert_eq!(told, expected, "{context}");
}

/// The beginning of a step, for the output of a test that failed.
fn describe(step: &Step) -> String {
    let (way, bytes) = match step {
        Step::Up { passed, .. } => ("up", passed),
        Step::Down(bytes) => ("down", bytes),
    };
    format!("{way} {} bytes: {}", bytes.len(), bytes[..bytes.len().min(400)].escape_ascii())
}

fn same(received: &[u8], sent: &[u8], context: &str) {
    if received == sent {
        return;
    }
    let at = received.iter().zip(sent).position(|(received, sent)| received != sent).unwrap();
    let around = |bytes: &[u8]| bytes[at.saturating_sub(60)..bytes.len().min(at + 60)].escape_ascii().to_string();
    panic!("{context}: differs at byte {at}:\nsent     {}\nreceived {}", around(sent), around(received));
}

fn as_told(exchange: &Exchange) -> Expected {
    assert_eq!(exchange.end.outcome, EndKind::Complete, "{exchange:#?}");
    let response = exchange.response.as_ref().unwrap();
    Expected {
        status: response.status,
        interim: response.interim.clone(),
        asked: exchange.request.body_bytes,
        answered: response.body_bytes,
        request_trailers: exchange.request.trailers.len(),
        response_trailers: response.trailers.len(),
    }
}

/// The record itself says that nothing was altered, and what was on purpose.
fn passed(exchange: &Exchange, way: Way) {
    let Some(Passage { request, response: Some(response) }) = &exchange.passage else { panic!("{exchange:#?}") };
    for message in [request, response] {
        assert!(message.whole && !message.is_altered(), "{exchange:#?}");
        assert_eq!(message.read, message.written);
        assert_eq!(message.read.digest.is_some(), message.read.bytes > 0);
    }
    assert_eq!(response.head, HeadPassage::Verbatim);
    let changes: &[HeadChange] = &[HeadChange::AbsoluteForm, HeadChange::ProxyFields];
    let expected =
        if way == Way::Absolute { (HeadPassage::Rewritten, changes) } else { (HeadPassage::Verbatim, &[][..]) };
    assert_eq!((request.head, request.head_changes.as_slice()), expected);
    assert!(request.read.bytes >= exchange.request.body_bytes, "framing is on top of the payload");
}

impl Conversation {
    fn generate(seed: &mut Seed, way: Way) -> Self {
        let count = 1 + seed.below(6);
        let pipelined = seed.one_in(4);
        let origin_closes = seed.one_in(3);
        let mut parts: Vec<(Vec<Step>, Expected)> = Vec::new();
        for index in 0..count {
            let last = index + 1 == count;
            parts.push(exchange(seed, way, pipelined, last && origin_closes));
        }
        let (mut steps, mut expected) = (Vec::new(), Vec::new());
        for (part, told) in parts {
            steps.extend(part);
            expected.push(told);
        }
        if pipelined {
            steps.sort_by_key(|step| matches!(step, Step::Down(_)));
        }
        Self { steps, expected, origin_closes }
    }
}

/// Start lines and fields that are unusual and allowed; which of them a library would rebuild differs from library to
/// library.
const FIELDS: &[&[u8]] = &[
    b"X-Repeated: one\r\n",
    b"x-repeated:two\r\n",
    b"X-REPEATED:\t three \t\r\n",
    b"x-EmPtY:\r\n",
    b"X-Blank: \t \r\n",
    b"X-Obsolete: caf\xe9 \xff\x80\r\n",
    b"x_under.score!: ~value~\r\n",
    b"Cookie: a=FAKE; b=2\r\n",
    b"cookie: c=FAKE\r\n",
    b"Accept:text/html;q=0.9,, */*\r\n",
    b"Via: 1.0 fred, 1.1 p.example\r\n",
    b"X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    b"X-Api-Key: sk-ant-api03-FAKE-FAKE\r\n",
    b"Authorization: Bearer sk-ant-oat01-FAKE-FAKE\r\n",
    b"Content-Type: application/json\r\n",
    b"content-TYPE:text/plain\r\n",
];

fn fields(seed: &mut Seed) -> Vec<u8> {
    let count = seed.below(8);
    (0..count).flat_map(|_| seed.pick(FIELDS).to_vec()).collect()
}

/// How a body is framed.
enum Framed {
    None,
    Length(Vec<u8>),
    Chunked { bytes: Vec<u8>, payload: u64, trailers: usize, declared: bool },
}

impl Framed {
    fn generate(seed: &mut Seed, chunked: bool) -> Self {
        match seed.below(if chunked { 4 } else { 2 }) {
            0 => Self::None,
            1 => {
                let length = seed.pick(&[1, 2, 100, 5_000, 70_000]);
                Self::Length(seed.bytes(length))
            }
            _ => chunks(seed),
        }
    }

    fn fields(&self, seed: &mut Seed) -> Vec<u8> {
        match self {
            Self::None if seed.one_in(3) => b"Content-Length: 0\r\n".to_vec(),
            Self::None => Vec::new(),
            Self::Length(body) if seed.one_in(2) => format!("content-length:{}\r\n", body.len()).into_bytes(),
            Self::Length(body) => format!("Content-Length: {}\r\n", body.len()).into_bytes(),
            Self::Chunked { declared, .. } => {
                let trailer: &[u8] = if *declared { b"Trailer: X-Checksum\r\n" } else { b"" };
                [seed.pick(&[b"Transfer-Encoding: chunked\r\n".as_slice(), b"transfer-encoding:CHUNKED \r\n"]), trailer]
                    .concat()
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::None => &[],
            Self::Length(bytes) | Self::Chunked { bytes, .. } => bytes,
        }
    }

    /// A place inside payload; a line of the chunked coding passes whole.
    fn split(&self, seed: &mut Seed) -> Option<usize> {
        match self {
            Self::Length(bytes) if bytes.len() > 1 => Some(1 + seed.below(bytes.len() - 1)),
            Self::Chunked { bytes, payload, .. } if *payload > 0 => {
                Some(bytes.iter().position(|byte| *byte == b'\n').unwrap() + 2)
            }
            _ => None,
        }
    }

    fn payload(&self) -> u64 {
        match self {
            Self::Chunked { payload, .. } => *payload,
            other => other.bytes().len() as u64,
        }
    }

    fn trailers(&self) -> usize {
        match self {
            Self::Chunked { trailers, .. } => *trailers,
            _ => 0,
        }
    }
}

fn chunks(seed: &mut Seed) -> Framed {
    let mut bytes = Vec::new();
    let mut payload = 0;
    let count = seed.pick(&[0, 1, 3, 40]);
    for _ in 0..count {
        let length = 1 + seed.below(seed_size(count));
        let size = match seed.below(4) {
            0 => format!("{length:X}"),
            1 => format!("000{length:x}"),
            2 => format!("{length:x};name=value;other=\"quo ted\""),
            _ => format!("{length:x}"),
        };
        bytes.extend_from_slice(size.as_bytes());
        bytes.extend_from_slice(b"\r\n");
        bytes.extend(seed.bytes(length));
        bytes.extend_from_slice(b"\r\n");
        payload += length as u64;
    }
    bytes.extend_from_slice(seed.pick(&[b"0\r\n".as_slice(), b"000\r\n", b"0;last\r\n"]));
    let trailers = seed.pick(&[0, 0, 1, 2]);
    for index in 0..trailers {
        bytes.extend_from_slice(seed.pick(&[b"X-Checksum: abc".as_slice(), b"x-other:", b"X-Secret:\tFAKE \xff"]));
        bytes.extend_from_slice(format!("{index}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    Framed::Chunked { bytes, payload, trailers, declared: seed.one_in(2) }
}

fn seed_size(count: usize) -> usize {
    if count > 3 { 30 } else { 30_000 }
}

fn exchange(seed: &mut Seed, way: Way, pipelined: bool, closes: bool) -> (Vec<Step>, Expected) {
    let old = seed.one_in(6);
    let method = if closes { "GET" } else { seed.pick(&["GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "M-SEARCH"]) };
    let asked = Framed::generate(seed, !old);
    let expects = !pipelined && !old && asked.payload() > 0 && seed.one_in(3);
    let (sent, passed) = request_head(seed, way, method, old, expects, &asked);
    let whole = |head: &[u8]| [head, asked.bytes()].concat();
    let (answer, expected) = response(seed, method, old, closes, &asked);
    let (interim_bytes, interim) = interim(seed, old);
    let mut expected = Expected { interim, ..expected };
    let answer = [interim_bytes.as_slice(), &answer].concat();
    let steps = if expects {
        // The client waits for the 100, or for an answer that refuses.
        expected.interim.insert(0, 100);
        let go_on = b"HTTP/1.1 100 Continue\r\nX-Go:on\r\n\r\n".to_vec();
        let body = asked.bytes().to_vec();
        vec![
            Step::Up { sent, passed },
            Step::Down(go_on),
            Step::Up { sent: body.clone(), passed: body },
            Step::Down(answer),
        ]
    } else if let Some(split) = asked.split(seed)
        && !pipelined
        && !closes
        && seed.one_in(3)
    {
        // Answered before the request is complete.
        let (first, rest) = asked.bytes().split_at(split);
        vec![
            Step::Up { sent: [&sent, first].concat(), passed: [&passed, first].concat() },
            Step::Down(answer),
            Step::Up { sent: rest.to_vec(), passed: rest.to_vec() },
        ]
    } else {
        vec![Step::Up { sent: whole(&sent), passed: whole(&passed) }, Step::Down(answer)]
    };
    (steps, expected)
}

fn request_head(
    seed: &mut Seed,
    way: Way,
    method: &str,
    old: bool,
    expects: bool,
    asked: &Framed,
) -> (Vec<u8>, Vec<u8>) {
    let path = seed.pick(&["/", "/v1/messages?beta=true", "/a%20b?x=%ff&y=", "/~user/;p=1//double?q?r", "/?"]);
    let version = if old { "HTTP/1.0" } else { "HTTP/1.1" };
    let before: &[u8] = if seed.one_in(8) { b"\r\n" } else { b"" };
    let host = seed.pick(&["Host: api.example.test\r\n", "host:api.example.test \r\n", "hOST:\tapi.example.test\r\n"]);
    let keep: &[u8] = if old { b"Connection: Keep-Alive\r\n" } else { b"" };
    let expect: &[u8] = if expects { b"Expect: 100-continue\r\n" } else { b"" };
    let (first, framing, second) = (fields(seed), asked.fields(seed), fields(seed));
    let line = |target: &str| [before, format!("{method} {target} {version}\r\n").as_bytes()].concat();
    let passed = [&line(path), host.as_bytes(), &first, keep, &framing, expect, &second, b"\r\n"].concat();
    if way != Way::Absolute {
        return (passed.clone(), passed);
    }
    let (user, password) = crate::support::PASSWORD;
    let password = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    let password = format!("proxy-Authorization:  Basic {password}\r\n");
    let proxy: &[u8] = seed.pick(&[b"Proxy-Connection: keep-alive\r\n".as_slice(), b"PROXY-CONNECTION:close\r\n", b""]);
    let target = format!("{}{path}", seed.pick(&["http://api.example.test", "HTTP://API.example.test:80"]));
    let sent =
        [&line(&target), host.as_bytes(), &first, proxy, keep, &framing, password.as_bytes(), expect, &second, b"\r\n"];
    (sent.concat(), passed)
}

fn interim(seed: &mut Seed, old: bool) -> (Vec<u8>, Vec<u16>) {
    if old || !seed.one_in(4) {
        return (Vec::new(), Vec::new());
    }
    let early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nlink:</b.css>\r\n\r\n".as_slice();
    let processing = b"HTTP/1.1 102 \r\n\r\n".as_slice();
    if seed.one_in(2) {
        (early.to_vec(), vec![103])
    } else {
        ([processing, early, early].concat(), vec![102, 103, 103])
    }
}

fn response(seed: &mut Seed, method: &str, old: bool, closes: bool, asked: &Framed) -> (Vec<u8>, Expected) {
    let status: u16 = if closes { 200 } else { seed.pick(&[200, 200, 200, 201, 204, 304, 401, 417, 500, 299, 599]) };
    let version = if old { "HTTP/1.0" } else { "HTTP/1.1" };
    let line = match seed.below(4) {
        0 => format!("{version} {status}\r\n").into_bytes(),
        1 => format!("{version} {status} \r\n").into_bytes(),
        2 => [format!("{version} {status} Na sch\u{f6}n ").as_bytes(), b"\xff\r\n"].concat(),
        _ => format!("{version} {status} OK\r\n").into_bytes(),
    };
    let bodiless = method == "HEAD" || matches!(status, 204 | 304);
    let answered = Framed::generate(seed, !old);
    let (first, second) = (fields(seed), fields(seed));
    let keep: &[u8] = if old && !closes { b"Connection: keep-alive\r\n" } else { b"" };
    let (framing, body, payload, trailers) = if closes {
        let length = seed.pick(&[0, 10, 100_000]);
        (Vec::new(), seed.bytes(length), length as u64, 0)
    } else {
        let framing = match (&answered, bodiless) {
            // Without a length an answer with a body would go on until the connection ends.
            (Framed::None, false) => b"Content-Length: 0\r\n".to_vec(),
            _ => answered.fields(seed),
        };
        let body = if bodiless { Vec::new() } else { answered.bytes().to_vec() };
        let told = if bodiless { (0, 0) } else { (answered.payload(), answered.trailers()) };
        (framing, body, told.0, told.1)
    };
    let bytes = [&line, &first, &framing, keep, &second, b"\r\n".as_slice(), &body].concat();
    let expected = Expected {
        status,
        interim: Vec::new(),
        asked: asked.payload(),
        answered: payload,
        request_trailers: asked.trailers(),
        response_trailers: trailers,
    };
    (bytes, expected)
}
