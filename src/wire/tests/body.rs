use crate::wire::*;

fn limits() -> Limits {
    Limits::default()
}

/// Everything a reader says about `bytes` given at once: raw bytes taken, payload, trailers, and how it ended.
fn read(framing: Framing, bytes: &[u8]) -> (usize, Vec<u8>, Vec<u8>, Result<bool, Refusal>) {
    let mut reader = BodyReader::new(framing, &limits());
    let (mut at, mut body) = (0, Vec::new());
    loop {
        match reader.next(&bytes[at..]) {
            Ok(Part::NeedMore) => return (at, body, Vec::new(), Ok(false)),
            Ok(Part::Data { take, payload }) => {
                assert!(take > 0 && payload.end <= take);
                body.extend_from_slice(&bytes[at..][payload]);
                at += take;
            }
            Ok(Part::End { take, trailers }) => {
                assert!(reader.is_done());
                return (at + take, body, bytes[at..][trailers].to_vec(), Ok(true));
            }
            Err(refusal) => return (at, body, Vec::new(), Err(refusal)),
        }
    }
}

#[test]
fn a_length_is_counted_and_the_next_message_left_alone() {
    assert_eq!(read(Framing::Length(5), b"helloGET /"), (5, b"hello".to_vec(), vec![], Ok(true)));
    assert_eq!(read(Framing::Length(5), b"hel"), (3, b"hel".to_vec(), vec![], Ok(false)));
    assert_eq!(read(Framing::None, b"GET /"), (0, vec![], vec![], Ok(true)));
    assert!(BodyReader::new(Framing::Length(0), &limits()).is_done());
}

#[test]
fn until_close_takes_everything_and_ends_with_the_connection() {
    let mut reader = BodyReader::new(Framing::UntilClose, &limits());
    assert_eq!(reader.next(b"abc"), Ok(Part::Data { take: 3, payload: 0..3 }));
    assert_eq!(reader.next(b""), Ok(Part::NeedMore));
    assert!(!reader.is_done());
    assert_eq!(reader.at_eof(), Ok(()));
    assert_eq!(reader.next(b""), Ok(Part::End { take: 0, trailers: 0..0 }));
}

#[test]
fn an_early_end_is_a_truncation() {
    for (framing, bytes) in [
        (Framing::Length(5), b"hell".as_slice()),
        (Framing::Chunked, b""),
        (Framing::Chunked, b"5\r\nhello"),
        (Framing::Chunked, b"5\r\nhello\r\n"),
        (Framing::Chunked, b"5\r\nhello\r\n0\r\n"),
        (Framing::Chunked, b"0\r\nA: b\r\n"),
    ] {
        let mut reader = BodyReader::new(framing, &limits());
        let mut at = 0;
        while let Part::Data { take, .. } = reader.next(&bytes[at..]).unwrap() {
            at += take;
        }
        assert_eq!(reader.at_eof(), Err(Refusal::Truncated), "{bytes:?}");
    }
    assert_eq!(BodyReader::new(Framing::None, &limits()).at_eof(), Ok(()));
}

#[test]
fn chunks_extensions_and_trailers_are_taken_verbatim() {
    let bytes =
        b"5\r\nhello\r\n00A;name=\"v;\xff\";x\r\n, wor\r\nld!\r\n000\r\nX-Sum: 1\r\nContent-Length: 7\r\n\r\nHTTP/1.1";
    let (taken, body, trailers, end) = read(Framing::Chunked, bytes);
    assert_eq!((&bytes[taken..], end), (b"HTTP/1.1".as_slice(), Ok(true)));
    assert_eq!(body, b"hello, wor\r\nld!");
    assert_eq!(trailers, b"X-Sum: 1\r\nContent-Length: 7\r\n");
    let fields = field_lines(&trailers, &limits()).unwrap();
    let fields: Vec<_> = fields.iter().map(|f| (f.name.of(&trailers), f.value.of(&trailers))).collect();
    assert_eq!(fields, [(b"X-Sum".as_slice(), b"1".as_slice()), (b"Content-Length", b"7")]);
}

#[test]
fn a_chunk_passes_as_one_part() {
    let mut reader = BodyReader::new(Framing::Chunked, &limits());
    let bytes = b"5\r\nhello\r\n3\r\nab";
    assert_eq!(reader.next(bytes), Ok(Part::Data { take: 10, payload: 3..8 }));
    assert_eq!(reader.next(&bytes[10..]), Ok(Part::Data { take: 5, payload: 3..5 }));
    assert_eq!(reader.next(b""), Ok(Part::NeedMore));
    assert_eq!(reader.next(b"c\r"), Ok(Part::Data { take: 1, payload: 0..1 }));
    assert_eq!(reader.next(b"\r"), Ok(Part::NeedMore));
    assert_eq!(reader.next(b"\r\n0\r\n\r\n"), Ok(Part::End { take: 7, trailers: 5..5 }));
}

#[test]
fn broken_chunks_are_refused() {
    let long = [b"5;ext=".as_slice(), &[b'a'; 1 << 20], b"\r\nhello\r\n"].concat();
    let cases: [(&[u8], Refusal); 25] = [
        (b"FFFFFFFFFFFFFFFF\r\n", Refusal::BadChunkSize),
        (b"8000000000000000\r\n", Refusal::BadChunkSize),
        (b"10000000000000005\r\nhello\r\n", Refusal::BadChunkSize),
        (b"00000000000000005\r\nhello\r\n", Refusal::BadChunkSize),
        (b"-1\r\n", Refusal::BadChunkSize),
        (b"+5\r\nhello\r\n", Refusal::BadChunkSize),
        (b"0x5\r\nhello\r\n", Refusal::BadChunkSize),
        (b"5_0\r\n", Refusal::BadChunkSize),
        (b"g\r\n", Refusal::BadChunkSize),
        (b"z", Refusal::BadChunkSize),
        (b"\r\n5\r\nhello\r\n", Refusal::BadChunkSize),
        (b";x\r\n", Refusal::BadChunkSize),
        (b" 5\r\nhello\r\n", Refusal::BadChunkSize),
        (b"5 \r\nhello\r\n", Refusal::BadChunkLine),
        (b"5 ;x\r\nhello\r\n", Refusal::BadChunkLine),
        (b"5\nhello\r\n", Refusal::BadChunkLine),
        (b"5\rhello\r\n", Refusal::BadChunkLine),
        (b"5;a\nhello\r\n", Refusal::BadChunkLine),
        (b"5;a\0\r\nhello\r\n", Refusal::BadChunkLine),
        (b"5\r\nhello0\r\n\r\n", Refusal::BadChunkEnd),
        (b"5\r\nhello\n0\r\n\r\n", Refusal::BadChunkEnd),
        (b"5\r\nhello\rX", Refusal::BadChunkEnd),
        (b"5\r\nhello!\r\n", Refusal::BadChunkEnd),
        (&long, Refusal::ChunkLineTooLong),
        (&long[..1 << 13], Refusal::ChunkLineTooLong),
    ];
    for (bytes, refusal) in cases {
        assert_eq!(read(Framing::Chunked, bytes).3, Err(refusal), "{:?}", bytes.get(..30));
        assert_eq!((refusal.code(), refusal.status()), ("bad_chunk", 400));
    }
    assert_eq!(read(Framing::Chunked, b"7FFFFFFFFFFFFFFF\r\nabc"), (21, b"abc".to_vec(), vec![], Ok(false)));
}

#[test]
fn trailers_are_held_to_the_rules_of_fields() {
    for (section, refusal) in [
        ("A : b\r\n\r\n", Refusal::BadFieldLine),
        ("A: b\r\n c\r\n\r\n", Refusal::BadFieldLine),
        ("A: b\n\r\n", Refusal::BareLineEnd),
        ("A: b\0\r\n\r\n", Refusal::BadFieldLine),
        ("GET / HTTP/1.1\r\n\r\n", Refusal::BadFieldLine),
    ] {
        assert_eq!(read(Framing::Chunked, format!("0\r\n{section}").as_bytes()).3, Err(refusal), "{section:?}");
    }
    let long = format!("0\r\nA: {}\r\n\r\n", "b".repeat(64 << 10));
    assert_eq!(read(Framing::Chunked, long.as_bytes()).3, Err(Refusal::TrailersTooLarge));
    let many = format!("0\r\n{}\r\n", "A: b\r\n".repeat(1025));
    assert_eq!(read(Framing::Chunked, many.as_bytes()).3, Err(Refusal::TooManyFields));
    assert_eq!(field_lines(b"A: b", &limits()), Err(Refusal::BadFieldLine));
}
