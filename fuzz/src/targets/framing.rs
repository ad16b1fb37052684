//! Heads and bodies as they come off a connection: how the bytes are cut into reads does not matter, what is accepted
//! reads the same elsewhere.

use super::secret::Dice;
use authtrace::wire::{BodyReader, Framing, HeadReader, Limits, Part, RequestContext, ResponseKind, field_lines};

/// A message and its payload.
#[derive(Debug, PartialEq)]
struct Message {
    start: usize,
    head_len: usize,
    framing: Framing,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    len: usize,
    payload: Vec<u8>,
    trailers: Vec<u8>,
    whole: bool,
}

/// What came of a stream of bytes.
#[derive(Debug, PartialEq)]
struct Reading {
    messages: Vec<Message>,
    refused: bool,
}

pub fn run(data: &[u8]) {
    let mut dice = Dice::of(data);
    let tight = Limits {
        start_line: dice.roll(0..64),
        head: dice.roll(0..200),
        fields: dice.roll(0..6),
        chunk_line: dice.roll(0..12),
        trailers: dice.roll(0..40),
    };
    for limits in [Limits::default(), tight] {
        for is_response in [false, true] {
            let whole = read(data, &[data.len()], &limits, is_response);
            assert_eq!(whole, read(data, &dice.cuts(data.len()), &limits, is_response));
            if data.len() < 512 {
                let bytewise: Vec<usize> = (1..=data.len()).collect();
                assert_eq!(whole, read(data, &bytewise, &limits, is_response));
            }
            for message in &whole.messages {
                assert!(field_lines(&message.trailers, &limits).is_ok());
                in_httparse(&data[message.start..], message, is_response);
                if !is_response {
                    has_framing(&data[message.start..], message);
                }
            }
        }
    }
    if let Ok(fields) = field_lines(data, &Limits::default()) {
        for field in fields {
            assert!(!field.name.is_empty() && !field.value.of(data).contains(&b'\n'));
        }
    }
}

/// Reads message after message, with as many bytes there as each of `ends` in turn.
fn read(data: &[u8], ends: &[usize], limits: &Limits, is_response: bool) -> Reading {
    let mut reading = Reading { messages: Vec::new(), refused: false };
    let (mut at, mut heads, mut body) = (0, HeadReader::default(), None::<BodyReader>);
    let refused = |mut reading: Reading| {
        // How much of the framing had gone by when it was refused depends on the cuts; the payload does not.
        reading.messages.iter_mut().filter(|message| !message.whole).for_each(|message| message.len = 0);
        Reading { refused: true, ..reading }
    };
    for end in ends {
        loop {
            let rest = &data[at..*end];
            let Some(reader) = &mut body else {
                match head(&mut heads, rest, limits, is_response) {
                    Err(()) => return refused(reading),
                    Ok(None) => break,
                    Ok(Some((mut message, switched))) => {
                        message.start = at;
                        at += message.head_len;
                        let framing = message.framing;
                        reading.messages.push(message);
                        if switched {
                            return reading;
                        }
                        body = Some(BodyReader::new(framing, limits));
                        continue;
                    }
                }
            };
            let message = reading.messages.last_mut().expect("a body has a head");
            match reader.next(rest) {
                Err(_) => return refused(reading),
                Ok(Part::NeedMore) => break,
                Ok(Part::Data { take, payload }) => {
                    assert!(take > 0 && take <= rest.len() && payload.end <= take);
                    message.payload.extend_from_slice(&rest[payload]);
                    message.len += take;
                    at += take;
                    if !reader.is_done() {
                        continue;
                    }
                }
                Ok(Part::End { take, trailers }) => {
                    message.trailers = rest[trailers].to_vec();
                    message.len += take;
                    at += take;
                }
            }
            assert!(reader.is_done());
            message.whole = true;
            body = None;
            if at == *end {
                break;
            }
        }
    }
    if let (Some(mut reader), Some(message)) = (body, reading.messages.last_mut()) {
        message.whole = reader.at_eof().is_ok();
    }
    reading
}

/// The next head, and whether HTTP/1.x ends with it.
fn head(
    heads: &mut HeadReader,
    rest: &[u8],
    limits: &Limits,
    is_response: bool,
) -> Result<Option<(Message, bool)>, ()> {
    let of = |fields: &[authtrace::wire::Field]| {
        fields.iter().map(|field| (field.name.of(rest).to_vec(), field.value.of(rest).to_vec())).collect()
    };
    let message = |len, framing, fields| Message {
        start: 0,
        head_len: len,
        framing,
        fields,
        len,
        payload: Vec::new(),
        trailers: Vec::new(),
        whole: false,
    };
    if is_response {
        let cx = RequestContext { upgrade_requested: true, ..RequestContext::default() };
        let head = heads.response(rest, cx, limits).map_err(drop)?;
        Ok(head.map(|head| (message(head.len, head.framing, of(&head.fields)), head.kind == ResponseKind::Switched)))
    } else {
        let head = heads.request(rest, limits).map_err(drop)?;
        Ok(head.map(|head| (message(head.len, head.framing, of(&head.fields)), head.method.of(rest) == b"CONNECT")))
    }
}

/// httparse is the reader of hyper's HTTP/1.
fn in_httparse(bytes: &[u8], message: &Message, is_response: bool) {
    let mut fields = vec![httparse::EMPTY_HEADER; 1024];
    let (read, theirs) = if is_response {
        let mut other = httparse::Response::new(&mut fields);
        let read = other.parse(bytes);
        (read, other.headers.to_vec())
    } else {
        let mut other = httparse::Request::new(&mut fields);
        let read = other.parse(bytes);
        (read, other.headers.to_vec())
    };
    assert_eq!(read, Ok(httparse::Status::Complete(message.head_len)));
    let theirs: Vec<_> = theirs.iter().map(|field| (field.name.as_bytes().to_vec(), field.value.to_vec())).collect();
    assert_eq!(message.fields, theirs);
}

/// RFC 9112 §6.3, of a request: what its fields say, and for chunks what httparse makes of their sizes.
fn has_framing(bytes: &[u8], message: &Message) {
    let values = |name: &[u8]| {
        let fields = message.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
    };
    let (coded, lengths) = (values(b"transfer-encoding"), values(b"content-length"));
    if !coded.is_empty() {
        assert_eq!((message.framing, coded.len(), lengths.len()), (Framing::Chunked, 1, 0));
        assert!(coded[0].eq_ignore_ascii_case("chunked"), "{coded:?}");
        if message.whole {
            assert_eq!(message.payload, in_chunks(&bytes[message.head_len..message.len]));
        }
        return;
    }
    let mut numbers: Vec<u64> =
        lengths.iter().flat_map(|all| all.split(',')).map(|one| one.trim().parse().unwrap()).collect();
    numbers.dedup();
    match numbers.as_slice() {
        [] | [0] => assert_eq!(message.len, message.head_len),
        [length] => {
            assert_eq!(message.framing, Framing::Length(*length));
            assert!(!message.whole || message.payload.len() as u64 == *length);
        }
        more => panic!("one of several lengths was taken: {more:?}"),
    }
}

fn in_chunks(mut body: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((at, size))) = httparse::parse_chunk_size(body) else { panic!("no size") };
        let end = at + usize::try_from(size).expect("it fits into the input");
        payload.extend_from_slice(&body[at..end]);
        if size == 0 {
            return payload;
        }
        body = &body[end + 2..];
    }
}
