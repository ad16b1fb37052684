//! HTTP/1.x as bytes: where a head ends, how its body is framed, which bytes are payload.
//!
//! **In:** the unread bytes of one direction of a connection, contiguous, from the first byte that was not yet passed on.
//! **Out:** how many of them may be passed on, and [spans](Span) saying where method, target, fields, payload and trailers lie in them.
//!
//! The relay passes messages on verbatim, so nothing here rebuilds one; the single exception is [`forwarded_head`], for a request that
//! names its origin in absolute form. Reading is strict: a message that two readers could frame differently (request smuggling,
//! [RFC 9112 §11.2](https://www.rfc-editor.org/rfc/rfc9112#section-11.2)) is refused, never repaired.
//!
//! This room does no I/O, keeps no clock, allocates nothing per body part, and puts no byte of a message into an error.
//!
//! ```
//! use authtrace::wire::{BodyReader, HeadReader, Limits, Part};
//!
//! let limits = Limits::default();
//! let bytes = b"POST /v1/messages HTTP/1.1\r\nHost: api.example\r\nContent-Length: 2\r\n\r\nhi";
//! let head = HeadReader::default().request(bytes, &limits)?.ok_or("incomplete")?;
//! assert_eq!(head.target.of(bytes), b"/v1/messages");
//!
//! let mut body = BodyReader::new(head.framing, &limits);
//! assert_eq!(body.next(&bytes[head.len..])?, Part::Data { take: 2, payload: 0..2 });
//! assert!(body.is_done());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod body;
mod fields;
mod forward;
mod head;
mod refusal;
mod target;

#[cfg(test)]
mod tests;

pub use body::{BodyReader, Part};
pub use fields::{Field, field_lines};
pub use forward::{forwarded_head, is_for_this_proxy, is_same_authority, proxied_head};
pub use head::{HeadReader, RequestContext, RequestHead, ResponseHead, ResponseKind, request_head, response_head};
pub use refusal::Refusal;
pub use target::{AbsoluteForm, Authority, Host, Scheme, absolute_form, connect_target};

/// How large the parts of a message may be, in bytes (`fields`: in field lines). Payload is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The request line or status line, without its line end.
    pub start_line: usize,
    /// The whole head, the empty line that ends it included.
    pub head: usize,
    /// Field lines of a head, and again of a trailer section.
    pub fields: usize,
    /// The line before a chunk: size and extensions, without the line end.
    pub chunk_line: usize,
    /// The trailer section of a chunked body, the empty line that ends it included.
    pub trailers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start_line: 64 << 10, head: 256 << 10, fields: 1024, chunk_line: 4 << 10, trailers: 64 << 10 }
    }
}

/// How the end of a message's body is found ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body: the message ends with its head.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything until the peer closes the connection; responses only.
    UntilClose,
}

/// A range of bytes, counted from the start of the buffer the head was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes meant, or nothing if `bytes` is not the buffer the span belongs to and too short for it.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Whether the span covers no byte.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// Offsets come from buffers clipped to at most `u32::MAX` bytes, so neither conversion saturates.
    fn new(start: usize, end: usize) -> Self {
        let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: clamp(start), end: clamp(end) }
    }
}
