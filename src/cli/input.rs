//! What a command reads: a trace or a HAR, packed with gzip or not, from a file or from standard input.

use anyhow::Result;
use authtrace::analyze::{Survey, Unread};
use authtrace::config::Options;
use authtrace::import::{ImportError, Imported, client_log, har};
use authtrace::record;
use authtrace::redact::{self, Redactor, reread};
use authtrace::trace::{ClientLog, ReadError, Reader};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that tell what the input is.
const HEAD: u64 = 4 * 1024;

/// The most that is unpacked: what goes beyond is no capture that anyone made.
const UNPACKED: u64 = 4 * 1024 * 1024 * 1024;

/// Input that cannot be used. `name` is the file, or "standard input".
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("there is no trace yet in {}; make one with: authtrace run -- claude", folder.display())]
    NoTrace { folder: PathBuf },
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{name}: {source}")]
    Trace { name: String, source: ReadError },
    #[error("{name}: {source}")]
    Har { name: String, source: ImportError },
    #[error("{name}: {source}")]
    ClientLog { name: String, source: ImportError },
    #[error("a HAR and a picture have no place for what a log says; --client-log goes with text, md, html and json")]
    NoPlaceForLog,
    #[error("{name} is a trace; --client-log takes the debug log of Claude Code (claude --debug-file FILE)")]
    TraceForLog { name: String },
    #[error("cannot read {name}: {source}")]
    Unreadable { name: String, source: io::Error },
    #[error("{name}: the file is empty")]
    Empty { name: String },
    #[error(
        "{name}: neither a trace of authtrace nor a HAR (a trace begins with {{\"record\":\"trace\", a HAR with {{\"log\":)"
    )]
    Unknown { name: String },
    #[error("{name} is a trace of authtrace, and clean already; for a HAR of it: authtrace report --format har")]
    Clean { name: String },
    #[error("{} is what is to be read; give --out another name", path.display())]
    Overwrite { path: PathBuf },
}

/// Where input comes from.
pub(crate) enum Source {
    /// The newest trace.
    Newest,
    StandardInput,
    File(PathBuf),
}

impl Source {
    /// As a command line names it: nothing for the newest trace, `-` for standard input.
    pub(crate) fn of(file: Option<PathBuf>) -> Self {
        match file {
            None => Self::Newest,
            Some(path) if path.as_os_str() == "-" => Self::StandardInput,
            Some(path) => Self::File(path),
        }
    }
}

/// Reads a trace or a HAR.
///
/// What the user's configuration lets into a trace (`[[keep]]`, hosts to read) may be shown from it, too.
///
/// # Errors
/// [`InputError`], and what is wrong with the configuration.
pub(crate) fn survey(source: Source) -> Result<Survey> {
    survey_showing(source, Vec::new())
}

/// The name of what is read, as the user gave it or as it was found.
///
/// # Errors
/// There is no trace yet.
pub(crate) fn name(file: Option<&Path>) -> Result<Option<String>> {
    match file {
        Some(path) if path.as_os_str() == "-" => Ok(None),
        Some(path) => Ok(Some(path.display().to_string())),
        None => Ok(record::newest_trace()?.map(|path| path.display().to_string())),
    }
}

/// The same with names of hosts that the user has written, and that may be shown for that reason.
pub(crate) fn survey_showing(source: Source, hosts: Vec<String>) -> Result<Survey> {
    let options = allowed()?.with_hosts(hosts);
    reread::configure(options.clone())?;
    let path = match source {
        Source::StandardInput => return read(io::stdin().lock(), "standard input".to_owned(), options),
        Source::File(path) => path,
        Source::Newest => record::newest_trace()?.ok_or(InputError::NoTrace { folder: record::trace_folder()? })?,
    };
    let name = path.display().to_string();
    read(with_earlier(&path)?, name, options)
}

/// Reads a trace that this program writes itself.
pub(crate) fn own_trace(path: &Path) -> Result<Survey, InputError> {
    let name = path.display().to_string();
    trace(with_earlier(path)?, name)
}

/// The file; of a trace in two files the earlier one before it.
fn with_earlier(path: &Path) -> Result<Box<dyn BufRead>, InputError> {
    let file = BufReader::with_capacity(256 * 1024, open(path)?);
    let head = |path: &Path| Some(Reader::new(BufReader::new(File::open(path).ok()?)).ok()?.head().clone());
    let earlier = record::earlier_part(path);
    let follows =
        earlier.is_file() && head(path).zip(head(&earlier)).is_some_and(|(late, early)| late.continues(&early));
    if !follows {
        return Ok(Box::new(file));
    }
    let earlier = BufReader::with_capacity(256 * 1024, open(&earlier)?);
    // Whatever the earlier one ends with, the next begins on a line of its own.
    Ok(Box::new(earlier.chain(b"\n".as_slice()).chain(file)))
}

/// Reads a HAR, packed or not, and nothing else.
pub(crate) fn har(path: &Path) -> Result<Imported> {
    let options = allowed()?;
    reread::configure(options.clone())?;
    let (name, input): (_, Box<dyn BufRead>) = match path.as_os_str() == "-" {
        true => ("standard input".to_owned(), Box::new(io::stdin().lock())),
        false => (path.display().to_string(), Box::new(BufReader::with_capacity(256 * 1024, open(path)?))),
    };
    let Opened { kind, input } = look(input, &name)?;
    match kind {
        Kind::Har => import(input, name, options),
        Kind::Trace => Err(InputError::Clean { name }.into()),
        Kind::Unknown => Err(InputError::Unknown { name }.into()),
    }
}

/// Reads a debug log of Claude Code, packed or not.
///
/// # Errors
/// [`InputError`]: it cannot be opened or read, or is something else.
pub(crate) fn client_log(path: &Path) -> Result<ClientLog, InputError> {
    let name = path.display().to_string();
    let Opened { kind, input } = look(Box::new(BufReader::with_capacity(256 * 1024, open(path)?)), &name)?;
    if kind == Kind::Trace {
        return Err(InputError::TraceForLog { name });
    }
    let file = path.file_name().and_then(|name| name.to_str());
    client_log::read(input, file, reread::redactor()).map_err(|source| InputError::ClientLog { name, source })
}

fn import(input: impl BufRead, name: String, options: redact::Options) -> Result<Imported> {
    let redactor = Arc::new(Redactor::new(options)?);
    Ok(har::read(input, &redactor).map_err(|source| InputError::Har { name, source })?)
}

/// What the user allows to be shown.
fn allowed() -> Result<redact::Options> {
    let options = Options::default().with_file(&std::env::vars_os().collect())?;
    let keep = options.kept_fields();
    let hosts = options.intercept.into_iter().filter(|host| host != "*");
    Ok(redact::Options::default().with_keep(keep).with_hosts(hosts))
}

fn open(path: &Path) -> Result<File, InputError> {
    File::open(path).map_err(|source| InputError::Open { path: path.to_owned(), source })
}

fn read(input: impl BufRead + 'static, name: String, options: redact::Options) -> Result<Survey> {
    let Opened { kind, input } = look(Box::new(input), &name)?;
    match kind {
        Kind::Trace => Ok(trace(input, name)?),
        Kind::Unknown => Err(InputError::Unknown { name }.into()),
        Kind::Har => import(input, name, options).map(survey_of),
    }
}

fn trace(input: impl BufRead, name: String) -> Result<Survey, InputError> {
    Reader::new(input).map(Survey::read).map_err(|source| InputError::Trace { name, source })
}

/// The records of a capture, with the places that could not be read.
pub(crate) fn survey_of(imported: Imported) -> Survey {
    let unread = imported.unread.into_iter().map(|place| Unread {
        line: place.line,
        why: match place.column {
            0 => place.why,
            column => format!("column {column}: {}", place.why),
        },
    });
    imported.records.into_iter().collect::<Survey>().with_unread(unread)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Trace,
    Har,
    Unknown,
}

struct Opened {
    kind: Kind,
    input: Box<dyn BufRead>,
}

/// Looks at the first bytes, unpacked if need be, without taking them away.
fn look(input: Box<dyn BufRead>, name: &str) -> Result<Opened, InputError> {
    let unreadable = |source| InputError::Unreadable { name: name.to_owned(), source };
    let (mut head, mut input) = peeked(input).map_err(unreadable)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        let unpacked = BufReader::new(Bounded { input: MultiGzDecoder::new(input), left: UNPACKED });
        (head, input) = peeked(Box::new(unpacked)).map_err(unreadable)?;
    }
    if head.is_empty() {
        return Err(InputError::Empty { name: name.to_owned() });
    }
    Ok(Opened { kind: kind(&head), input })
}

/// The first bytes, and the whole once more.
fn peeked(mut input: Box<dyn BufRead>) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let mut head = Vec::new();
    let read = (&mut input).take(HEAD).read_to_end(&mut head);
    if head.is_empty() {
        read?;
    }
    let again: Box<dyn BufRead> = Box::new(Cursor::new(head.clone()).chain(input));
    Ok((head, again))
}

fn kind(head: &[u8]) -> Kind {
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        return Kind::Har;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let any =
        |text: &[u8], names: &[&str]| names.iter().any(|name| memchr::memmem::find(text, name.as_bytes()).is_some());
    match text {
        [b'{', rest @ ..] if rest.trim_ascii_start().starts_with(b"\"log\"") => Kind::Har,
        [b'{', ..] if any(first_line, &["\"record\"", "\"format\""]) => Kind::Trace,
        // What is wrong with these is best told by whoever reads HAR.
        [b'{', ..] if any(text, &["\"log\"", "\"entries\"", "\"request\""]) => Kind::Har,
        [b'[', ..] | [] => Kind::Har,
        _ => Kind::Unknown,
    }
}

/// Ends with an error when more is read than anyone meant to pack.
struct Bounded<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(into)?;
        self.left =
            self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other("it unpacks to more than 4 GiB"))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn kind_of(bytes: &[u8]) -> Kind {
        look(Box::new(Cursor::new(bytes.to_vec())), "x").map(|opened| opened.kind).unwrap()
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn input_is_known_by_its_first_bytes() {
        for (text, kind) in [
            ("{\"record\":\"trace\"}", Kind::Trace),
            ("{ \"format\": \"authtrace/9.0\", \"record\": \"trace\" }\n{}", Kind::Trace),
            ("\u{feff} {\n \"log\" : {}", Kind::Har),
            ("[{}]", Kind::Har),
            ("{\"comment\":1,\n\"log\":{}}", Kind::Har),
            ("{\"a\":1}", Kind::Unknown),
            ("GIF89a", Kind::Unknown),
        ] {
            assert_eq!(kind_of(text.as_bytes()), kind, "{text}");
            assert_eq!(kind_of(&packed(text.as_bytes())), kind, "{text}, packed");
        }
        assert!(matches!(look(Box::new(Cursor::new(Vec::new())), "x"), Err(InputError::Empty { .. })));
        assert!(matches!(look(Box::new(Cursor::new(packed(b""))), "x"), Err(InputError::Empty { .. })));
    }

    #[test]
    fn what_was_looked_at_is_still_there() {
        let text = format!("{{\"log\":{}}}", "x".repeat(10_000));
        let mut read = String::new();
        look(Box::new(Cursor::new(packed(text.as_bytes()))), "x").unwrap().input.read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn unpacking_has_an_end() {
        let mut bounded = Bounded { input: io::repeat(0), left: 100 };
        let error = bounded.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("4 GiB"));
    }
}
