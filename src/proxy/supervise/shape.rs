//! Event streams of a server that go out otherwise: broken off, ended by an error, slowed down. Pure; whoever has the
//! sockets feeds it and asks for the next piece.

use super::own::BY_SCENARIO;
use crate::policy::{ApiError, Cut};
use crate::redact::Redacted;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// An event of more bytes goes out in pieces.
const LONGEST_EVENT: usize = 1 << 20;
/// Pieces that may wait before the server is not read any further.
const WAITING: usize = 64;

/// What is done to a stream.
#[derive(Clone)]
pub(super) enum How {
    /// It breaks off after so many events.
    Truncate(usize, Cut),
    /// After so many events an error ends it.
    Error(usize, ApiError),
    /// Before each event there is a pause.
    Slow(Duration),
}

/// What is done to the stream of one exchange.
#[derive(Clone)]
pub(in crate::proxy) struct Shape {
    how: How,
    /// Why, for the record.
    pub(in crate::proxy) told: Redacted,
}

impl Shape {
    pub(super) fn new(how: How, told: Redacted) -> Self {
        Self { how, told }
    }

    /// The value of the field that marks the answer.
    pub(in crate::proxy) fn mark(&self) -> &'static str {
        BY_SCENARIO
    }
}

/// How a shaped stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum ShapeEnd {
    /// As a stream ends.
    Complete,
    /// In the middle.
    Cut(Cut),
}

/// Whether a content type is that of an event stream.
pub(in crate::proxy) fn is_event_stream(content_type: Option<&[u8]>) -> bool {
    let media = b"text/event-stream";
    content_type.and_then(|value| value.get(..media.len())).is_some_and(|value| value.eq_ignore_ascii_case(media))
}

/// What goes out next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Next {
    /// This, after a pause.
    Piece(Bytes, Duration),
    /// Nothing before more has come in.
    More,
    /// Nothing any more.
    End(ShapeEnd),
}

/// A stream in the making.
pub(in crate::proxy) struct Shaper {
    how: How,
    /// The beginning of an event.
    partial: Vec<u8>,
    out: VecDeque<Bytes>,
    events: usize,
    end: Option<ShapeEnd>,
}

impl Shaper {
    pub(in crate::proxy) fn new(shape: Shape) -> Self {
        let mut shaper = Self { how: shape.how, partial: Vec::new(), out: VecDeque::new(), events: 0, end: None };
        shaper.check_end();
        shaper
    }

    /// Takes bytes of the server's stream.
    pub(in crate::proxy) fn push(&mut self, data: &[u8]) {
        if self.end.is_some() {
            return;
        }
        self.partial.extend_from_slice(data);
        while self.end.is_none() {
            let Some(length) = event_length(&self.partial) else { break };
            let rest = self.partial.split_off(length);
            self.out.push_back(std::mem::replace(&mut self.partial, rest).into());
            self.events += 1;
            self.check_end();
        }
        if self.partial.len() > LONGEST_EVENT && self.end.is_none() {
            self.out.push_back(std::mem::take(&mut self.partial).into());
        }
    }

    /// The server's stream is over; `whole`: as a stream ends.
    pub(in crate::proxy) fn finish(&mut self, whole: bool) {
        if self.end.is_some() {
            return;
        }
        if !self.partial.is_empty() {
            self.out.push_back(std::mem::take(&mut self.partial).into());
        }
        self.end = Some(if whole { ShapeEnd::Complete } else { ShapeEnd::Cut(Cut::Reset) });
    }

    /// Whether there is room for more of the server's stream.
    pub(in crate::proxy) fn has_room(&self) -> bool {
        self.out.len() < WAITING && self.end.is_none()
    }

    pub(in crate::proxy) fn next(&mut self) -> Next {
        let pause = if let How::Slow(pause) = self.how { pause } else { Duration::ZERO };
        match (self.out.pop_front(), self.end) {
            (Some(piece), _) => Next::Piece(piece, pause),
            (None, Some(end)) => Next::End(end),
            (None, None) => Next::More,
        }
    }

    fn check_end(&mut self) {
        match &self.how {
            How::Truncate(events, cut) if self.events >= *events => self.end = Some(ShapeEnd::Cut(*cut)),
            How::Error(events, error) if self.events >= *events => {
                self.out.push_back(error.event());
                self.end = Some(ShapeEnd::Complete);
            }
            _ => {}
        }
    }
}

/// Bytes up to the end of the first event: behind the first empty line (lines end in CRLF, LF or CR).
fn event_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let (mut empty, mut begun) = (true, false);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'\r' | b'\n' => {
                if *byte == b'\r' && bytes.get(at) == Some(&b'\n') {
                    at += 1;
                }
                // The line feed of a CRLF that is still to come belongs to this line.
                if *byte == b'\r' && at == bytes.len() && bytes.last() == Some(&b'\r') {
                    return None;
                }
                if empty && begun {
                    return Some(at);
                }
                empty = true;
            }
            _ => (empty, begun) = (false, true),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str = "event: a\ndata: 1\n\nevent: b\r\ndata: 2\r\n\r\ndata: 3\n\n";

    fn shape(how: How, pieces: impl Iterator<Item = Vec<u8>>) -> (String, Vec<Duration>, ShapeEnd) {
        let mut shaper = Shaper::new(Shape::new(how, Redacted::literal("told")));
        pieces.for_each(|piece| shaper.push(&piece));
        shaper.finish(true);
        let (mut out, mut pauses) = (Vec::new(), Vec::new());
        loop {
            match shaper.next() {
                Next::Piece(piece, pause) => {
                    out.extend_from_slice(&piece);
                    pauses.push(pause);
                }
                Next::More => panic!("it is over"),
                Next::End(end) => return (String::from_utf8(out).unwrap(), pauses, end),
            }
        }
    }

    fn whole(how: How) -> (String, Vec<Duration>, ShapeEnd) {
        shape(how, std::iter::once(STREAM.as_bytes().to_vec()))
    }

    #[test]
    fn streams_break_off_after_events() {
        for (events, left) in [(0, ""), (1, "event: a\ndata: 1\n\n"), (3, STREAM)] {
            let (out, _, end) = whole(How::Truncate(events, Cut::Close));
            assert_eq!((out.as_str(), end), (left, ShapeEnd::Cut(Cut::Close)));
        }
        assert_eq!(whole(How::Truncate(4, Cut::Close)).2, ShapeEnd::Complete, "it ended before");
    }

    #[test]
    fn an_error_ends_a_stream_and_pauses_stretch_it() {
        let (out, _, end) = whole(How::Error(1, ApiError::unauthorized("no")));
        assert_eq!(
            out,
            "event: a\ndata: 1\n\nevent: error\ndata: {\"error\":{\"message\":\"no\",\"type\":\"authentication_error\"},\"type\":\"error\"}\n\n"
        );
        assert_eq!(end, ShapeEnd::Complete);
        let (out, pauses, _) = whole(How::Slow(Duration::from_millis(7)));
        assert_eq!((out.as_str(), pauses), (STREAM, vec![Duration::from_millis(7); 3]));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_split_does_not_matter(cuts in prop::collection::vec(1_usize..9, 0..40)) {
            let mut rest = STREAM.as_bytes();
            let mut pieces: Vec<Vec<u8>> = Vec::new();
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece.to_vec());
                rest = after;
            }
            pieces.push(rest.to_vec());
            let (out, pauses, end) = shape(How::Slow(Duration::ZERO), pieces.into_iter());
            prop_assert_eq!((out.as_str(), pauses.len(), end), (STREAM, 3, ShapeEnd::Complete));
        }
    }
}
