use super::*;

#[test]
fn framing_of_requests() {
    let good = [
        ("", Framing::None),
        ("Content-Length: 0\r\n", Framing::None),
        ("Content-Length: 005\r\n", Framing::Length(5)),
        ("content-length:\t7 \r\n", Framing::Length(7)),
        ("Content-Length: 9999999999999999999\r\n", Framing::Length(9_999_999_999_999_999_999)),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
        ("TRANSFER-ENCODING:Chunked \r\n", Framing::Chunked),
    ];
    for (fields, framing) in good {
        assert_eq!(with(fields).map(|head| head.framing), Ok(framing), "{fields:?}");
    }
    let bad = [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Refusal::LengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Refusal::LengthAndCoding),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n", Refusal::LengthAndCoding),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", Refusal::RepeatedLength),
        ("Content-Length: 5\r\ncontent-length: 5\r\n", Refusal::RepeatedLength),
        ("Content-Length: 5,5\r\n", Refusal::BadLength),
        ("Content-Length: 5, 5\r\n", Refusal::BadLength),
        ("Content-Length: +5\r\n", Refusal::BadLength),
        ("Content-Length: -5\r\n", Refusal::BadLength),
        ("Content-Length: 0x5\r\n", Refusal::BadLength),
        ("Content-Length: 5 5\r\n", Refusal::BadLength),
        ("Content-Length: 1_0\r\n", Refusal::BadLength),
        ("Content-Length:\r\n", Refusal::BadLength),
        ("Content-Length: 18446744073709551616\r\n", Refusal::BadLength),
        ("Content-Length: 00000000000000000005\r\n", Refusal::BadLength),
        ("Transfer-Encoding: xchunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked, identity\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: gzip, chunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked,\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: \"chunked\"\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: identity\r\n", Refusal::BadCoding),
        ("Transfer-Encoding:\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refusal::BadCoding),
        ("Transfer-Encoding: \x0bchunked\r\n", Refusal::BadFramingLine),
        ("Transfer-Encoding : chunked\r\n", Refusal::BadFramingLine),
        ("Transfer-Encoding\x0b: chunked\r\n", Refusal::BadFramingLine),
        ("Transfer-Encoding:\r\n chunked\r\n", Refusal::BadFramingLine),
        ("Content-Length : 5\r\n", Refusal::BadFramingLine),
        ("Content-Length: 5\0\r\n", Refusal::BadFramingLine),
        ("X: a\nTransfer-Encoding: chunked\r\n", Refusal::BareLineEnd),
        ("X: a\rb\r\n", Refusal::BareLineEnd),
        ("X: a\r\r\n", Refusal::BareLineEnd),
    ];
    for (fields, refusal) in bad {
        assert_eq!(with(fields), Err(refusal), "{fields:?}");
        assert_eq!((refusal.code(), refusal.status()), ("ambiguous_framing", 400));
        // A response is held to the same.
        assert_eq!(response(format!("HTTP/1.1 200 OK\r\n{fields}"), NO), Err(refusal), "{fields:?}");
    }
    assert_eq!(request("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(Refusal::CodingInHttp10));
}

#[test]
fn connect_has_no_body() {
    for (field, expected) in [
        ("", Ok(())),
        ("Content-Length: 0\r\n", Ok(())),
        ("Content-Length: 1\r\n", Err(Refusal::ConnectWithBody)),
        ("Transfer-Encoding: chunked\r\n", Err(Refusal::ConnectWithBody)),
    ] {
        assert_eq!(request(format!("CONNECT a:443 HTTP/1.1\r\n{field}\r\n")).map(|_| ()), expected, "{field:?}");
    }
}

#[test]
fn persistence() {
    let cases = [
        (1, "", true),
        (1, "Connection: close\r\n", false),
        (1, "Connection: CLOSE\r\n", false),
        (1, "Connection: x , Close,y\r\n", false),
        (1, "Connection: x\r\nConnection: close\r\n", false),
        (1, "Connection: keep-alive\r\n", true),
        (1, "Connection: closed\r\n", true),
        (1, "Proxy-Connection: close\r\n", true),
        (0, "", false),
        (0, "Connection: Keep-Alive\r\n", true),
        (0, "Connection: keep-alive, close\r\n", false),
    ];
    for (minor, fields, persistent) in cases {
        let head = request(format!("GET / HTTP/1.{minor}\r\n{fields}\r\n")).unwrap().unwrap();
        assert_eq!(head.persistent, persistent, "1.{minor} {fields:?}");
        let head = response(format!("HTTP/1.{minor} 200 OK\r\nContent-Length: 1\r\n{fields}"), NO).unwrap();
        assert_eq!(head.persistent, persistent, "1.{minor} {fields:?}");
    }
}

#[test]
fn upgrades_and_expectations() {
    assert!(with("Upgrade: websocket\r\nConnection: Keep-Alive, Upgrade\r\n").unwrap().upgrade);
    assert!(!with("Upgrade: websocket\r\n").unwrap().upgrade);
    assert!(!with("Connection: upgrade\r\n").unwrap().upgrade);
    assert!(!request("GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").unwrap().unwrap().upgrade);
    assert!(!with("Expect: 200-ok\r\n").unwrap().expects_continue);
    assert!(!request("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").unwrap().unwrap().expects_continue);
    let bytes = b"HEAD / HTTP/1.1\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n";
    let context = request(bytes).unwrap().unwrap().context(bytes);
    assert_eq!(context, RequestContext { head: true, connect: false, upgrade_requested: true });
}

#[test]
fn framing_and_kind_of_responses() {
    use ResponseKind::{Final, Informational, Switched};
    let head = RequestContext { head: true, ..NO };
    let connect = RequestContext { connect: true, ..NO };
    let upgrade = RequestContext { upgrade_requested: true, ..NO };
    let switch = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let cases = [
        (200, "Content-Length: 3\r\n", NO, Ok((Framing::Length(3), Final))),
        (200, "Content-Length: 0\r\n", NO, Ok((Framing::None, Final))),
        (200, "Transfer-Encoding: chunked\r\n", NO, Ok((Framing::Chunked, Final))),
        (200, "", NO, Ok((Framing::UntilClose, Final))),
        (200, "Content-Length: 3\r\n", head, Ok((Framing::None, Final))),
        (200, "Transfer-Encoding: chunked\r\n", head, Ok((Framing::None, Final))),
        (200, "", head, Ok((Framing::None, Final))),
        (204, "Content-Length: 3\r\n", NO, Ok((Framing::None, Final))),
        (304, "Content-Length: 3\r\n", NO, Ok((Framing::None, Final))),
        (205, "Content-Length: 0\r\n", NO, Ok((Framing::None, Final))),
        (100, "", NO, Ok((Framing::None, Informational))),
        (103, "Content-Length: 3\r\n", NO, Ok((Framing::None, Informational))),
        (199, "", upgrade, Ok((Framing::None, Informational))),
        (101, switch, upgrade, Ok((Framing::None, Switched))),
        (101, switch, NO, Err(Refusal::UnsolicitedUpgrade)),
        (101, "", upgrade, Err(Refusal::UnsolicitedUpgrade)),
        (426, switch, upgrade, Ok((Framing::UntilClose, Final))),
        (200, "Content-Length: 3\r\n", connect, Ok((Framing::None, Switched))),
        (407, "Content-Length: 3\r\n", connect, Ok((Framing::Length(3), Final))),
    ];
    for (status, fields, cx, expected) in cases {
        let read = response(format!("HTTP/1.1 {status} x\r\n{fields}"), cx).map(|head| (head.framing, head.kind));
        assert_eq!(read, expected, "{status} {fields:?} {cx:?}");
    }
    assert_eq!(Refusal::UnsolicitedUpgrade.code(), "unsolicited_upgrade");
}
