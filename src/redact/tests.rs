//! Properties over all rules at once: idempotence, no trace of the secret, and canaries in every place.

use proptest::prelude::*;

use super::*;

const BODY: &str = "[A-Za-z0-9_-]{40,90}";

fn redactor() -> Redactor {
    Redactor::new(Options::default().with_key([7; 32])).unwrap()
}

/// All that is written of a secret in many places; `{}` is where it stands.
fn traces(r: &Redactor, secret: &str) -> Vec<String> {
    const HEADERS: &[(&str, &str)] = &[
        ("authorization", "Bearer {}"),
        ("Authorization", "bearer {}"),
        ("AUTHORIZATION", "{}"),
        ("authorization", "Bearer Bearer {}"),
        ("authorization", "Digest username=\"{}\", realm=\"corp\", nonce={}, {}"),
        ("authorization", "{} {}"),
        ("authorization", "Bearer \"{}\""),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential={}/20260901/us-east-1/bedrock/aws4_request, SignedHeaders=host;{}, Signature={}",
        ),
        ("proxy-authorization", "Basic {}"),
        ("x-api-key", "{}"),
        ("x-api-key", "\"{}\""),
        ("cookie", "sessionKey={}; {}=1; a={}"),
        ("set-cookie", "sid={}; Path=/{}; Domain={}.com; Secure; {}"),
        ("api-key", "{}"),
        ("x-goog-api-key", "{}"),
        ("mcp-session-id", "{}"),
        ("x-amz-security-token", "{}"),
        ("cf-access-client-secret", "{}"),
        ("helicone-auth", "Bearer {}"),
        ("sec-websocket-protocol", "a, {}"),
        ("user-agent", "claude-cli/2.1.328 (external, {})"),
        ("user-agent", "{}"),
        ("anthropic-beta", "oauth-2025-04-20,{}"),
        ("request-id", "{}"),
        ("etag", "\"{}\""),
        ("referer", "https://claude.ai/{}?a={}#{}"),
        ("location", "https://{}@claude.ai/callback?code={}&state={}"),
        ("via", "1.1 {}"),
        ("server", "{}"),
        ("content-type", "multipart/form-data; boundary={}"),
        ("content-type", "application/json; charset={}"),
        ("host", "{}.anthropic.com"),
        ("www-authenticate", "Bearer realm=\"{}\", error=\"invalid_token\", error_description=\"bad {}\", {}"),
        ("accept", "{}"),
        ("accept-encoding", "gzip, {}"),
        ("content-length", "{}"),
        ("date", "{}"),
        ("retry-after", "{}"),
        ("cf-ray", "{}"),
        ("x-made-up", "{}"),
        ("{}", "{}"),
        ("connection", "close, {}"),
        ("anthropic-organization-id", "{}"),
        ("x-stainless-os", "{}"),
        ("x-claude-code-session-id", "{}"),
        ("link", "<https://{}>; rel=next"),
    ];
    const PATHS: &[&str] = &[
        "/{}",
        "/v1/messages?beta={}",
        "/v1/messages?{}=true",
        "/callback?code={}&state={}",
        "/v1/{}/x",
        "https://{}.com/",
        "https://u:{}@claude.ai/",
        "/api/eval/sdk-{}",
        "/x#{}",
        "/oauth/authorize?redirect_uri=https%3A%2F%2Fclaude.ai%2F{}",
        "/v1/sessions/session_{}",
        "{}",
        "//{}//",
        "/?{}",
        "/oauth/authorize?scope=user:profile+{}",
        "/model/{}/invoke",
        "/v1/messages?x=%22{}&y={}",
        "/authorize?redirect_uri=http://localhost:80/{}?{}",
    ];
    const MESSAGES: &[&str] = &[
        "{}",
        "token {} is invalid",
        "bad ({})",
        "key={}",
        "{\"error\":\"{}\"}",
        "user:{}@host",
        "https://claude.ai/{}",
        "x-api-key: {}.",
        "'{}'",
        "\u{1b}[1m{}\u{7}",
        "a/{}/b",
        "{},{}",
        "/v1/{}",
        "messages.0.{}",
    ];
    let put = |text: &str| text.replace("{}", secret);
    let mut out = Vec::new();
    for (name, value) in HEADERS {
        for direction in [Direction::Request, Direction::Response] {
            let (name, value) = (put(name), put(value));
            let (shown_name, shown) = r.header(name.as_bytes(), value.as_bytes(), direction);
            let again = r.header(shown_name.as_str().as_bytes(), shown.as_str().as_bytes(), direction);
            assert_eq!((again.0, again.1), (shown_name.clone(), shown.clone()), "{name}: {value}");
            for credential in r.credentials(name.as_bytes(), value.as_bytes()) {
                out.push(serde_json::to_string(&credential.credential).unwrap());
                out.extend(credential.item.map(|item| item.to_string()));
                assert!(shown.as_str().contains(&credential.credential.to_string()), "{name}: {value} {shown}");
            }
            out.push(format!("{shown_name}: {shown}"));
        }
    }
    for path in PATHS {
        let shown = r.path(put(path).as_bytes());
        assert_eq!(r.path(shown.as_str().as_bytes()), shown, "{path}");
        out.push(shown.to_string());
    }
    for message in MESSAGES {
        let shown = r.message(&put(message));
        assert_eq!(r.message(shown.as_str()), shown, "{message}");
        out.push(shown.to_string());
    }
    for host in ["{}", "{}.com", "api.{}.anthropic.com:443"] {
        let shown = r.host(&put(host));
        assert_eq!(r.host(shown.as_str()), shown);
        out.push(shown.to_string());
    }
    for kind in [Kind::Unknown, Kind::OauthCode, Kind::State] {
        out.push(r.credential(secret.as_bytes(), kind).to_string());
    }
    out.extend(
        [r.error_type(secret), r.scope(secret), r.model(secret), r.request_id(secret), r.json_key(secret)]
            .map(|text| text.to_string()),
    );
    out
}

/// Text put together from what the rules look for.
fn fragments() -> impl Strategy<Value = String> {
    let parts = vec![
        "Bearer",
        "Basic ",
        "Digest ",
        "AWS4-HMAC-SHA256 ",
        "Credential=",
        "Signature=",
        "SignedHeaders=",
        "realm=",
        "error=",
        "error_description=",
        "scope=",
        "host;",
        "\"",
        "'",
        ", ",
        ",",
        "; ",
        ";",
        "=",
        "/",
        "//",
        "?",
        "&",
        "#",
        "@",
        ":",
        ".",
        "..",
        " ",
        "  ",
        "\t",
        "\n",
        "‹oat01 len=108 fp=3f9c21ab›",
        "‹len≤32 fp=00000000›",
        "‹host fp=12345678›",
        "‹masked›",
        "‹port›",
        "‹",
        "›",
        "…",
        "%3A",
        "%E2%80%B9",
        "%",
        "\\",
        "\\u0041",
        "https://",
        "http://localhost:",
        "claude.ai",
        ".com",
        "v1",
        "messages",
        "code=",
        "state=",
        "redirect_uri=",
        "model=",
        "beta=true",
        "user:profile",
        "claude-opus-4",
        "FAKEx9y8z7w6",
        "sk-ant-oat01-FAKE",
        "word",
        "401",
        "12",
        "(",
        ")",
        "a",
        "{",
        "}",
        "[",
        "]",
        "multipart/form-data; boundary=",
        "q=0.5",
        "*",
        "sid=",
        "Domain=",
        "-",
        "_",
        "é",
        "user:profile+user:inference",
        "Path=/",
        "null",
        "[::1]",
        "443",
        "claude-cli/2.1.328",
        "gzip",
        "2026-09-01",
        "...",
        "·",
        "\u{1b}[0m",
    ];
    prop::collection::vec(prop::sample::select(parts), 0..14).prop_map(|parts| parts.concat())
}

fn without_fingerprints(text: &str) -> String {
    let mut text = text.to_owned();
    for mark in ["fp=", "\"fp\":\""] {
        let places: Vec<usize> = text.match_indices(mark).map(|(at, _)| at + mark.len()).collect();
        for at in places {
            text.replace_range(at..at + 8, "########");
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn outputs_differ_in_fingerprints_alone(prefix in prop::sample::select(vec!["sk-ant-oat01-FAKE", "sk-ant-api03-FAKE", "sk-ant-ort01-FAKE", "ghp_FAKE", "FAKE7"]), a in BODY, b in BODY) {
        let len = a.len().min(b.len());
        let (a, b) = (format!("{prefix}{}9x", &a[..len]), format!("{prefix}{}9x", &b[..len]));
        let (one, two) = (traces(&redactor(), &a), traces(&redactor(), &b));
        for (one, two) in one.iter().zip(&two) {
            prop_assert_eq!(without_fingerprints(one), without_fingerprints(two));
            for gram in a.as_bytes()[prefix.len()..].windows(6) {
                prop_assert!(!one.contains(std::str::from_utf8(gram).unwrap()), "{}", one);
            }
            prop_assert!(!one.contains("FAKE"), "{}", one);
        }
    }

    #[test]
    fn anything_is_stable_and_never_panics(name in any::<Vec<u8>>(), value in any::<Vec<u8>>(), text in "\\PC{0,200}|[ -~]{0,200}|[a-z ./:=&?#‹›≤\"%-]{0,80}", pieces in fragments()) {
        let r = redactor();
        for value in [value.as_slice(), text.as_bytes(), pieces.as_bytes()] {
            let (n, v) = r.header(&name, value, Direction::Request);
            prop_assert_eq!(r.header(n.as_str().as_bytes(), v.as_str().as_bytes(), Direction::Request), (n, v));
            for (known, _, _) in grammar::RULES {
                let (n, v) = r.header(known.as_bytes(), value, Direction::Response);
                prop_assert_eq!(r.header(n.as_str().as_bytes(), v.as_str().as_bytes(), Direction::Response).1, v, "{}", known);
            }
            let path = r.path(value);
            prop_assert_eq!(r.path(path.as_str().as_bytes()), path);
        }
        for text in [&text, &pieces] {
            let shown = r.message(text);
            prop_assert!(!shown.as_str().chars().any(char::is_control));
            prop_assert_eq!(r.message(shown.as_str()), shown);
            let shown = r.host(text);
            prop_assert_eq!(r.host(shown.as_str()), shown);
            let shown = r.scope(text);
            prop_assert_eq!(r.scope(shown.as_str()), shown);
        }
        r.learn(&value);
        r.learn(text.as_bytes());
        let sealed = r.seal(text.clone());
        prop_assert_eq!(r.seal(sealed.text().to_owned()).hits(), 0);
    }

    #[test]
    fn a_learned_secret_never_leaves_in_json(secret in "FAKE[!-~]{12,60}", before in "\\PC{0,20}", after in "\\PC{0,20}") {
        let r = redactor();
        r.learn(secret.as_bytes());
        let line = serde_json::json!({"a": format!("{before}{secret}{after}"), "b": ["x", {"c": secret}], "n": 12}).to_string();
        let sealed = r.seal(line);
        prop_assert!(serde_json::from_str::<serde_json::Value>(sealed.text()).is_ok());
        let (core, _) = kind::strip(secret.as_bytes());
        prop_assume!(core.len() >= 14);
        let escaped = serde_json::to_string(std::str::from_utf8(core).unwrap()).unwrap();
        prop_assert!(!sealed.text().contains(escaped.trim_matches('"')), "{}", sealed.text());
    }
}

#[test]
fn the_usual_request_stays_readable() {
    let r = redactor();
    for (name, value) in [
        ("Accept", "application/json"),
        ("User-Agent", "claude-cli/2.1.328 (external, sdk-cli)"),
        ("X-Stainless-OS", "Linux"),
        ("X-Stainless-Timeout", "600"),
        ("X-Claude-Code-Session-Id", "0f0f0f0f-1111-4222-8333-444444444444"),
        ("anthropic-beta", "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14"),
        ("anthropic-version", "2023-06-01"),
        ("x-app", "cli"),
        ("Host", "api.anthropic.com"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Content-Length", "12345"),
        ("Connection", "keep-alive"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("X-Stainless-Runtime-Version", "v24.3.0"),
    ] {
        let (shown_name, shown) = r.header(name.as_bytes(), value.as_bytes(), Direction::Request);
        assert_eq!((shown_name.as_str(), shown.as_str()), (name, value));
    }
    for (name, value) in [
        ("request-id", "req_011CvHegk71arbU5WHds1f0I"),
        ("date", "Tue, 01 Sep 2026 08:00:00 GMT"),
        ("server", "cloudflare"),
        ("cf-ray", "8c0ffee0deadbeef-FRA"),
        ("anthropic-ratelimit-unified-status", "allowed"),
        ("anthropic-ratelimit-requests-reset", "2026-09-01T08:00:00Z"),
        ("x-should-retry", "false"),
        ("content-type", "text/event-stream; charset=utf-8"),
        ("retry-after", "12"),
        ("proxy-authenticate", "Basic realm=\"corp\""),
        ("cf-mitigated", "challenge"),
        ("x-amzn-errortype", "UnrecognizedClientException"),
        ("www-authenticate", "Bearer error=\"invalid_token\", scope=\"user:profile\""),
        ("via", "1.1 google"),
    ] {
        assert_eq!(r.header(name.as_bytes(), value.as_bytes(), Direction::Response).1, value, "{name}");
    }
}

#[test]
fn one_token_has_one_fingerprint_wherever_it_stands() {
    let r = redactor();
    let token = format!("sk-ant-oat01-FAKE{}", "aB3".repeat(30));
    let bearer = &r.credentials(b"Authorization", format!("Bearer {token}").as_bytes())[0];
    let key = &r.credentials(b"x-api-key", token.as_bytes())[0];
    let body = r.credential(token.as_bytes(), Kind::Unknown);
    assert_eq!((bearer.credential.fp, key.credential.fp), (body.fp, body.fp));
    assert_eq!(bearer.scheme.as_ref().map(Redacted::as_str), Some("Bearer"));
    assert_eq!(bearer.credential.flags, []);
    assert_eq!(key.credential.flags, [Flag::WrongKindForHeader]);
    let shown = r.header(b"Authorization", format!("Bearer {token}").as_bytes(), Direction::Request).1;
    assert_eq!(shown, format!("Bearer {body}").as_str());
    assert_eq!(r.seal(format!("echo {token}")).hits(), 1);
    assert_eq!(r.secret(&Secret::new(token.into_bytes()), Kind::Unknown), body);
}

#[test]
fn keep_shows_what_the_user_allows_and_refuses_credentials() {
    let keep =
        |name: &str, grammar: &str| Options::default().with_keep([Keep { name: name.into(), grammar: grammar.into() }]);
    let r = Redactor::new(keep("X-Gateway-Region", "[a-z]{2}")).unwrap();
    assert_eq!(r.header(b"x-gateway-region", b"eu", Direction::Response).1, "eu");
    assert!(r.header(b"x-gateway-region", b"eu FAKE", Direction::Response).1.as_str().contains("fp="));
    for name in ["authorization", "X-Api-Key", "set-cookie", "x-my-token", "mcp-session-id"] {
        assert!(matches!(Redactor::new(keep(name, ".*")), Err(RedactError::KeepCredential(_))), "{name}");
    }
    assert!(matches!(Redactor::new(keep("a b", ".*")), Err(RedactError::KeepName(1))));
    for grammar in ["(", "a)|(b"] {
        assert!(matches!(Redactor::new(keep("x-a", grammar)), Err(RedactError::KeepGrammar(1))), "{grammar}");
    }
}

#[test]
fn over_long_values_are_described_by_length_alone_and_panics_are_contained() {
    let r = redactor();
    let long = vec![b'F'; 70_000];
    assert_eq!(r.header(b"x-api-key", &long, Direction::Request).1, "‹too-long len≤131072›");
    assert_eq!(r.path(&long), "‹too-long len≤131072›");
    assert_eq!(guard(|| 1), Some(1));
    assert_eq!(guard(|| -> u8 { panic!("test") }), None);
}

#[test]
fn what_is_read_back_is_redacted_again() {
    let (name, value) = reread::header("authorization", "Bearer ‹oat01 len=108 fp=3f9c21ab›");
    assert_eq!((name.as_str(), value.as_str()), ("authorization", "Bearer ‹oat01 len=108 fp=3f9c21ab›"));
    assert!(!reread::header("authorization", "Bearer hunter2FAKE").1.as_str().contains("FAKE"));
    assert_eq!(reread::text("Invalid bearer token"), "Invalid bearer token");
    assert_eq!(reread::path("/v1/messages?beta=true"), "/v1/messages?beta=true");
    assert_eq!(reread::host("api.anthropic.com"), "api.anthropic.com");
    assert!(!reread::identifier("FAKE", &["a"]).as_str().contains("FAKE"));
}

#[test]
fn a_secret_that_is_spelled_out_does_not_pass() {
    let redactor = Redactor::plain();
    let secret = "sk-ant-api03-FAKEabcdefghijk-lmnopqrstuvwxyz0123456789";
    redactor.learn(secret.as_bytes());
    let pairs = secret.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect::<Vec<_>>();
    let letters = secret.chars().map(String::from).collect::<Vec<_>>();
    for echoed in [pairs.join(" "), letters.join(" "), letters.join("."), pairs.join(", ")] {
        let shown = redactor.message(&format!("key {echoed} is not valid"));
        assert_eq!(shown.as_str(), "‹masked›", "{echoed}");
        assert_eq!(redactor.message(shown.as_str()), shown);
    }
    let plain = "The x-api-key header is not valid for this organization.";
    assert_eq!(redactor.message(plain).as_str(), plain);
}

/// Found by fuzzing: what is shown has to be read as what it is, not as what stood there before.
#[test]
fn broken_lists_and_odd_keys_are_stable() {
    let r = redactor();
    for value in [
        "Bearer error_description=\"bad; FAKEx9y8z7w6, accept-encoding: FAKE, b",
        "Bearer scope=\"user:profile, x",
        "Bearer resource_metadata=\"https://claude.ai/a,b, error=\"c\"",
    ] {
        let shown = r.header(b"www-authenticate", value.as_bytes(), Direction::Response).1;
        assert_eq!(r.header(b"www-authenticate", shown.as_str().as_bytes(), Direction::Response).1, shown, "{value}");
    }
    for path in ["/v1/x?scopE=user:profile+FAKEx9y8z7w6", "/?Redirect_Uri=https://claude.ai/FAKEx9y8z7w6", "/?LIMIT=5"]
    {
        let shown = r.path(path.as_bytes());
        assert_eq!(r.path(shown.as_str().as_bytes()), shown, "{path}");
    }
}

#[test]
fn a_pass_phrase_that_was_seen_is_masked_in_any_case_and_with_anything_between_its_words() {
    for sent in
        ["fake horse staple window", "Fake-Horse-Staple-Window", "fake.horse.staple.window!", "FakeHorseStapleWindow"]
    {
        let r = redactor();
        let _ = r.header(b"x-api-key", sent.as_bytes(), Direction::Request);
        for echo in [
            "FAKE HORSE STAPLE WINDOW",
            "Fake Horse Staple Window",
            "fake horse, staple window",
            "fake-horse staple-window",
        ] {
            let shown = r.message(&format!("No user has the key {echo} here"));
            assert!(!shown.as_str().to_ascii_lowercase().contains("staple"), "{sent} as {echo}: {shown}");
        }
        let other = r.message("No horse is here");
        assert_eq!(other.as_str(), "No horse is here");
    }
}

/// A made-up key is of words that servers use as well: what they say about it stays readable.
#[test]
fn a_key_of_common_words_hides_no_message() {
    for key in ["my-anthropic-api-key", "claude-code-oauth-token", "Invalid bearer token", "anthropic_api_key"] {
        let r = redactor();
        let _ = r.header(b"x-api-key", key.as_bytes(), Direction::Request);
        for message in [
            "Your organization has disabled Claude subscription access for Claude Code · Use an Anthropic API key instead",
            "Invalid authentication credentials",
            "invalid x-api-key, please check your Anthropic API key",
        ] {
            assert_eq!(r.message(message).as_str(), message, "{key}");
        }
    }
}
