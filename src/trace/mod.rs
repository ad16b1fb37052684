//! The vocabulary of a trace: what authtrace knows about connections and exchanges, and how it is written down.
//!
//! A trace is JSON Lines: one [`Record`] per line, the first of them a [`TraceHead`] that names the format version.
//! Comes in: redacted facts (from the proxy or from a file). Goes out: lines of text, or records read back.
//! Never here: raw bytes of a message, sockets, clocks. Text from outside exists only as [`crate::redact::Redacted`];
//! what is read from a file is redacted again while it is read.

mod client_log;
mod connection;
mod exchange;
mod facts;
mod format;
mod passage;
mod read;
mod record;
mod reread;
#[cfg(test)]
mod schema;
mod time;
mod write;

pub use client_log::{
    ClientEvent, ClientEventKind, ClientFailure, ClientLog, ExtraFile, ExtraState, FailureClass, KeptBecause,
    LockTrouble, StartUp,
};
pub use connection::{Connection, ConnectionEnd, HandshakeLeg, Mode, Outcome, Peer, Target};
pub use exchange::{
    Credential, End, EndKind, Exchange, HeaderField, Headers, Origin, Request, RequestStart, Response, Stage, Timing,
};
pub use facts::{ErrorFacts, ErrorShape, EventCount, OAuthFacts, OAuthToken, RequestIds, SseFacts, Tone};
pub use format::{FormatError, FormatVersion};
pub use passage::{BodyPassage, HeadChange, HeadPassage, MessagePassage, Passage};
pub use read::{Line, ReadError, Reader};
pub use record::{EventSink, Gap, Imported, Note, NoteKind, Part, Played, PlayedAgainst, Record, TraceEnd, TraceHead};
pub use time::Timestamp;
pub use write::write;
