//! Bodies: which bytes belong to a message, and which of those are payload.

use std::ops::Range;

use super::fields::{self, Lines};
use super::{Framing, Limits, Refusal};

/// What the next bytes of a body are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Nothing can be passed on before more bytes arrive. The next call must be given these bytes again, with more after them.
    NeedMore,
    /// Bytes that may be passed on now.
    Data {
        /// How many, from the start of the buffer; at least one.
        take: usize,
        /// Which of them are payload; the others are the chunked coding's. May be empty.
        payload: Range<usize>,
    },
    /// The last bytes of the message, and its end. Whatever follows belongs to the next message.
    End {
        /// How many bytes, from the start of the buffer; may be 0.
        take: usize,
        /// Which of them are the trailer section's field lines, each with its CRLF; see [`field_lines`](super::field_lines).
        trailers: Range<usize>,
    },
}

/// Follows the body of one message. Every call is given the bytes that were not yet taken.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    limits: Limits,
}

#[derive(Debug)]
enum State {
    Done,
    Length(u64),
    UntilClose,
    /// Before a chunk's size.
    ChunkLine(Lines),
    ChunkData(u64),
    /// Before the CRLF after a chunk's data.
    ChunkEnd,
    /// After the line of the last chunk.
    Trailers(Lines, usize),
}

impl BodyReader {
    /// A reader for the body after a head with this framing.
    #[must_use]
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine(Lines::default()),
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, limits: *limits }
    }

    /// Whether the message is complete, so that no byte more belongs to it.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// What the bytes at the start of `buf` are. A part ends where a chunk or the buffer does, whichever is first.
    ///
    /// # Errors
    /// The chunked coding is broken, or a limit exceeded. Bytes taken before may have been passed on; the message cannot be completed.
    pub fn next(&mut self, buf: &[u8]) -> Result<Part, Refusal> {
        match &mut self.state {
            State::Done => Ok(Part::End { take: 0, trailers: 0..0 }),
            _ if buf.is_empty() => Ok(Part::NeedMore),
            State::UntilClose => Ok(Part::Data { take: buf.len(), payload: 0..buf.len() }),
            State::Length(left) => {
                let take = at_most(*left, buf.len());
                *left -= take as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                Ok(Part::Data { take, payload: 0..take })
            }
            _ => self.chunked(buf),
        }
    }

    /// What it means that the peer closed the connection after the last byte taken.
    ///
    /// # Errors
    /// The message is not complete.
    pub fn at_eof(&mut self) -> Result<(), Refusal> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(Refusal::Truncated),
        }
    }

    /// The chunked coding of RFC 9112 §7.1. `at` counts the framing bytes that are read and can be taken.
    fn chunked(&mut self, buf: &[u8]) -> Result<Part, Refusal> {
        let mut at = 0;
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            match &mut self.state {
                State::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::ChunkLine(Lines::default());
                    }
                    [] | [b'\r'] => return Ok(framing(at)),
                    _ => return Err(Refusal::BadChunkEnd),
                },
                State::ChunkLine(lines) => match chunk_line(lines, rest, &self.limits) {
                    Ok(Some((size, len))) => {
                        at += len;
                        self.state = match size {
                            0 => State::Trailers(Lines::default(), 0),
                            size => State::ChunkData(size),
                        };
                    }
                    Ok(None) => return Ok(framing(at)),
                    Err(refusal) => return Err(refusal),
                },
                State::ChunkData(left) => {
                    let payload = at..at + at_most(*left, rest.len());
                    let mut take = payload.end;
                    *left -= payload.len() as u64;
                    if *left == 0 {
                        self.state = State::ChunkEnd;
                        if buf.get(take..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
                            take += 2;
                            self.state = State::ChunkLine(Lines::default());
                        }
                    }
                    return Ok(if take > 0 { Part::Data { take, payload } } else { Part::NeedMore });
                }
                State::Trailers(lines, count) => match trailers(lines, count, rest, &self.limits)? {
                    Some((end, len)) => {
                        self.state = State::Done;
                        return Ok(Part::End { take: at + len, trailers: at..at + end });
                    }
                    None => return Ok(framing(at)),
                },
                State::Done | State::Length(_) | State::UntilClose => return Ok(framing(at)),
            }
        }
    }
}

fn framing(take: usize) -> Part {
    if take > 0 { Part::Data { take, payload: take..take } } else { Part::NeedMore }
}

fn at_most(left: u64, available: usize) -> usize {
    usize::try_from(left).map_or(available, |left| left.min(available))
}

/// `chunk-size [ chunk-ext ] CRLF`: the size and the length of the line with its end.
///
/// Of the extensions only what cannot hide a line end is asked: no control characters. White space between size and extensions,
/// which the grammar of RFC 9112 §7.1.1 bears with, is refused, as readers disagree about it.
fn chunk_line(lines: &mut Lines, buf: &[u8], limits: &Limits) -> Result<Option<(u64, usize)>, Refusal> {
    let buf = buf.get(..limits.chunk_line.saturating_add(2)).unwrap_or(buf);
    let found = lines.next(buf).map_err(|_| Refusal::BadChunkLine);
    let length = match &found {
        Ok(Some(line)) => line.of(buf).len(),
        _ => lines.clean,
    };
    if length > limits.chunk_line {
        return Err(Refusal::ChunkLineTooLong);
    }
    let Some(line) = found? else {
        let hopeless = buf.first().is_some_and(|first| !first.is_ascii_hexdigit());
        return if hopeless { Err(Refusal::BadChunkSize) } else { Ok(None) };
    };
    let text = line.of(buf);
    let digits = text.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(text.len());
    let (size, rest) = text.split_at_checked(digits).ok_or(Refusal::BadChunkSize)?;
    let size = chunk_size(size)?;
    match rest.first() {
        None => {}
        Some(b';') if rest.iter().all(|&b| b == b'\t' || (b >= 0x20 && b != 0x7f)) => {}
        Some(b';' | b' ' | b'\t') => return Err(Refusal::BadChunkLine),
        Some(_) => return Err(Refusal::BadChunkSize),
    }
    Ok(Some((size, lines.start)))
}

fn chunk_size(digits: &[u8]) -> Result<u64, Refusal> {
    // 16 digits fit in 64 bits. Above 2^63 − 1 readers with signed sizes go wrong.
    if digits.is_empty() || digits.len() > 16 {
        return Err(Refusal::BadChunkSize);
    }
    let size =
        digits.iter().try_fold(0_u64, |size, &digit| Some(size << 4 | u64::from(char::from(digit).to_digit(16)?)));
    size.filter(|&size| size <= i64::MAX as u64).ok_or(Refusal::BadChunkSize)
}

/// The trailer section: the length of its field lines, and with the empty line after them.
fn trailers(
    lines: &mut Lines,
    count: &mut usize,
    buf: &[u8],
    limits: &Limits,
) -> Result<Option<(usize, usize)>, Refusal> {
    let buf = buf.get(..limits.trailers).unwrap_or(buf);
    while let Some(line) = lines.next(buf)? {
        if line.is_empty() {
            return Ok(Some((line.start as usize, lines.start)));
        }
        *count += 1;
        if *count > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        fields::check(line.of(buf))?;
    }
    if buf.len() >= limits.trailers { Err(Refusal::TrailersTooLarge) } else { Ok(None) }
}
