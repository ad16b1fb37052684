//! Heads: the first line and the fields of a request or response.

use memchr::{memchr, memrchr};

use super::fields::{self, Lines, Meaning, is_token_byte};
use super::{Field, Framing, Limits, Refusal, Span};

/// A request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    /// Bytes of the head from the start of the buffer: empty lines before it and the empty line after it included.
    pub len: usize,
    /// The method, case-sensitive.
    pub method: Span,
    /// The request target, in whichever form: visible ASCII, not empty.
    pub target: Span,
    /// 0 or 1, of HTTP/1.0 and HTTP/1.1.
    pub minor_version: u8,
    /// The field lines in order, repeated ones too.
    pub fields: Vec<Field>,
    /// How the body is framed; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the client means to send another request after this one (RFC 9112 §9.3).
    pub persistent: bool,
    /// Whether the client may wait for a 100 before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// Whether the client asks for another protocol, with both `Upgrade` and `Connection: upgrade` (RFC 9110 §7.8).
    pub upgrade: bool,
    /// The value of `Host`. A missing one is not refused here, as it leaves no doubt where the message ends.
    pub host: Option<Span>,
}

impl RequestHead {
    /// What of this request decides how its response is read; `buf` is the buffer the head was read from.
    #[must_use]
    pub fn context(&self, buf: &[u8]) -> RequestContext {
        let method = self.method.of(buf);
        RequestContext { head: method == b"HEAD", connect: method == b"CONNECT", upgrade_requested: self.upgrade }
    }
}

/// What of a request decides how its response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestContext {
    /// The method was HEAD.
    pub head: bool,
    /// The method was CONNECT.
    pub connect: bool,
    /// [`RequestHead::upgrade`] was true.
    pub upgrade_requested: bool,
}

/// What a response is to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseKind {
    /// 1xx but 101: no body, and another response to the same request follows.
    Informational,
    /// The answer.
    Final,
    /// 101 to an upgrade request, or 2xx to CONNECT: what follows the head is no longer HTTP/1.x.
    Switched,
}

/// A response's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    /// Bytes of the head, the empty line after it included.
    pub len: usize,
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase, often empty.
    pub reason: Span,
    /// 0 or 1, of HTTP/1.0 and HTTP/1.1.
    pub minor_version: u8,
    /// The field lines in order, repeated ones too.
    pub fields: Vec<Field>,
    /// How the body is framed. [`Framing::None`] whatever the fields say for HEAD, 1xx, 204 and 304 (RFC 9112 §6.3).
    pub framing: Framing,
    /// Whether the connection may carry another response after this one (RFC 9112 §9.3).
    pub persistent: bool,
    /// What it is to its request.
    pub kind: ResponseKind,
}

/// Reads a request head in one go; `None` if it is not complete. For a buffer that grows in small steps use [`HeadReader`],
/// as this looks at the whole buffer in every call.
///
/// # Errors
/// What [`HeadReader::request`] refuses.
pub fn request_head(buf: &[u8], limits: &Limits) -> Result<Option<RequestHead>, Refusal> {
    HeadReader::default().request(buf, limits)
}

/// Reads a response head in one go; otherwise as [`request_head`].
///
/// # Errors
/// What [`HeadReader::response`] refuses.
pub fn response_head(buf: &[u8], cx: RequestContext, limits: &Limits) -> Result<Option<ResponseHead>, Refusal> {
    HeadReader::default().response(buf, cx, limits)
}

/// Reads heads from a buffer that grows. Every line is read once, when its end has arrived: a head that comes byte by byte costs
/// no more than one that comes whole, and a bad line is refused without waiting for the rest.
///
/// One reader serves one direction of a connection, head after head. Until a head is complete, every call must be given the buffer
/// of the call before with bytes added at its end.
#[derive(Debug, Default)]
pub struct HeadReader {
    lines: Lines,
    empty_lines: u8,
    start_line: Option<StartLine>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone, Copy)]
enum StartLine {
    Request { method: Span, target: Span, minor_version: u8 },
    Status { status: u16, reason: Span, minor_version: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Response,
}

/// Empty lines a server skips before a request line (RFC 9112 §2.2 asks for one at least).
const EMPTY_LINES: u8 = 2;

/// Fields to have room for from the start; a usual head then allocates once.
const USUAL_FIELDS: usize = 32;

impl HeadReader {
    /// The request head at the start of `buf`; `None` if it is not complete.
    ///
    /// # Errors
    /// The head is malformed, too large, or leaves doubt about where its body ends. The connection cannot be read any further.
    pub fn request(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<RequestHead>, Refusal> {
        let Some(len) = self.read(buf, Kind::Request, limits)? else {
            return Ok(None);
        };
        let (start_line, fields) = self.finish();
        let Some(StartLine::Request { method, target, minor_version }) = start_line else {
            return Err(Refusal::BadStartLine);
        };
        let meaning = Meaning::of(buf, &fields, minor_version)?;
        let framing = match meaning.length {
            _ if meaning.chunked => Framing::Chunked,
            Some(0) | None => Framing::None,
            Some(length) => Framing::Length(length),
        };
        if framing != Framing::None && method.of(buf) == b"CONNECT" {
            return Err(Refusal::ConnectWithBody);
        }
        Ok(Some(RequestHead {
            len,
            method,
            target,
            minor_version,
            fields,
            framing,
            persistent: meaning.persistent,
            expects_continue: meaning.expects_continue,
            upgrade: meaning.upgrade,
            host: meaning.host,
        }))
    }

    /// The response head at the start of `buf`; `None` if it is not complete.
    ///
    /// # Errors
    /// As [`HeadReader::request`]; also a 101 nobody asked for.
    pub fn response(
        &mut self,
        buf: &[u8],
        cx: RequestContext,
        limits: &Limits,
    ) -> Result<Option<ResponseHead>, Refusal> {
        let Some(len) = self.read(buf, Kind::Response, limits)? else {
            return Ok(None);
        };
        let (start_line, fields) = self.finish();
        let Some(StartLine::Status { status, reason, minor_version }) = start_line else {
            return Err(Refusal::BadStartLine);
        };
        let meaning = Meaning::of(buf, &fields, minor_version)?;
        let kind = match status {
            101 if cx.upgrade_requested && meaning.upgrade => ResponseKind::Switched,
            101 => return Err(Refusal::UnsolicitedUpgrade),
            100..=199 => ResponseKind::Informational,
            200..=299 if cx.connect => ResponseKind::Switched,
            _ => ResponseKind::Final,
        };
        let framing = match meaning.length {
            _ if kind != ResponseKind::Final || cx.head || matches!(status, 204 | 304) => Framing::None,
            _ if meaning.chunked => Framing::Chunked,
            Some(0) => Framing::None,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        let persistent = meaning.persistent && framing != Framing::UntilClose && kind != ResponseKind::Switched;
        Ok(Some(ResponseHead { len, status, reason, minor_version, fields, framing, persistent, kind }))
    }

    /// Takes the fields of a head that is done with, so that the next head needs no new memory.
    pub fn recycle(&mut self, mut fields: Vec<Field>) {
        if self.fields.capacity() == 0 {
            fields.clear();
            self.fields = fields;
        }
    }

    /// Reads what lines there are; the length of the head once its last, empty line has been read.
    fn read(&mut self, buf: &[u8], kind: Kind, limits: &Limits) -> Result<Option<usize>, Refusal> {
        let most = limits.head.min(u32::MAX as usize);
        let buf = buf.get(..most).unwrap_or(buf);
        while let Some(line) =
            self.lines.next(buf).map_err(|refusal| self.first_line_too_long(limits).err().unwrap_or(refusal))?
        {
            if self.start_line.is_none() {
                if line.is_empty() && kind == Kind::Request && self.empty_lines < EMPTY_LINES {
                    self.empty_lines += 1;
                    continue;
                }
                if line.of(buf).len() > limits.start_line {
                    return Err(Refusal::StartLineTooLong);
                }
                self.start_line = Some(match kind {
                    Kind::Request => request_line(buf, line)?,
                    Kind::Response => status_line(buf, line)?,
                });
                if self.fields.capacity() == 0 {
                    self.fields.reserve(USUAL_FIELDS);
                }
            } else if line.is_empty() {
                return Ok(Some(self.lines.start));
            } else {
                fields::push(&mut self.fields, buf, line, limits)?;
            }
        }
        if self.start_line.is_none() {
            self.first_line_too_long(limits)?;
            let begun = buf.get(self.lines.start..self.lines.clean).unwrap_or_default();
            let plausible = match kind {
                Kind::Request => begun.first().is_none_or(|&b| is_token_byte(b)),
                Kind::Response => b"HTTP/".iter().zip(begun).all(|(want, have)| want == have),
            };
            if !plausible {
                return Err(Refusal::BadStartLine);
            }
        }
        if buf.len() >= most { Err(Refusal::HeadTooLarge) } else { Ok(None) }
    }

    fn first_line_too_long(&self, limits: &Limits) -> Result<(), Refusal> {
        let too_long =
            self.start_line.is_none() && self.lines.clean.saturating_sub(self.lines.start) > limits.start_line;
        if too_long { Err(Refusal::StartLineTooLong) } else { Ok(()) }
    }

    /// Hands out what was read and makes ready for the next head.
    fn finish(&mut self) -> (Option<StartLine>, Vec<Field>) {
        let done = std::mem::take(self);
        (done.start_line, done.fields)
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3), with single spaces.
fn request_line(buf: &[u8], line: Span) -> Result<StartLine, Refusal> {
    let text = line.of(buf);
    let (Some(first), Some(last)) = (memchr(b' ', text), memrchr(b' ', text)) else {
        return Err(Refusal::BadStartLine);
    };
    let method = text.get(..first).unwrap_or_default();
    let target = text.get(first + 1..last).unwrap_or_default();
    let is_method = !method.is_empty() && method.iter().all(|&b| is_token_byte(b));
    if !is_method || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Refusal::BadStartLine);
    }
    let minor_version = minor_version(text.get(last + 1..).unwrap_or_default())?;
    let at = line.start as usize;
    Ok(StartLine::Request {
        method: Span::new(at, at + first),
        target: Span::new(at + first + 1, at + last),
        minor_version,
    })
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4); the space after the code may be missing if the phrase is.
fn status_line(buf: &[u8], line: Span) -> Result<StartLine, Refusal> {
    let text = line.of(buf);
    let version_end = memchr(b' ', text).ok_or(Refusal::BadStartLine)?;
    let minor_version = minor_version(text.get(..version_end).unwrap_or_default())?;
    let (code, rest) =
        text.get(version_end + 1..).and_then(|rest| rest.split_at_checked(3)).ok_or(Refusal::BadStartLine)?;
    let is_text = |b: &u8| *b == b'\t' || (*b >= 0x20 && *b != 0x7f);
    if !code.iter().all(u8::is_ascii_digit) || !matches!(rest.first(), None | Some(b' ')) || !rest.iter().all(is_text) {
        return Err(Refusal::BadStartLine);
    }
    let status = code.iter().fold(0, |number: u16, digit| number * 10 + u16::from(digit - b'0'));
    if status < 100 {
        return Err(Refusal::BadStatus);
    }
    let end = line.end as usize;
    let reason = Span::new(end - rest.len().saturating_sub(1), end);
    Ok(StartLine::Status { status, reason, minor_version })
}

fn minor_version(text: &[u8]) -> Result<u8, Refusal> {
    match text {
        b"HTTP/1.1" => Ok(1),
        b"HTTP/1.0" => Ok(0),
        [b'H', b'T', b'T', b'P', b'/', major] if major.is_ascii_digit() => Err(Refusal::UnsupportedVersion),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Refusal::UnsupportedVersion)
        }
        _ => Err(Refusal::BadStartLine),
    }
}
