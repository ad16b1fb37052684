//! What holds for any message: the split into reads does not matter, nothing panics, and what is accepted reads the same elsewhere.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::wire::*;

/// A message's head, raw body, payload and trailer section.
#[derive(Debug, Clone)]
struct Message {
    head: Vec<u8>,
    raw_body: Vec<u8>,
    payload: Vec<u8>,
    trailers: Vec<u8>,
}

fn field_line() -> impl Strategy<Value = String> {
    "X-[a-zA-Z0-9!#$%&'*+.^_`|~-]{0,12}:[ \t]{0,2}([!-~é]([ -~\té]{0,20}[!-~])?)?[ \t]{0,2}\r\n"
}

fn body() -> impl Strategy<Value = (String, Vec<u8>, Vec<u8>, Vec<u8>)> {
    let length = vec(any::<u8>(), 0..60)
        .prop_map(|body| (format!("Content-Length: {}\r\n", body.len()), body.clone(), body, Vec::new()));
    let chunk = (vec(any::<u8>(), 1..40), "0{0,3}", "(;[ -~]{0,10})?");
    let chunked =
        (vec(chunk, 0..5), "0{1,4}(;[ -~]{0,10})?", vec(field_line(), 0..3)).prop_map(|(chunks, last, trailers)| {
            let (mut raw, mut payload) = (Vec::new(), Vec::new());
            for (data, zeros, extension) in chunks {
                raw.extend(format!("{zeros}{:x}{extension}\r\n", data.len()).bytes());
                raw.extend(&data);
                raw.extend(b"\r\n");
                payload.extend(data);
            }
            let trailers = trailers.concat().into_bytes();
            raw.extend(format!("{last}\r\n").bytes());
            raw.extend(&trailers);
            raw.extend(b"\r\n");
            ("Transfer-Encoding: chunked\r\n".to_owned(), raw, payload, trailers)
        });
    prop_oneof![Just((String::new(), Vec::new(), Vec::new(), Vec::new())), length, chunked]
}

fn message() -> impl Strategy<Value = Message> {
    ("(\r\n){0,2}", "[A-Z]{1,7}Z", "/[!-~]{0,30}", vec(field_line(), 0..8), vec(field_line(), 0..4), body()).prop_map(
        |(empty, method, target, before, after, (framing, raw_body, payload, trailers))| Message {
            head: format!("{empty}{method} {target} HTTP/1.1\r\n{}{framing}{}\r\n", before.concat(), after.concat())
                .into_bytes(),
            raw_body,
            payload,
            trailers,
        },
    )
}

/// What came of a stream of bytes, fed as far as each of `ends` in turn.
#[derive(Debug, PartialEq)]
struct Reading {
    head: RequestHead,
    raw: usize,
    payload: Vec<u8>,
    trailers: Vec<u8>,
}

fn read(stream: &[u8], ends: impl Iterator<Item = usize>) -> Result<Option<Reading>, Refusal> {
    let limits = Limits::default();
    let mut heads = HeadReader::default();
    let mut reading: Option<(Reading, BodyReader)> = None;
    for end in ends {
        let so_far = &stream[..end];
        if reading.is_none()
            && let Some(head) = heads.request(so_far, &limits)?
        {
            let body = BodyReader::new(head.framing, &limits);
            reading = Some((Reading { raw: head.len, head, payload: Vec::new(), trailers: Vec::new() }, body));
        }
        while let Some((reading, body)) = &mut reading {
            let rest = &so_far[reading.raw..];
            match body.next(rest)? {
                Part::NeedMore => break,
                Part::Data { take, payload } => {
                    assert!(take > 0 && take <= rest.len());
                    reading.payload.extend_from_slice(&rest[payload]);
                    reading.raw += take;
                }
                Part::End { take, trailers } => {
                    reading.trailers = rest[trailers].to_vec();
                    reading.raw += take;
                    assert!(body.is_done());
                    break;
                }
            }
        }
        if reading.as_ref().is_some_and(|(_, body)| body.is_done()) {
            // `End` has been seen, or would take nothing.
            break;
        }
    }
    Ok(reading.filter(|(_, body)| body.is_done()).map(|(reading, _)| reading))
}

/// Bytes like those of a message, with what tends to go wrong in them.
fn nearly_a_message() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\n".to_vec()),
        Just(b"HTTP/1.1 200 OK\r\n".to_vec()),
        Just(b"Content-Length: 5\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b" ".to_vec()),
        Just(b":".to_vec()),
        Just(b"5\r\nhello\r\n".to_vec()),
        Just(b"0\r\n".to_vec()),
        field_line().prop_map(String::into_bytes),
        vec(any::<u8>(), 0..4),
    ];
    (any::<bool>(), vec(piece, 0..12)).prop_map(|(begin, pieces)| {
        [if begin { b"GET / HTTP/1.1\r\n".as_slice() } else { b"" }, &pieces.concat()].concat()
    })
}

proptest! {
    #[test]
    fn the_split_into_reads_does_not_matter(message in message(), next in vec(any::<u8>(), 0..20)) {
        let stream = [message.head.as_slice(), &message.raw_body, &next].concat();
        let own = message.head.len() + message.raw_body.len();
        let whole = read(&stream, std::iter::once(stream.len())).unwrap().expect("a complete message");
        prop_assert_eq!(whole.head.len, message.head.len());
        prop_assert_eq!(whole.raw, own);
        prop_assert_eq!(&whole.payload, &message.payload);
        prop_assert_eq!(&whole.trailers, &message.trailers);
        prop_assert!(field_lines(&whole.trailers, &Limits::default()).is_ok());
        let bytewise = read(&stream, 1..=stream.len()).unwrap();
        prop_assert_eq!(bytewise.as_ref(), Some(&whole));
        for split in 0..=own {
            let read_twice = read(&stream, [split, stream.len()].into_iter()).unwrap();
            prop_assert_eq!(read_twice.as_ref(), Some(&whole));
        }
        for short in 0..own {
            prop_assert_eq!(read(&stream, std::iter::once(short)), Ok(None));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop_oneof![vec(any::<u8>(), 0..200), nearly_a_message()], length in any::<u64>(), tight in 0_usize..40) {
        let tight = Limits { start_line: tight, head: tight, fields: tight, chunk_line: tight, trailers: tight };
        for limits in [Limits::default(), tight] {
            let whole = request_head(&bytes, &limits);
            let mut reader = HeadReader::default();
            let bytewise = (0..=bytes.len()).map(|end| reader.request(&bytes[..end], &limits)).find(|read| *read != Ok(None));
            prop_assert_eq!(whole.is_ok_and(|head| head.is_some()), bytewise.is_some_and(|read| read.is_ok()));
            let _ = response_head(&bytes, RequestContext::default(), &limits);
            let _ = field_lines(&bytes, &limits);
            for framing in [Framing::None, Framing::Length(length), Framing::Chunked, Framing::UntilClose] {
                let mut body = BodyReader::new(framing, &limits);
                let mut at = 0;
                while let Ok(Part::Data { take, payload }) = body.next(&bytes[at..]) {
                    prop_assert!(take > 0 && payload.end <= take && take <= bytes.len() - at);
                    at += take;
                }
                let _ = body.at_eof();
            }
        }
        let _ = connect_target(&bytes);
        if let Some(Ok(form)) = absolute_form(&bytes) {
            prop_assert!(connect_target(form.authority.to_string().as_bytes()).is_ok_and(|again| again == form.authority));
        }
    }

    /// Httparse is the reader of hyper's HTTP/1.
    #[test]
    fn what_is_accepted_reads_the_same_in_httparse(bytes in prop_oneof![message().prop_map(|message| message.head), nearly_a_message()]) {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        if let Ok(Some(head)) = request_head(&bytes, &Limits::default()) {
            let mut other = httparse::Request::new(&mut fields);
            prop_assert_eq!(other.parse(&bytes), Ok(httparse::Status::Complete(head.len)));
            prop_assert_eq!(other.method.unwrap().as_bytes(), head.method.of(&bytes));
            prop_assert_eq!(other.path.unwrap().as_bytes(), head.target.of(&bytes));
            prop_assert_eq!(other.version.unwrap(), head.minor_version);
            let ours: Vec<_> = head.fields.iter().map(|f| (f.name.of(&bytes), f.value.of(&bytes))).collect();
            let theirs: Vec<_> = other.headers.iter().map(|f| (f.name.as_bytes(), f.value)).collect();
            prop_assert_eq!(ours, theirs);
        }
        let status = [b"HTTP/1.0 401 No\r\n".as_slice(), &bytes].concat();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        if let Ok(Some(head)) = response_head(&status, RequestContext::default(), &Limits::default()) {
            let mut other = httparse::Response::new(&mut fields);
            prop_assert_eq!(other.parse(&status), Ok(httparse::Status::Complete(head.len)));
            prop_assert_eq!((other.code, other.reason, other.version), (Some(401), Some("No"), Some(0)));
            let ours: Vec<_> = head.fields.iter().map(|f| (f.name.of(&status), f.value.of(&status))).collect();
            let theirs: Vec<_> = other.headers.iter().map(|f| (f.name.as_bytes(), f.value)).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn chunk_sizes_read_as_in_httparse(line in "[0-9a-fA-F]{0,17}[ ;x\t]{0,2}[ -~]{0,5}\r\n") {
        let mut body = BodyReader::new(Framing::Chunked, &Limits::default());
        let bytes = [line.as_bytes(), b"x"].concat();
        match body.next(&bytes) {
            Ok(Part::Data { payload, .. }) => {
                let (index, size) = match httparse::parse_chunk_size(&bytes) {
                    Ok(httparse::Status::Complete(read)) => read,
                    other => return Err(TestCaseError::fail(format!("httparse says {other:?}"))),
                };
                prop_assert_eq!(payload.start, index);
                prop_assert_eq!(payload.is_empty(), size == 0);
            }
            Ok(part) => return Err(TestCaseError::fail(format!("{part:?} of a complete line"))),
            Err(_) => {}
        }
    }
}
