//! What a command prints: its beginning and its end, however much it is.

use authtrace::place::visible;
use std::collections::VecDeque;
use std::io::{self, PipeWriter};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

/// Bytes of the beginning that are kept.
const HEAD: usize = 16 * 1024;
/// Bytes of the end.
const TAIL: usize = 48 * 1024;
/// How long the end is waited for once everybody who could print has been killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads a pipe until nobody holds its other end.
pub(super) struct Capture {
    kept: Arc<Mutex<Kept>>,
    reading: JoinHandle<()>,
}

impl Capture {
    /// With the end that a command writes to. To be called within a tokio runtime.
    pub(super) fn new() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let mut reader = Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let kept = Arc::new(Mutex::new(Kept::default()));
        let into = Arc::clone(&kept);
        let reading = tokio::spawn(async move {
            let mut buffer = vec![0; 8 * 1024];
            while let Ok(read @ 1..) = reader.read(&mut buffer).await {
                let bytes = buffer.get(..read).unwrap_or_default();
                into.lock().unwrap_or_else(PoisonError::into_inner).take(bytes);
            }
        });
        Ok((Self { kept, reading }, writer))
    }

    /// What was printed.
    pub(super) async fn finish(self) -> String {
        let stop = self.reading.abort_handle();
        if tokio::time::timeout(PATIENCE, self.reading).await.is_err() {
            stop.abort();
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).text()
    }
}

#[derive(Default)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Kept {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
        self.left_out = self.left_out.saturating_add(over as u64);
    }

    /// As lines for a screen or a log: without colours and whatever else steers a terminal, and nothing in it that looks
    /// like a credential.
    pub(super) fn text(&self) -> String {
        let (one, other) = self.tail.as_slices();
        let bytes = match self.left_out {
            0 => [&self.head, one, other].concat(),
            left_out => {
                let note = format!("\n[{left_out} bytes left out]\n");
                [&self.head, note.as_bytes(), one, other].concat()
            }
        };
        let plain = anstream::adapter::strip_bytes(&bytes).into_vec();
        let text = String::from_utf8_lossy(&plain);
        text.lines().map(|line| visible(line.trim_end()) + "\n").collect()
    }
}
