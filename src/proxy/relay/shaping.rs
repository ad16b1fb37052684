//! Event streams of the upstream that go out otherwise: decoded from their framing, shaped, framed anew.

use super::{Answering, Deferred, Looked, Relay, Stop, current_of, raw_fields, version_of};
use crate::proxy::leg::{Eof, Leg};
use crate::proxy::supervise::{MARK, Next, Shape, ShapeEnd, Shaper, frames, is_event_stream, push_field};
use crate::wire::{self, BodyReader, Limits, Part, Refusal, ResponseHead};
use std::future::Future as _;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;
use tokio::time::{Sleep, sleep};

/// A stream under way.
pub(super) struct Shaping {
    /// Follows the framing that the upstream uses.
    reader: BodyReader,
    shaper: Shaper,
    /// Whether the client gets chunks; else the end of the connection ends the stream.
    chunked: bool,
    /// What goes out after the pause.
    next: Option<(bytes::Bytes, Pin<Box<Sleep>>)>,
    /// Whether the upstream's message is over, and its connection can be used again.
    read_whole: bool,
}

/// Whether an answer is an event stream.
pub(super) fn is_stream(raw: &[u8], head: &ResponseHead) -> bool {
    is_event_stream(value(raw, head, b"content-type"))
}

/// Whether an answer comes without a coding.
pub(super) fn is_plain(raw: &[u8], head: &ResponseHead) -> bool {
    value(raw, head, b"content-encoding").is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

fn value<'a>(raw: &'a [u8], head: &ResponseHead, name: &[u8]) -> Option<&'a [u8]> {
    let field = head.fields.iter().find(|field| field.name.of(raw).eq_ignore_ascii_case(name))?;
    Some(field.value.of(raw))
}

/// A request's head with `Accept-Encoding: identity`, and otherwise as it was.
pub(super) fn without_codings(raw: &[u8]) -> Vec<u8> {
    let Ok(Some(head)) = wire::request_head(raw, &Limits::default()) else { return raw.to_vec() };
    let mut bytes = Vec::with_capacity(raw.len());
    let mut at = 0;
    for field in &head.fields {
        if !field.name.of(raw).eq_ignore_ascii_case(b"accept-encoding") {
            continue;
        }
        bytes.extend_from_slice(raw.get(at..field.value.start as usize).unwrap_or_default());
        bytes.extend_from_slice(b"identity");
        at = field.value.end as usize;
    }
    bytes.extend_from_slice(raw.get(at..).unwrap_or_default());
    bytes
}

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    /// Takes the head of an answer whose stream is shaped, and gives the client one of ours.
    pub(super) fn begin_shaping(&mut self, head: ResponseHead, shape: Shape) {
        let Some(current) = current_of(&mut self.exchanges) else { return };
        let raw = self.down.unread().get(..head.len).unwrap_or_default();
        let chunked = head.minor_version > 0 && head.framing != wire::Framing::UntilClose;
        let mut fields = raw_fields(raw, &head.fields);
        fields.retain(|(name, _)| std::str::from_utf8(name).is_ok_and(|name| !frames(name)));
        fields.push((MARK.as_bytes(), shape.mark().as_bytes()));
        let line_end = raw.windows(2).position(|pair| pair == b"\r\n").map_or(0, |at| at + 2);
        let mut message = raw.get(..line_end).unwrap_or_default().to_vec();
        for (name, value) in &fields {
            push_field(&mut message, name, value);
        }
        match chunked {
            true => push_field(&mut message, b"Transfer-Encoding", b"chunked"),
            false => push_field(&mut message, b"Connection", b"close"),
        }
        message.extend_from_slice(b"\r\n");
        current.tap.answered_by_us(shape.told.clone());
        current.tap.add_held(self.read_down, Instant::now());
        current.tap.response_head(&mut self.extractor, head.status, version_of(head.minor_version), &fields);
        let reader = BodyReader::new(head.framing, &self.limits);
        let read_whole = reader.is_done();
        self.down.discard(head.len);
        self.down.inject(&message);
        self.heads_down.recycle(head.fields);
        let mut shaper = Shaper::new(shape);
        if read_whole {
            shaper.finish(true);
        }
        self.answering = Answering::Shaped(Box::new(Shaping { reader, shaper, chunked, next: None, read_whole }));
    }

    /// Whether more of the stream is not to be read before what was read has gone out.
    pub(super) fn is_shaping_behind(&self) -> bool {
        matches!(&self.answering, Answering::Shaped(shaping) if !shaping.shaper.has_room())
    }

    pub(super) fn look_at_shaped_part(&mut self) -> Result<Looked, Refusal> {
        let Answering::Shaped(shaping) = &mut self.answering else { return Ok(Looked::NeedMore) };
        if !shaping.shaper.has_room() || shaping.read_whole {
            return Ok(Looked::NeedMore);
        }
        let part = shaping.reader.next(self.down.unread())?;
        let over = shaping.reader.is_done();
        let over = match part {
            Part::NeedMore => return Ok(Looked::NeedMore),
            Part::Data { take, payload } => {
                let range = self.down.discard(take);
                shaping.shaper.push(self.down.bytes_at(super::shift(&range, payload)));
                over
            }
            Part::End { take, .. } => {
                self.down.discard(take);
                true
            }
        };
        if over {
            shaping.read_whole = true;
            shaping.shaper.finish(true);
        }
        Ok(Looked::Again)
    }

    /// The upstream stopped sending in the middle of a stream.
    pub(super) fn shaped_stopped(&mut self) {
        let Answering::Shaped(shaping) = &mut self.answering else { return };
        let whole = self.down.eof != Some(Eof::Reset) && shaping.reader.at_eof().is_ok();
        shaping.shaper.finish(whole);
    }

    /// The next piece of the stream. Whether there was one.
    pub(super) fn speak_shaped(&mut self, cx: &mut Context<'_>) -> bool {
        let Answering::Shaped(shaping) = &mut self.answering else { return false };
        if shaping.next.is_none() {
            match shaping.shaper.next() {
                Next::Piece(piece, pause) => shaping.next = Some((piece, Box::pin(sleep(pause)))),
                Next::More => return false,
                Next::End(end) => {
                    self.end_shaping(end);
                    return self.stop.is_none();
                }
            }
        }
        let Some((_, pause)) = &mut shaping.next else { return false };
        if pause.as_mut().poll(cx).is_pending() {
            return false;
        }
        let Some((piece, _)) = shaping.next.take() else { return false };
        if let Some(current) = current_of(&mut self.exchanges) {
            current.tap.count_response(piece.len());
            if current.tap.reads_response() {
                current.tap.response_data(&piece);
            }
        }
        match shaping.chunked {
            true => self.down.inject(&[format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat()),
            false => self.down.inject(&piece),
        }
        true
    }

    fn end_shaping(&mut self, end: ShapeEnd) {
        let Answering::Shaped(shaping) = std::mem::replace(&mut self.answering, Answering::Head) else { return };
        match end {
            ShapeEnd::Cut(cut) => self.stop = Some(Stop::Cut(cut)),
            ShapeEnd::Complete => {
                if shaping.chunked {
                    self.down.inject(b"0\r\n\r\n");
                }
                self.pending_down = Deferred { ended: true, ..Deferred::default() };
                // What is left of the upstream's message is in the way of the next one.
                self.last_word |= !shaping.chunked || !shaping.read_whole;
            }
        }
    }
}
