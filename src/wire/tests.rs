//! Value tables and properties of the room.

mod body;
mod framing;
mod head;
mod properties;
mod target;

use super::*;

const NO: RequestContext = RequestContext { head: false, connect: false, upgrade_requested: false };
const LIMITS: Limits =
    Limits { start_line: 64 << 10, head: 256 << 10, fields: 1024, chunk_line: 4 << 10, trailers: 64 << 10 };

fn request(text: impl AsRef<[u8]>) -> Result<Option<RequestHead>, Refusal> {
    request_head(text.as_ref(), &LIMITS)
}

/// A POST with these field lines, each to end in CRLF.
fn with(fields: impl AsRef<[u8]>) -> Result<RequestHead, Refusal> {
    let bytes = [b"POST / HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n"].concat();
    request(bytes).map(|head| head.expect("a complete head"))
}

fn response(text: impl AsRef<[u8]>, cx: RequestContext) -> Result<ResponseHead, Refusal> {
    let bytes = [text.as_ref(), b"\r\n"].concat();
    response_head(&bytes, cx, &LIMITS).map(|head| head.expect("a complete head"))
}
