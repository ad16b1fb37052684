use super::*;

#[test]
fn locates_everything_verbatim() {
    let bytes = b"\r\n\r\nPOST /v1/messages?beta=true HTTP/1.1\r\nHOST:api.example\r\nX-Empty:\r\nx-Odd: \t a  b\xff \t\r\nx-odd: 2\r\nExpect: 100-Continue\r\n\r\nrest";
    let head = request(bytes).unwrap().unwrap();
    assert_eq!(&bytes[head.len..], b"rest");
    assert_eq!(head.method.of(bytes), b"POST");
    assert_eq!(head.target.of(bytes), b"/v1/messages?beta=true");
    assert_eq!(head.minor_version, 1);
    let fields: Vec<_> = head.fields.iter().map(|f| (f.name.of(bytes), f.value.of(bytes))).collect();
    let expected: [(&[u8], &[u8]); 5] = [
        (b"HOST", b"api.example"),
        (b"X-Empty", b""),
        (b"x-Odd", b"a  b\xff"),
        (b"x-odd", b"2"),
        (b"Expect", b"100-Continue"),
    ];
    assert_eq!(fields, expected);
    assert_eq!(head.host.unwrap().of(bytes), b"api.example");
    assert_eq!(head.framing, Framing::None);
    assert!(head.persistent && head.expects_continue && !head.upgrade);
}

#[test]
fn a_span_of_another_buffer_is_empty() {
    assert_eq!(Span { start: 3, end: 9 }.of(b"short"), b"");
    assert_eq!(Span { start: 3, end: 2 }.of(b"short"), b"");
}

#[test]
fn request_lines() {
    for good in [
        "GET / HTTP/1.1",
        "GET / HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "CONNECT a:443 HTTP/1.1",
        "M-SEARCH http://a/ HTTP/1.1",
    ] {
        assert!(request(format!("{good}\r\n\r\n")).unwrap().is_some(), "{good}");
    }
    let bad = [
        ("GET /", Refusal::BadStartLine),
        ("GET", Refusal::BadStartLine),
        ("GET  / HTTP/1.1", Refusal::BadStartLine),
        ("GET /  HTTP/1.1", Refusal::BadStartLine),
        ("GET / HTTP/1.1 ", Refusal::BadStartLine),
        (" GET / HTTP/1.1", Refusal::BadStartLine),
        ("GET /a b HTTP/1.1", Refusal::BadStartLine),
        ("GET\t/ HTTP/1.1", Refusal::BadStartLine),
        ("GET /\u{e9} HTTP/1.1", Refusal::BadStartLine),
        ("GET /\0 HTTP/1.1", Refusal::BadStartLine),
        ("G(T / HTTP/1.1", Refusal::BadStartLine),
        ("GET / http/1.1", Refusal::BadStartLine),
        ("GET / HTTP/1.", Refusal::BadStartLine),
        ("GET / HTTP/1.10", Refusal::BadStartLine),
        ("GET / HTTP/0.9", Refusal::UnsupportedVersion),
        ("GET / HTTP/1.2", Refusal::UnsupportedVersion),
        ("GET / HTTP/2", Refusal::UnsupportedVersion),
        ("PRI * HTTP/2.0", Refusal::UnsupportedVersion),
        ("GET / HT\rTP/1.1", Refusal::BareLineEnd),
        ("GET / HTTP/1.1\nHost: a", Refusal::BareLineEnd),
    ];
    for (line, refusal) in bad {
        assert_eq!(request(format!("{line}\r\n\r\n")), Err(refusal), "{line:?}");
    }
}

#[test]
fn at_most_two_empty_lines_come_before_a_request_and_none_before_a_response() {
    assert_eq!(request("\r\n\r\nGET / HTTP/1.1\r\n\r\n").unwrap().unwrap().len, 22);
    assert_eq!(request("\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Err(Refusal::BadStartLine));
    assert_eq!(request("\nGET / HTTP/1.1\r\n\r\n"), Err(Refusal::BareLineEnd));
    assert_eq!(response("\r\nHTTP/1.1 200 OK\r\n", NO), Err(Refusal::BadStartLine));
}

#[test]
fn what_cannot_become_a_head_is_refused_before_it_is_complete() {
    for start in
        [b"\x16\x03\x01\x02".as_slice(), b"SSH-2.0-OpenSSH\r\n", b"GET /\r\n", b" ", b"GET / HTTP/1.1\r\nA: b\nC: d"]
    {
        assert!(request(start).is_err(), "{start:?}");
    }
    assert_eq!(response_head(b"220 ", NO, &LIMITS), Err(Refusal::BadStartLine));
    assert_eq!(response_head(b"HT", NO, &LIMITS), Ok(None));
    assert_eq!(request("GET / HTTP/1.1\r"), Ok(None));
}

#[test]
fn malformed_field_lines() {
    let bad = [
        "Na me: v\r\n",
        "Name : v\r\n",
        "Name\t: v\r\n",
        "Na\0me: v\r\n",
        "N\u{e4}me: v\r\n",
        "Na\"me: v\r\n",
        ": v\r\n",
        "Name\r\n",
        " Name: v\r\n",
        "X: a\r\n folded\r\n",
        "X: a\r\n\tfolded\r\n",
        "X: a\0b\r\n",
        "X: a\x0bb\r\n",
        "X: a\x7f\r\n",
        "X: \x1b[0m\r\n",
        "Host: b\r\n",
    ];
    for fields in bad {
        let refusal = with(fields).unwrap_err();
        assert_eq!((refusal.code(), refusal.status()), ("bad_header", 400), "{fields:?}");
    }
    assert_eq!(request("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), Err(Refusal::BadFieldLine));
}

#[test]
fn sizes_are_limited_whether_or_not_the_head_is_complete() {
    let long_target = format!("GET /{} HTTP/1.1", "a".repeat(100 << 10));
    let one_field = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(1 << 20));
    let many_fields = format!("GET / HTTP/1.1\r\n{}", "X: a\r\n".repeat(10_000));
    let cases = [
        (&long_target, Refusal::StartLineTooLong, 414),
        (&one_field, Refusal::HeadTooLarge, 431),
        (&many_fields, Refusal::TooManyFields, 431),
    ];
    for (text, refusal, status) in cases {
        assert_eq!(request(text), Err(refusal));
        assert_eq!(request(format!("{text}\r\n\r\n")), Err(refusal));
        assert_eq!((refusal.code(), refusal.status()), ("too_large", status));
    }
    let tight = Limits { start_line: 14, head: 26, fields: 1, ..LIMITS };
    let fits = b"GET / HTTP/1.1\r\nX: 345\r\n\r\n";
    assert!(request_head(fits, &tight).unwrap().is_some());
    assert_eq!(request_head(fits, &Limits { start_line: 13, ..tight }), Err(Refusal::StartLineTooLong));
    assert_eq!(request_head(fits, &Limits { head: 25, ..tight }), Err(Refusal::HeadTooLarge));
    assert_eq!(request_head(fits, &Limits { fields: 0, ..tight }), Err(Refusal::TooManyFields));
}

#[test]
fn status_lines() {
    for (line, status, reason) in [
        ("HTTP/1.1 200 OK", 200, "OK"),
        ("HTTP/1.0 401 ", 401, ""),
        ("HTTP/1.1 529", 529, ""),
        ("HTTP/1.1 404  Not\tFound \u{e9}", 404, " Not\tFound \u{e9}"),
    ] {
        let bytes = format!("{line}\r\n\r\n");
        let head = response_head(bytes.as_bytes(), NO, &LIMITS).unwrap().unwrap();
        assert_eq!((head.status, head.reason.of(bytes.as_bytes())), (status, reason.as_bytes()), "{line}");
        assert_eq!((head.framing, head.persistent), (Framing::UntilClose, false));
    }
    for (line, refusal) in [
        ("HTTP/1.1 20 OK", Refusal::BadStartLine),
        ("HTTP/1.1 2000", Refusal::BadStartLine),
        ("HTTP/1.1  200 OK", Refusal::BadStartLine),
        ("HTTP/1.1 200\tOK", Refusal::BadStartLine),
        ("HTTP/1.1 +20 OK", Refusal::BadStartLine),
        ("HTTP/1.1 200 O\0K", Refusal::BadStartLine),
        ("HTTP/1.1", Refusal::BadStartLine),
        ("http/1.1 200 OK", Refusal::BadStartLine),
        ("ICY 200 OK", Refusal::BadStartLine),
        ("HTTP/2.0 200 OK", Refusal::UnsupportedVersion),
        ("HTTP/0.9 200 OK", Refusal::UnsupportedVersion),
        ("HTTP/1.1 099 Low", Refusal::BadStatus),
    ] {
        assert_eq!(response(format!("{line}\r\n"), NO), Err(refusal), "{line:?}");
    }
}

#[test]
fn one_reader_reads_head_after_head_and_reuses_the_memory() {
    let mut reader = HeadReader::default();
    let first = b"GET /1 HTTP/1.1\r\nA: b\r\n\r\n";
    let head = reader.request(first, &LIMITS).unwrap().unwrap();
    let memory = head.fields.as_ptr();
    reader.recycle(head.fields);
    let second = b"\r\nGET /22 HTTP/1.1\r\nC: d\r\n\r\n";
    assert_eq!(reader.request(&second[..9], &LIMITS), Ok(None));
    let head = reader.request(second, &LIMITS).unwrap().unwrap();
    assert_eq!((head.target.of(second), head.fields.len()), (b"/22".as_slice(), 1));
    assert_eq!(head.fields.as_ptr(), memory);
}

#[test]
fn no_refusal_repeats_the_message() {
    let secret = "FAKE-secret";
    for fields in
        [format!("Authorization : {secret}\r\n"), format!("X: {secret}\0\r\n"), format!("Content-Length: {secret}\r\n")]
    {
        let refusal = with(fields).unwrap_err();
        assert!(!format!("{refusal} {refusal:?} {}", refusal.code()).contains(secret));
    }
}
