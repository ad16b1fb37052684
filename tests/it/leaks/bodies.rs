//! Places in bodies: the second half of the table.

use super::encodings::{CODINGS, RAW, TEXTUAL};
use super::places::{JSON, Place, answer, api_error, error_body, message, request};
use super::secrets::ALL;

const FORM: &str = "Content-Type: ⟦application/x-www-form-urlencoded⟧\r\n";
const OK: &str = "200 OK";
const TOKEN: &str = "/v1/oauth/token";

pub(crate) fn all() -> Vec<Place> {
    let mut places = logins();
    places.extend(contents());
    places.extend(errors());
    places.extend(streams());
    places
}

fn post(target: &str, fields: &str, body: &str) -> String {
    message("POST", target, fields, body)
}

fn ok(body: &str) -> String {
    answer(OK, JSON, body)
}

fn logins() -> Vec<Place> {
    let asked = r#"{"grant_type":"⟦refresh_token⟧","refresh_token":"«1»","client_id":"⟦9d1c250a-e61b-44d9-88ed-5944d1962f5e⟧","scope":"⟦user:profile user:inference⟧"}"#;
    let granted = r#"{"token_type":"Bearer","access_token":"«2»","refresh_token":"«3»","expires_in":28800,"scope":"⟦user:inference⟧","account":{"uuid":"«4»","email_address":"«5»"},"organization":{"uuid":"«6»","name":"«7»"}}"#;
    let other =
        r#"{"token_type":"Bearer «2»","id_token":"«3»","«4»":"x","scope":"user:inference «5»","device_secret":"«6»"}"#;
    let refused = answer(
        "400 Bad Request",
        JSON,
        r#"{"error":"⟦invalid_grant⟧","error_description":"⟦Refresh token not found or invalid⟧"}"#,
    );
    let echoed = answer(
        "400 Bad Request",
        JSON,
        r#"{"error":"⟦invalid_grant⟧","error_description":"Refresh token «1» not found","error_uri":"https://x.example/«1»"}"#,
    );
    let code = "grant_type=⟦authorization_code⟧&code=«1»&state=«2»&code_verifier=«3»&client_secret=«4»&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fcallback";
    let assertion = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=«1»&client_assertion=«2»&client_id=«3»";
    let form = ["raw", "percent", "percent-twice", "base64", "hex", "upper"];
    let registered = r#"{"client_id":"«1»","client_secret":"«2»","registration_access_token":"«3»","registration_client_uri":"https://x.example/«4»"}"#;
    let device = r#"{"device_code":"«1»","user_code":"«2»","verification_uri_complete":"https://x.example/?c=«3»","interval":5}"#;
    let key = r#"{"raw_key":"«1»","name":"«2»"}"#;
    let active = r#"{"active":true,"username":"«1»","sub":"«2»","client_id":"«3»","scope":"«4»"}"#;
    let saml = r#"<saml:Assertion ID="«1»"><saml:NameID>«2»</saml:NameID></saml:Assertion>"#;
    vec![
        Place::new(
            "body: a refresh",
            TEXTUAL,
            ALL,
            vec![
                (post(TOKEN, JSON, asked), ok(granted)),
                (post(TOKEN, JSON, asked), ok(other)),
                (post(TOKEN, JSON, asked), refused),
                (post(TOKEN, JSON, asked), echoed),
                (
                    post(
                        TOKEN,
                        JSON,
                        r#"{"grant_type":"«1»","«2»":"x","scope":["«3»"],"client_id":{"a":"«4»"},"expires_in":"«5»"}"#,
                    ),
                    ok("{}"),
                ),
                (post(TOKEN, JSON, r#"{"grant_type":"refresh_token","refresh_token":"«1»"#), api_error("no «1»")),
            ],
        ),
        Place::new(
            "body: a code as a form",
            &form,
            ALL,
            vec![
                (post(TOKEN, FORM, code), ok(granted)),
                (post(TOKEN, FORM, assertion), ok(granted)),
                (post(TOKEN, FORM, code), answer(OK, FORM, "access_token=«5»&refresh_token=«6»&scope=«7»")),
                (post("/v1/oauth/token/revoke", FORM, "token=«1»&token_type_hint=refresh_token"), ok("{}")),
                (post("/oauth/introspect", FORM, "token=«5»"), ok(active)),
            ],
        ),
        Place::new(
            "body: registration, device, key, SAML",
            &["raw", "json", "percent", "base64", "hex"],
            ALL,
            vec![
                (
                    post("/register", JSON, r#"{"client_name":"«5»","software_statement":"«6»"}"#),
                    answer("201 Created", JSON, registered),
                ),
                (post("/login/device/code", FORM, "client_id=«4»&device_code=«5»"), ok(device)),
                (post("/api/oauth/claude_cli/create_api_key", JSON, "{}"), ok(key)),
                (
                    post("/login", FORM, "SAMLResponse=«3»&RelayState=«4»"),
                    answer(OK, "Content-Type: text/html\r\n", saml),
                ),
            ],
        ),
    ]
}

fn contents() -> Vec<Place> {
    let user = r#"{"model":"claude-opus-4-1","metadata":{"user_id":"user_«1»_account_«2»_session_«3»"},"messages":[]}"#;
    let prompt = r#"{"messages":[{"role":"user","content":"API_KEY=«1»\n//registry.example/:_authToken=«2»\nmachine x login y password «3»\n-----BEGIN RSA PRIVATE KEY-----\n«4»\nhttps://u:«5»@git.example/r.git /home/«6»/x"}]}"#;
    let nested = r#"{"messages":[{"role":"user","content":"{\"a\":\"{\\\"token\\\":\\\"«1»\\\"}\"}"}]}"#;
    let telemetry = r#"{"events":[{"argv":["--key=«1»"],"env":{"TOKEN":"«2»"},"stack":"at /home/«3»/a.js:1"}]}"#;
    let profile = r#"{"account":{"uuid":"«1»","email":"«2»","full_name":"«3»"},"organization":{"uuid":"«4»"}}"#;
    let sts = r#"{"Credentials":{"AccessKeyId":"«1»","SecretAccessKey":"«2»","SessionToken":"«3»"},"Code":"Success"}"#;
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"key\"; filename=\"«1»\"\r\n\r\n«2»\r\n--b--\r\n";
    let xml = "<AssumeRoleResponse><SecretAccessKey>«1»</SecretAccessKey><SessionToken>«2»</SessionToken></AssumeRoleResponse>";
    let text = ["raw", "json", "base64", "base64-twice", "hex", "bytes", "entities", "wide"];
    vec![
        Place::new(
            "body: prompts, profiles, telemetry",
            &text,
            ALL,
            vec![
                (post("/v1/messages?beta=true", JSON, user), ok("{}")),
                (post("/v1/messages?beta=true", JSON, prompt), api_error("prompt holds «1» and «2»")),
                (post("/v1/messages?beta=true", JSON, nested), ok(nested)),
                (post("/api/event_logging/v2/batch", JSON, telemetry), ok("{}")),
                (message("GET", "/api/oauth/profile", "", ""), ok(profile)),
                (message("GET", "/latest/meta-data/iam/security-credentials/x", "", ""), ok(sts)),
                (
                    post("/", "Content-Type: text/xml\r\n", "Action=AssumeRole&Token=«3»"),
                    answer(OK, "Content-Type: text/xml\r\n", xml),
                ),
                (post("/v1/files", "Content-Type: multipart/form-data; boundary=b\r\n", multipart), ok("{}")),
            ],
        ),
        Place::new(
            "body: binary",
            RAW,
            ALL,
            vec![
                // A field of protobuf: number 1, length-delimited (the length does not matter here).
                (
                    post(
                        "/grpc.Service/Call",
                        "Content-Type: application/x-protobuf\r\n",
                        "\n\u{40}«1»\u{12}\u{20}«2»",
                    ),
                    answer(OK, "Content-Type: application/grpc\r\n", "\0\0\0\0\u{50}\n\u{40}«3»"),
                ),
                (
                    post("/model/x/invoke-with-response-stream", JSON, "{}"),
                    answer(
                        OK,
                        "Content-Type: application/vnd.amazon.eventstream\r\n",
                        "\0\0\0\u{70}\0\0\0\u{20}\u{0b}:event-type\u{7}\0\u{5}chunk{\"bytes\":\"«1 base64»\",\"p\":\"«2»\"}",
                    ),
                ),
                (
                    post("/model/x/invoke-with-response-stream", JSON, "{}"),
                    answer(
                        "403 Forbidden",
                        "Content-Type: application/vnd.amazon.eventstream\r\nx-amzn-ErrorType: «1»\r\n",
                        "\0\0\0\u{70}{\"message\":\"The security token «2» is invalid\"}",
                    ),
                ),
            ],
        ),
        Place::new(
            "body: codings",
            CODINGS,
            ALL,
            vec![
                (
                    request("x-api-key: «1 raw»\r\n"),
                    answer(
                        "401 Unauthorized",
                        "«coding»Content-Type: ⟦application/json⟧\r\n",
                        r#"{"type":"error","error":{"type":"authentication_error","message":"⟦Invalid⟧ key «1 raw» or «2 raw», see \"«3 raw»\""}}"#,
                    ),
                ),
                (
                    post(
                        TOKEN,
                        "«coding»Content-Type: application/json\r\n",
                        r#"{"grant_type":"refresh_token","refresh_token":"«1 raw»","client_id":"«2 raw»"}"#,
                    ),
                    answer(
                        OK,
                        "«coding»Content-Type: application/json\r\n",
                        r#"{"access_token":"«3 raw»","refresh_token":"«4 raw»","expires_in":28800}"#,
                    ),
                ),
                (
                    post(
                        "/v1/messages?beta=true",
                        "«coding»Content-Type: application/json\r\n",
                        r#"{"messages":["«1 raw»"]}"#,
                    ),
                    answer(
                        "403 Forbidden",
                        "«coding»Content-Type: text/html\r\n",
                        "<html><head><title>403 for «2 raw»</title></head><body>key=«3 raw»</body></html>",
                    ),
                ),
                (
                    request(""),
                    answer(
                        "500 Internal Server Error",
                        "«coding»Content-Type: text/plain\r\n",
                        "no access for «1 raw»\nkey=«2 raw»",
                    ),
                ),
            ],
        ),
    ]
}

fn errors() -> Vec<Place> {
    let known = "Authorization: Bearer «1 raw»\r\n";
    let both = |message: &str| vec![(request(known), api_error(message)), (request(""), api_error(message))];
    let html = "<html><head><title>401 for «1» &amp; «2»</title></head><body>«3»</body></html>";
    let page = |fields: &str| (request(fields), answer("401 Unauthorized", "Content-Type: ⟦text/html⟧\r\n", html));
    let plain = |fields: &str| {
        (
            request(fields),
            answer("403 Forbidden", "Content-Type: ⟦text/plain⟧\r\n", "no access for «1»\nkey=«2»&x=/«1»/"),
        )
    };
    let object = |body: &str| (request(""), answer("401 Unauthorized", JSON, body));
    vec![
        Place::new(
            "body: an error that repeats what was sent",
            TEXTUAL,
            ALL,
            [
                both("«1»"),
                both("⟦Invalid bearer token⟧ «1» ⟦for this organization⟧. See «2», or (key=«1»)."),
                both("the key \\\"«1»\\\" is ⟦unknown⟧;token=«1»&x=/«2»/"),
                both("token:«1»,again:'«2»'"),
                both("Account role '«1»' ⟦does not meet requirements for scope⟧ '⟦org:create_api_key⟧'"),
                both("model: ⟦claude-opus-4-1-20250805⟧ «1»/«2»@«3»"),
            ]
            .concat(),
        ),
        Place::new(
            "body: a page or plain text that repeats it",
            TEXTUAL,
            ALL,
            vec![page(known), page(""), plain(known), plain("")],
        ),
        Place::new(
            "body: odd errors",
            &["raw", "json", "percent", "base64", "hex"],
            ALL,
            vec![
                object(r#"{"type":"error","error":{"type":"«1»","message":"x"},"request_id":"req_-«2»"}"#),
                object(r#"{"error":{"type":"api_error","message":{"a":"«1»"},"details":{"error_code":"«2»"}}}"#),
                object(r#"{"detail":"«1»","message":"«2»","errors":[{"message":"«3»"}],"code":"«4»"}"#),
                object(r#"{"error":{"message":"{\"type\":\"error\",\"error\":{\"message\":\"«1»\"}}"}}"#),
                object(r#"{"«1»":{"«2»":"«3»"}}"#),
                object(r#"["«1»",{"error":"«2»"}]"#),
                object(r#"{"type":"error","error":{"type":"⟦authentication_error⟧","message":"token «1»"#),
                object(r#"{"__type":"com.amazon.coral#«1»","Message":"The security token «2» is expired"}"#),
            ],
        ),
    ]
}

fn streams() -> Vec<Place> {
    const EVENTS: &str = "Content-Type: ⟦text/event-stream; charset=utf-8⟧\r\n";
    let stream = "«chunks»event: ⟦message_start⟧\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"«1»\"}}\n\nevent: «2»\nid: «3»\nretry: «1»\ndata: «2»\n\n: «3»\n\nevent: ⟦content_block_delta⟧\ndata: {\"delta\":{\"text\":\"«1»\"}}\n\nevent: ⟦error⟧\ndata: {\"type\":\"error\",\"error\":{\"type\":\"⟦authentication_error⟧\",\"message\":\"the token «2» was ⟦revoked⟧\"}}\n\n";
    let split = "«chunks»event: content_block_delta\ndata: {\"delta\":{\"text\":\"«1 head»\"}}\n\nevent: content_block_delta\ndata: {\"delta\":{\"text\":\"«1 tail»\"}}\n\nevent: ⟦error⟧\ndata: {\"type\":\"error\",\"error\":{\"message\":\"«2 head»\ndata: «2 tail»\"}}\n\n";
    let chunked = |message: &str| format!("«chunks»{}", error_body(message));
    let known = "x-api-key: «1 raw»\r\n";
    let told = |fields: &str, body: &str, head: &str| (request(fields), answer("401 Unauthorized", head, body));
    let text = ["raw", "upper", "json", "percent", "base64", "base64-at-1", "hex", "entities"];
    vec![
        Place::new(
            "body: events",
            &text,
            ALL,
            vec![(request(known), answer(OK, EVENTS, stream)), (request(""), answer(OK, EVENTS, stream))],
        ),
        Place::new(
            "body: split in the middle",
            &["raw", "json", "base64", "hex"],
            ALL,
            vec![
                (request(""), answer(OK, EVENTS, split)),
                told(known, &chunked("token «1» is bad"), JSON),
                told("", &chunked("token «1» is bad, key=«2»"), JSON),
            ],
        ),
    ]
}
