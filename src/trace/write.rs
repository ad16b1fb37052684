//! Records as lines of text.
//!
//! Exchanges are nearly all that a trace consists of, and most of an exchange is strings that need no escape: they are
//! written here by hand, field by field as serde would do it. Everything else is left to serde.

use super::exchange::{Exchange, Headers, Request, Response};
use super::record::Record;
use serde::Serialize;
use serde_json::Result;

/// Adds a record as one line of JSON, without the line's end.
///
/// # Errors
/// When serde finds something that JSON cannot say; then a part of the line may have been added.
pub fn write(record: &Record, out: &mut Vec<u8>) -> Result<()> {
    match record {
        Record::Exchange(exchange) => Line(out).exchange(exchange),
        other => serde_json::to_writer(out, other),
    }
}

struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    // Each is taken apart whole, so that no part of it can be forgotten.

    fn exchange(&mut self, exchange: &Exchange) -> Result<()> {
        let Exchange {
            id,
            connection,
            lane,
            peer,
            at,
            request,
            credentials,
            response,
            error,
            request_ids,
            oauth,
            sse,
            timing,
            origin,
            passage,
            end,
        } = exchange;
        self.raw(r#"{"record":"exchange","id":"#).value(id)?;
        self.raw(r#","connection":"#).value(connection)?;
        self.raw(r#","lane":"#).text(lane.as_str())?;
        self.maybe(r#","peer":"#, peer.as_ref())?;
        self.raw(r#","at":"#).value(at)?;
        self.request(request)?;
        self.maybe(r#","credentials":"#, Some(credentials).filter(|sent| !sent.is_empty()))?;
        if let Some(response) = response {
            self.response(response)?;
        }
        self.maybe(r#","error":"#, error.as_ref())?;
        self.maybe(r#","request_ids":"#, Some(request_ids).filter(|ids| !ids.is_empty()))?;
        self.maybe(r#","oauth":"#, oauth.as_ref())?;
        self.maybe(r#","sse":"#, sse.as_ref())?;
        self.raw(r#","timing":"#).value(timing)?;
        self.raw(r#","origin":"#).value(origin)?;
        self.maybe(r#","passage":"#, passage.as_ref())?;
        self.raw(r#","end":"#).value(end)?;
        self.raw("}");
        Ok(())
    }

    fn request(&mut self, request: &Request) -> Result<()> {
        let Request { method, scheme, host, port, path, version, headers, body_bytes, trailers } = request;
        self.raw(r#","request":{"method":"#).text(method.as_str())?;
        self.raw(r#","scheme":"#).text(scheme.as_str())?;
        self.raw(r#","host":"#).text(host.as_str())?;
        self.raw(r#","port":"#).value(port)?;
        self.raw(r#","path":"#).text(path.as_str())?;
        self.raw(r#","version":"#).text(version.as_str())?;
        self.headers(headers)?;
        self.raw(r#","body_bytes":"#).value(body_bytes)?;
        self.maybe(r#","trailers":"#, Some(trailers).filter(|fields| !fields.is_empty()))?;
        self.raw("}");
        Ok(())
    }

    fn response(&mut self, response: &Response) -> Result<()> {
        let Response { status, version, interim, headers, body_bytes, trailers } = response;
        self.raw(r#","response":{"status":"#).value(status)?;
        self.raw(r#","version":"#).text(version.as_str())?;
        self.maybe(r#","interim":"#, Some(interim).filter(|statuses| !statuses.is_empty()))?;
        self.headers(headers)?;
        self.raw(r#","body_bytes":"#).value(body_bytes)?;
        self.maybe(r#","trailers":"#, Some(trailers).filter(|fields| !fields.is_empty()))?;
        self.raw("}");
        Ok(())
    }

    fn headers(&mut self, headers: &Headers) -> Result<()> {
        self.raw(r#","headers":["#);
        for (at, field) in headers.iter().enumerate() {
            self.raw(if at == 0 { r#"{"name":"# } else { r#",{"name":"# }).text(field.name.as_str())?;
            self.raw(r#","value":"#).text(field.value.as_str())?;
            self.raw("}");
        }
        self.raw("]");
        Ok(())
    }

    fn raw(&mut self, json: &'static str) -> &mut Self {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    fn text(&mut self, text: &str) -> Result<()> {
        if needs_escape(text) {
            return self.value(text);
        }
        self.0.push(b'"');
        self.0.extend_from_slice(text.as_bytes());
        self.0.push(b'"');
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        serde_json::to_writer(&mut *self.0, value)
    }

    fn maybe<T: Serialize>(&mut self, key: &'static str, value: Option<&T>) -> Result<()> {
        value.map_or(Ok(()), |value| self.raw(key).value(value))
    }
}

/// RFC 8259 §7. All bytes are looked at, so that the processor can look at many at once.
fn needs_escape(text: &str) -> bool {
    text.bytes().fold(false, |found, byte| found | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;
    use proptest::prelude::*;

    /// With everything that an exchange can have.
    const FULL: &str = r#"{"record":"exchange","id":1,"connection":2,"lane":"main","peer":{"pid":7,"program":"claude"},
        "at":"2026-11-20T11:14:01.000Z","request":{"method":"POST","scheme":"https","host":"platform.claude.com","port":443,
        "path":"/v1/oauth/token","version":"HTTP/1.1","headers":[{"name":"Content-Type","value":"application/json"},
        {"name":"www-authenticate","value":"Bearer realm=\"OAuth\""}],"body_bytes":9,"trailers":[{"name":"etag","value":"\\"}]},
        "credentials":[{"place":"body.refresh_token","kind":"oauth-refresh","len":108,"fp":"77aa10fe","prefix":"ort01"}],
        "response":{"status":401,"version":"HTTP/1.1","interim":[100,103],"headers":[],"body_bytes":5,
        "trailers":[{"name":"date","value":"Fri, 20 Nov 2026 11:14:04 GMT"}]},"error":{"shape":"api","type":"authentication_error",
        "message":"Invalid bearer token","tone":"auth"},"request_ids":{"header":"req_011CFAKEmadeUp0000000"},"oauth":{"grant_type":"refresh_token"},
        "sse":{"events":2,"followed":true},"timing":{"send_us":1,"total_us":2,"added_us":0},"origin":"upstream",
        "passage":{"request":{"head":"verbatim","whole":true,"read":{"bytes":9,"digest":"b78f5ac1"},"written":{"bytes":9,"digest":"b78f5ac1"}}},
        "end":{"outcome":"client_abort","stage":"wait","detail":"the client left"}}"#;
    const BARE: &str = r#"{"record":"exchange","id":3,"connection":0,"lane":"main","at":"2026-11-20T11:14:01.000Z",
        "request":{"method":"GET","scheme":"https","host":"api.anthropic.com","port":443,"path":"/","version":"HTTP/2","headers":[],
        "body_bytes":0},"timing":{"send_us":1,"total_us":2,"added_us":0},"origin":"authtrace","end":{"outcome":"complete"}}"#;
    const OTHER: &str = r#"{"record":"gap","at":"2026-11-20T11:14:01.000Z","lost":3,"cause":"the disk is full"}"#;

    fn written(record: &Record) -> String {
        let mut out = Vec::new();
        write(record, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_what_serde_makes_of_the_record() {
        for text in [FULL, BARE, OTHER] {
            let record: Record = serde_json::from_str(text).unwrap();
            let line = serde_json::to_string(&record).unwrap();
            assert_eq!(written(&record), line);
        }
        // Nothing of the first one is left out, or the comparison would say less than it seems to.
        let keys = |text: &str| text.matches("\":").count();
        assert_eq!(keys(&written(&serde_json::from_str(FULL).unwrap())), keys(FULL));
    }

    proptest! {
        #[test]
        fn text_is_escaped_where_it_must_be(text in "\\PC{0,40}|[ -~\\x00-\\x1f]{0,40}") {
            let mut record: Record = serde_json::from_str(FULL).unwrap();
            let Record::Exchange(exchange) = &mut record else { panic!("no exchange") };
            let exchange = std::sync::Arc::make_mut(exchange);
            exchange.lane = Redactor::plain().message(&text);
            exchange.request.path = exchange.lane.clone();
            prop_assert_eq!(written(&record), serde_json::to_string(&record).unwrap());
            let mut out = Vec::new();
            Line(&mut out).text(&text).unwrap();
            prop_assert_eq!(out, serde_json::to_vec(&text).unwrap());
        }
    }
}
