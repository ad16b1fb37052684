//! Content codings undone while the bytes come, within bounds.
//!
//! Two layers at most. A layer looks at the first bytes before it believes its label: bodies are labelled wrongly often
//! enough, and gzip and zstd name themselves. Decoding works in steps of [`STEP`] bytes of output, so that whoever
//! takes the output can stop at any point, however much the input would expand to.

use super::source::{RawField, values};
use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Write};
use zeroize::{Zeroize, Zeroizing};
use zstd::stream::raw::{DParameter, Decoder as Zstd, Operation};

/// Bytes of output per step.
const STEP: usize = 16 * 1024;

/// Output up to which no ratio is looked at.
const FREE: u64 = 8 * 1024 * 1024;

/// Output per byte of input beyond that: deflate reaches 1,032, text that anyone wrote seldom 50.
const RATIO: u64 = 256;

/// zstd and brotli windows up to 8 MiB, as RFC 8878 §3.1.1.1.2 recommends.
const WINDOW_LOG: u32 = 23;

/// Bytes looked at before a label is believed.
const PEEK: usize = 8;

/// What a `Content-Encoding` member says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    None,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    Unknown,
}

/// Why decoding went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Whoever takes the output has enough.
    Enough,
    /// Not what it was said to be, broken, an unknown coding, or more than is worth following.
    Unreadable,
}

/// Takes decoded bytes; `Err` ends the decoding.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<(), Stop> + 'a;

/// The codings of one body.
pub(super) struct Codings {
    layers: [Layer; 2],
    taken: u64,
    stopped: Option<Stop>,
}

impl Codings {
    /// As `Content-Encoding` names them (RFC 9110 §8.4); the last one named was applied last.
    pub(super) fn of(headers: &[RawField<'_>]) -> Self {
        let mut labels = [Label::None; 2];
        let mut count = 0;
        let members = values(headers, "content-encoding").flat_map(|value| value.split(|b| *b == b','));
        for label in members.map(label).filter(|label| *label != Label::None) {
            labels.rotate_right(1);
            labels[0] = label;
            count += 1;
        }
        let stopped = (count > 2).then_some(Stop::Unreadable);
        Self { layers: labels.map(Layer::new), taken: 0, stopped }
    }

    /// Decodes `data` into `sink`.
    pub(super) fn push(&mut self, data: &[u8], sink: &mut Sink<'_>) -> Result<(), Stop> {
        if let Some(stop) = self.stopped {
            return Err(stop);
        }
        self.taken += data.len() as u64;
        let done = feed(&mut self.layers, data, self.taken, sink);
        self.stopped = done.err();
        done
    }

    /// Gives out what waits for a decision.
    pub(super) fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), Stop> {
        if let Some(stop) = self.stopped {
            return Err(stop);
        }
        let [outer, inner] = &mut self.layers;
        let mut done = outer.settle(self.taken, &mut |out| inner.push(out, self.taken, sink));
        if done.is_ok() {
            done = inner.settle(self.taken, sink);
        }
        self.stopped = done.err();
        done
    }

    /// Whether everything so far could be read.
    pub(super) fn is_readable(&self) -> bool {
        self.stopped != Some(Stop::Unreadable)
    }
}

fn feed(layers: &mut [Layer], data: &[u8], taken: u64, sink: &mut Sink<'_>) -> Result<(), Stop> {
    match layers {
        [] => sink(data),
        [layer, rest @ ..] => layer.push(data, taken, &mut |out| feed(rest, out, taken, sink)),
    }
}

fn label(member: &[u8]) -> Label {
    let member = member.trim_ascii();
    let is = |name: &str| member.eq_ignore_ascii_case(name.as_bytes());
    if member.is_empty() || is("identity") {
        Label::None
    } else if is("gzip") || is("x-gzip") {
        Label::Gzip
    } else if is("deflate") {
        Label::Deflate
    } else if is("br") {
        Label::Brotli
    } else if is("zstd") {
        Label::Zstd
    } else {
        Label::Unknown
    }
}

struct Layer {
    state: State,
    given: u64,
    scratch: Zeroizing<Vec<u8>>,
}

/// Output that is wiped when it has been passed on.
#[derive(Default)]
struct Wiped(Zeroizing<Vec<u8>>);

impl Write for Wiped {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum State {
    Undecided {
        label: Label,
        held: Zeroizing<Vec<u8>>,
    },
    Plain,
    Gzip(Box<MultiGzDecoder<Wiped>>),
    Flate(Box<Decompress>),
    Brotli(Box<Brotli>),
    Zstd(Box<Zstd<'static>>),
    /// The compressed stream has ended; what follows is not part of it.
    Ended,
}

impl Layer {
    fn new(label: Label) -> Self {
        let held = Zeroizing::new(Vec::new());
        Self { state: State::Undecided { label, held }, given: 0, scratch: Zeroizing::new(Vec::new()) }
    }

    fn push(&mut self, data: &[u8], taken: u64, sink: &mut Sink<'_>) -> Result<(), Stop> {
        if let State::Undecided { held, .. } = &mut self.state {
            held.extend_from_slice(data);
            return if held.len() < PEEK { Ok(()) } else { self.settle(taken, sink) };
        }
        self.decode(data, taken, sink)
    }

    /// Decides what the bytes are, and decodes those that waited.
    fn settle(&mut self, taken: u64, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let State::Undecided { label, held } = &mut self.state else {
            return Ok(());
        };
        let held = std::mem::take(held);
        if held.is_empty() {
            return Ok(());
        }
        // As many bytes however they came: where a body is cut must not change what it is taken for.
        self.state = decide(*label, held.get(..PEEK).unwrap_or(&held))?;
        self.decode(&held, taken, sink)
    }

    fn decode(&mut self, data: &[u8], taken: u64, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let Self { state, given, scratch } = self;
        let mut pass = |out: &[u8]| {
            *given += out.len() as u64;
            if *given > FREE && *given > taken.saturating_mul(RATIO) {
                return Err(Stop::Unreadable);
            }
            if out.is_empty() { Ok(()) } else { sink(out) }
        };
        if !matches!(state, State::Plain | State::Gzip(_) | State::Ended) {
            scratch.resize(STEP, 0);
        }
        let ended = match state {
            State::Undecided { .. } => false,
            State::Plain => return sink(data),
            State::Ended => return Ok(()),
            State::Gzip(decoder) => gunzip(decoder, data, &mut pass)?,
            State::Flate(decoder) => inflate(decoder, data, scratch, &mut pass)?,
            State::Brotli(decoder) => unbrotli(decoder, data, scratch, &mut pass)?,
            State::Zstd(decoder) => unzstd(decoder, data, scratch, &mut pass)?,
        };
        scratch.zeroize();
        if ended {
            *state = State::Ended;
        }
        Ok(())
    }
}

/// What the first bytes of a body are, whatever its label says.
fn decide(label: Label, head: &[u8]) -> Result<State, Stop> {
    if head.starts_with(&[0x1f, 0x8b, 8]) {
        return Ok(State::Gzip(Box::new(MultiGzDecoder::new(Wiped::default()))));
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || (label == Label::Zstd && is_skippable_frame(head)) {
        let mut decoder = Zstd::new().map_err(|_| Stop::Unreadable)?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(|_| Stop::Unreadable)?;
        return Ok(State::Zstd(Box::new(decoder)));
    }
    match label {
        Label::None => Ok(State::Plain),
        _ if is_text(head) => Ok(State::Plain),
        Label::Deflate => Ok(State::Flate(Box::new(Decompress::new(is_zlib(head))))),
        Label::Brotli => Ok(State::Brotli(Box::new(BrotliState::new_strict(
            StandardAlloc::default(),
            StandardAlloc::default(),
            StandardAlloc::default(),
        )))),
        Label::Gzip | Label::Zstd | Label::Unknown => Err(Stop::Unreadable),
    }
}

/// RFC 8878 §3.1.2.
fn is_skippable_frame(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// RFC 1950 §2.2: method 8, window up to 32 KiB, check bits. Servers send raw deflate under the same label.
fn is_zlib(head: &[u8]) -> bool {
    matches!(head, [cmf, flg, ..] if cmf & 0x0f == 8 && cmf >> 4 <= 7 && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0)
}

/// The beginning of JSON, markup or an event stream.
fn is_text(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let starts = match head.trim_ascii_start() {
        [b'{' | b'[' | b'<', ..] => true,
        rest => [b"event:".as_slice(), b"data:", b"id:", b"retry:", b": "].iter().any(|s| rest.starts_with(s)),
    };
    starts && head.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

fn gunzip(decoder: &mut MultiGzDecoder<Wiped>, mut data: &[u8], pass: &mut Sink<'_>) -> Result<bool, Stop> {
    while !data.is_empty() {
        let used = decoder.write(data);
        give(decoder, pass)?;
        match used {
            Ok(0) => return Ok(true),
            Ok(used) => data = data.get(used..).unwrap_or_default(),
            Err(_) => return Err(Stop::Unreadable),
        }
    }
    let flushed = decoder.flush();
    give(decoder, pass)?;
    flushed.map(|()| false).map_err(|_| Stop::Unreadable)
}

fn give(decoder: &mut MultiGzDecoder<Wiped>, pass: &mut Sink<'_>) -> Result<(), Stop> {
    let out = &mut decoder.get_mut().0;
    let done = pass(out);
    out.zeroize();
    done
}

fn inflate(decoder: &mut Decompress, mut data: &[u8], out: &mut [u8], pass: &mut Sink<'_>) -> Result<bool, Stop> {
    loop {
        let (before_in, before_out) = (decoder.total_in(), decoder.total_out());
        let status = decoder.decompress(data, out, FlushDecompress::None);
        let used = usize::try_from(decoder.total_in() - before_in).unwrap_or(data.len());
        let made = usize::try_from(decoder.total_out() - before_out).unwrap_or(0);
        pass(out.get(..made).unwrap_or_default())?;
        data = data.get(used..).unwrap_or_default();
        match status {
            Err(_) => return Err(Stop::Unreadable),
            Ok(Status::StreamEnd) => return Ok(true),
            Ok(_) if made == out.len() => {}
            Ok(_) if data.is_empty() || used + made == 0 => return Ok(false),
            Ok(_) => {}
        }
    }
}

fn unbrotli(decoder: &mut Brotli, data: &[u8], out: &mut [u8], pass: &mut Sink<'_>) -> Result<bool, Stop> {
    let (mut left, mut at, mut total) = (data.len(), 0, 0);
    loop {
        let (mut room, mut made) = (out.len(), 0);
        let result = BrotliDecompressStream(&mut left, &mut at, data, &mut room, &mut made, out, &mut total, decoder);
        pass(out.get(..made).unwrap_or_default())?;
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => return Ok(false),
            BrotliResult::ResultSuccess => return Ok(true),
            BrotliResult::ResultFailure => return Err(Stop::Unreadable),
        }
    }
}

fn unzstd(decoder: &mut Zstd<'static>, mut data: &[u8], out: &mut [u8], pass: &mut Sink<'_>) -> Result<bool, Stop> {
    loop {
        let status = decoder.run_on_buffers(data, out).map_err(|_| Stop::Unreadable)?;
        pass(out.get(..status.bytes_written).unwrap_or_default())?;
        data = data.get(status.bytes_read..).unwrap_or_default();
        let more_to_give = status.bytes_written == out.len();
        let stuck = status.bytes_read == 0 && status.bytes_written == 0;
        if stuck || (data.is_empty() && !more_to_give) {
            return Ok(false);
        }
    }
}
