use crate::wire::*;

#[test]
fn connect_targets() {
    for (target, shown) in [
        ("api.anthropic.com:443", "api.anthropic.com:443"),
        ("API.Example.:8443", "api.example:8443"),
        ("localhost:1", "localhost:1"),
        ("a_b.x-y.1a:65535", "a_b.x-y.1a:65535"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:443", "[::1]:443"),
        ("[::FFFF:127.0.0.1]:443", "[::ffff:127.0.0.1]:443"),
    ] {
        assert_eq!(connect_target(target.as_bytes()).unwrap().to_string(), shown);
    }
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", &label[..61]);
    assert_eq!(longest.len(), 253);
    assert!(connect_target(format!("{longest}:443").as_bytes()).is_ok());
    assert!(connect_target(format!("{longest}.:443").as_bytes()).is_ok());
    assert!(connect_target(format!("{longest}a:443").as_bytes()).is_err());
    assert!(connect_target(format!("{label}a:443").as_bytes()).is_err());
    assert!(connect_target(format!("{}:443", "a".repeat(300)).as_bytes()).is_err());
}

#[test]
fn bad_connect_targets() {
    let bad: [&[u8]; 43] = [
        b"",
        b":",
        b":443",
        b"host",
        b"host:",
        b"host:0",
        b"host:00443",
        b"host:0443",
        b"host:65536",
        b"host:443443",
        b"host:-1",
        b"host:+443",
        b"host: 443",
        b"host:443 ",
        b"host:44a",
        b"host:443:443",
        b"host:443/",
        b"user@host:443",
        b"u:p@host:443",
        b"ho\0st:443",
        b"ho st:443",
        b"ho\r\nst:443",
        b"host%00:443",
        b"h\xc3\xb6st:443",
        b"h\xffst:443",
        b".:443",
        b"..:443",
        b"a..b:443",
        b".a:443",
        b"-a:443",
        b"a-:443",
        b"http://host:443",
        b"::1:443",
        b"[::1]",
        b"[::1]443",
        b"[::1%25eth0]:443",
        b"[127.0.0.1]:443",
        b"[host]:443",
        b"127.1:443",
        b"2130706433:443",
        b"0x7f.0.0.1:443",
        b"127.0.0.0x1:443",
        b"127.0.0.1.:443",
    ];
    for target in bad {
        assert_eq!(connect_target(target), Err(Refusal::BadConnect), "{:?}", String::from_utf8_lossy(target));
    }
    assert_eq!((Refusal::BadConnect.code(), Refusal::BadConnect.status()), ("bad_connect", 400));
}

#[test]
fn absolute_forms() {
    for (target, scheme, authority, origin_form) in [
        ("http://a.example/x?y", Scheme::Http, "a.example:80", "/x?y"),
        ("HTTP://A.example:8080", Scheme::Http, "a.example:8080", ""),
        ("https://[::1]?q=http://b/", Scheme::Https, "[::1]:443", "?q=http://b/"),
        ("http://127.0.0.1:9/@x", Scheme::Http, "127.0.0.1:9", "/@x"),
    ] {
        let form = absolute_form(target.as_bytes()).unwrap().unwrap();
        assert_eq!((form.scheme, form.authority.to_string().as_str()), (scheme, authority));
        assert_eq!(form.origin_form.of(target.as_bytes()), origin_form.as_bytes());
    }
    for target in ["/", "*", "a:443", "ftp://a/", "http:/a", "httpx://a"] {
        assert_eq!(absolute_form(target.as_bytes()), None, "{target}");
    }
    for (target, refusal) in [
        ("http://", Refusal::BadTarget),
        ("http:///x", Refusal::BadTarget),
        ("http://a:/x", Refusal::BadTarget),
        ("http://a\\.b/x", Refusal::BadTarget),
        ("http://a/x#y", Refusal::BadTarget),
        ("http://a#@b/", Refusal::BadTarget),
        ("http://a%2eb/", Refusal::BadTarget),
        ("http://a/\u{e9}", Refusal::BadTarget),
        ("http://FAKE-user:FAKE-password@a/", Refusal::TargetUserInfo),
        ("http://@a/", Refusal::TargetUserInfo),
    ] {
        assert_eq!(absolute_form(target.as_bytes()), Some(Err(refusal)), "{target}");
    }
}

fn forward(request: &str) -> Result<String, Refusal> {
    let bytes = request.as_bytes();
    let head = request_head(bytes, &Limits::default())?.expect("a complete head");
    let form = absolute_form(head.target.of(bytes)).expect("absolute form")?;
    forwarded_head(bytes, &head, &form).map(|bytes| String::from_utf8(bytes).expect("text"))
}

#[test]
fn a_forwarded_head_differs_in_its_target_and_the_proxy_s_fields_alone() {
    let request = "GET http://a.example/x?y HTTP/1.1\r\nProxy-Connection: keep-alive\r\nhOst:  A.example:80 \r\nX:\r\nx: 1\t\r\n\
                   proxy-authorization: Basic FAKEFAKEFAKE\r\nProxy-Other: 1\r\n\r\nbody stays out";
    assert_eq!(
        forward(request).unwrap(),
        "GET /x?y HTTP/1.1\r\nhOst:  A.example:80 \r\nX:\r\nx: 1\t\r\nProxy-Other: 1\r\n\r\n"
    );
    let last = "\r\nGET http://a HTTP/1.1\r\nHost: a\r\nProxy-Connection:\r\n\r\n";
    assert_eq!(forward(last).unwrap(), "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for (line, expected) in [
        ("GET http://a?q HTTP/1.1", "GET /?q HTTP/1.1"),
        ("OPTIONS http://a HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("OPTIONS http://a/ HTTP/1.1", "OPTIONS / HTTP/1.1"),
        ("OPTIONS http://a?q HTTP/1.1", "OPTIONS /?q HTTP/1.1"),
    ] {
        assert_eq!(forward(&format!("{line}\r\nHost: a\r\n\r\n")).unwrap(), format!("{expected}\r\nHost: a\r\n\r\n"));
    }
    assert_eq!(forward("GET http://A:81/ HTTP/1.0\r\n\r\n").unwrap(), "GET / HTTP/1.0\r\nHost: A:81\r\n\r\n");
}

#[test]
fn a_host_that_is_not_the_target_s_is_refused() {
    for host in ["b", "a:81", "", "a, b", "a@b"] {
        let request = format!("GET http://a/ HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(forward(&request), Err(Refusal::HostMismatch), "{host:?}");
    }
    assert!(forward("GET https://a/ HTTP/1.1\r\nHost: a:443\r\n\r\n").is_ok());
}

#[test]
fn one_authority_in_two_spellings_is_the_same() {
    let same = |one: &str, other: &str| is_same_authority(one.as_bytes(), other.as_bytes(), 443);
    assert!(same("API.example", "api.example:443") && same("[::1]:443", "[::1]"));
    for (one, other) in [("a.example", "b.example"), ("a.example:80", "a.example"), ("", ""), ("a@b", "a@b")] {
        assert!(!same(one, other), "{one} {other}");
    }
}
