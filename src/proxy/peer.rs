//! Which local process is at the other end of a connection.
//!
//! Asked in the background as soon as a connection is accepted, while its process still has the socket; traffic never
//! waits for the answer. Not knowing is normal: the process is gone, belongs to somebody else, or too many ask at once.
//!
//! Linux only, where `/proc` tells. macOS tells through libproc, whose bindings are made by bindgen at build time: not worth it to us.

use super::socket;
use crate::redact::Redactor;
use crate::trace::Peer;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

/// Connections that may wait for their answer; further ones get none.
const WAITING: usize = 128;
/// Processes that are looked at first, since they, or what they start, are to connect.
const EXPECTED: usize = 64;
/// Processes that connected last.
const RECENT: usize = 8;

/// Finds out which processes connect. Cheap to clone; all clones share what they know.
#[derive(Clone)]
pub struct Peers {
    inner: Arc<Inner>,
}

struct Inner {
    redactor: Arc<Redactor>,
    known: Mutex<Known>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Known {
    expected: VecDeque<u32>,
    recent: VecDeque<u32>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Question>,
    at_work: bool,
}

struct Question {
    peer: SocketAddr,
    local: SocketAddr,
    answer: Arc<Answer>,
}

/// The answer for one connection, once there is one.
#[derive(Default)]
pub(super) struct Answer {
    found: OnceLock<Option<Peer>>,
    told: Notify,
}

impl Peers {
    pub(super) fn new(redactor: Arc<Redactor>) -> Self {
        Self { inner: Arc::new(Inner { redactor, known: Mutex::default(), queue: Mutex::default() }) }
    }

    /// This process, or one that it starts, is going to connect: it is looked at first.
    pub fn expect(&self, pid: u32) {
        remember(&mut lock(&self.inner.known).expected, pid, EXPECTED);
    }

    /// Asks who is at the other end. The work is done in one blocking task, which `tasks` counts while there is any.
    pub(super) fn ask(&self, tasks: &TaskTracker, peer: SocketAddr, local: SocketAddr) -> Arc<Answer> {
        let answer = Arc::new(Answer::default());
        if cfg!(not(target_os = "linux")) {
            answer.tell(None);
            return answer;
        }
        let mut queue = lock(&self.inner.queue);
        if queue.waiting.len() >= WAITING {
            answer.tell(None);
            return answer;
        }
        queue.waiting.push(Question { peer, local, answer: Arc::clone(&answer) });
        if !std::mem::replace(&mut queue.at_work, true) {
            let inner = Arc::clone(&self.inner);
            tasks.spawn_blocking(move || inner.work());
        }
        answer
    }
}

impl Inner {
    /// Answers all that wait, together, until none does.
    fn work(&self) {
        loop {
            let questions = {
                let mut queue = lock(&self.queue);
                if queue.waiting.is_empty() {
                    queue.at_work = false;
                    return;
                }
                std::mem::take(&mut queue.waiting)
            };
            self.answer(questions);
        }
    }

    fn answer(&self, questions: Vec<Question>) {
        let own = rustix::process::geteuid().as_raw();
        let mut sockets = Vec::with_capacity(questions.len());
        for question in questions {
            match socket::owner(question.peer, question.local) {
                Some(owner) if owner.inode != 0 && owner.uid == own => sockets.push((owner.inode, question.answer)),
                _ => question.answer.tell(None),
            }
        }
        if !sockets.is_empty() {
            self.find_holders(sockets);
        }
    }

    fn find_holders(&self, sockets: Vec<(u64, Arc<Answer>)>) {
        let (recent, expected) = {
            let known = lock(&self.known);
            (known.recent.clone(), known.expected.clone())
        };
        let wanted = sockets.iter().map(|(inode, _)| *inode).collect();
        let holders = holder::find(wanted, recent.iter().copied(), expected.iter().copied());
        for (inode, answer) in sockets {
            let pid = holders.get(&inode).copied();
            if let Some(pid) = pid {
                remember(&mut lock(&self.known).recent, pid, RECENT);
            }
            answer.tell(pid.map(|pid| Peer { pid, program: holder::program(&self.redactor, pid) }));
        }
    }
}

impl Answer {
    fn tell(&self, peer: Option<Peer>) {
        let _ = self.found.set(peer);
        self.told.notify_waiters();
    }

    /// The process, if it is known by now.
    pub(super) fn known(&self) -> Option<Peer> {
        self.found.get().cloned().flatten()
    }

    /// Until there is an answer, but no longer than that.
    pub(super) async fn settle(&self, at_most: Duration) {
        let told = self.told.notified();
        tokio::pin!(told);
        // Before the look, so that no answer falls between look and wait.
        told.as_mut().enable();
        if self.found.get().is_none() {
            let _ = tokio::time::timeout(at_most, told).await;
        }
    }
}

/// Puts a process in front, where it is looked for first.
fn remember(list: &mut VecDeque<u32>, pid: u32, at_most: usize) {
    if list.front() != Some(&pid) {
        list.retain(|known| *known != pid);
        list.push_front(pid);
        list.truncate(at_most);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who has a socket open: proc(5), `/proc/PID/fd`.
mod holder {
    use crate::redact::{Redacted, Redactor};
    use std::collections::{HashMap, HashSet};
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, Instant};

    /// How long processes that nobody expects are looked at.
    const PATIENCE: Duration = Duration::from_millis(25);
    /// Descendants of one process that are looked at.
    const DESCENDANTS: usize = 512;

    /// The processes that have these sockets, by inode: those that connected last, then those expected with what they
    /// have started, then our own, then all others of this user, the youngest first.
    pub(super) fn find(
        wanted: HashSet<u64>,
        recent: impl Iterator<Item = u32>,
        expected: impl Iterator<Item = u32>,
    ) -> HashMap<u64, u32> {
        let mut search = Search { wanted, holders: HashMap::new(), seen: HashSet::new() };
        recent.for_each(|pid| search.look_into(pid));
        expected.for_each(|pid| search.look_into_family(pid));
        search.look_into(std::process::id());
        search.look_into_all();
        search.holders
    }

    struct Search {
        wanted: HashSet<u64>,
        holders: HashMap<u64, u32>,
        seen: HashSet<u32>,
    }

    impl Search {
        fn look_into(&mut self, pid: u32) {
            if self.wanted.is_empty() || !self.seen.insert(pid) {
                return;
            }
            let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return };
            let entries: Vec<_> = entries.flatten().collect();
            // What was opened last mostly has the highest number.
            for entry in entries.iter().rev() {
                let Some(inode) = fs::read_link(entry.path()).ok().as_deref().and_then(inode_of) else { continue };
                if self.wanted.remove(&inode) {
                    self.holders.insert(inode, pid);
                    if self.wanted.is_empty() {
                        return;
                    }
                }
            }
        }

        fn look_into_family(&mut self, pid: u32) {
            let mut family = vec![pid];
            let mut next = 0;
            while let Some(member) = family.get(next).copied() {
                if self.wanted.is_empty() {
                    return;
                }
                self.look_into(member);
                if family.len() < DESCENDANTS {
                    family.extend(children(member));
                }
                next += 1;
            }
        }

        fn look_into_all(&mut self) {
            if self.wanted.is_empty() {
                return;
            }
            let until = Instant::now() + PATIENCE;
            let own = rustix::process::geteuid().as_raw();
            let mut pids: Vec<u32> = numbers("/proc").collect();
            pids.sort_unstable_by(|a, b| b.cmp(a));
            for pid in pids {
                if self.wanted.is_empty() || Instant::now() >= until {
                    return;
                }
                if fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == own) {
                    self.look_into(pid);
                }
            }
        }
    }

    /// `socket:[INODE]`
    fn inode_of(link: &std::path::Path) -> Option<u64> {
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    }

    /// What the threads of a process have started. None where the kernel does not keep the list.
    fn children(pid: u32) -> Vec<u32> {
        let threads = numbers(&format!("/proc/{pid}/task"));
        let lists = threads.filter_map(|thread| fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")).ok());
        lists
            .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .collect()
    }

    fn numbers(folder: &str) -> impl Iterator<Item = u32> + use<> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// What a process calls itself (Claude Code runs under node, and its program file may be named after its version),
    /// or else its program file. Only names that everybody knows are shown.
    pub(super) fn program(redactor: &Redactor, pid: u32) -> Option<Redacted> {
        let own_name = fs::read_to_string(format!("/proc/{pid}/comm")).ok();
        let own_name = own_name.as_deref().map(str::trim_end);
        let file = fs::read_link(format!("/proc/{pid}/exe")).ok();
        // The kernel says so of a program that was replaced while it runs.
        let file =
            file.as_deref().and_then(|file| file.file_name()?.to_str()).map(|name| name.trim_end_matches(" (deleted)"));
        let shown = [own_name, file].into_iter().flatten().map(|name| (name, redactor.program(name)));
        let (known, others): (Vec<_>, Vec<_>) = shown.partition(|(name, shown)| shown.as_str() == *name);
        known.into_iter().next().or_else(|| others.into_iter().next_back()).map(|(_, shown)| shown)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    const SOON: Duration = Duration::from_secs(10);

    fn peers() -> (Peers, TaskTracker) {
        (Peers::new(Arc::new(Redactor::plain())), TaskTracker::new())
    }

    #[tokio::test]
    async fn a_socket_of_this_process_is_found_and_a_closed_one_is_unknown() {
        let (peers, tasks) = peers();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        let answer = peers.ask(&tasks, peer, local);
        answer.settle(SOON).await;
        assert_eq!(answer.known().map(|peer| peer.pid), Some(std::process::id()));
        assert!(answer.known().unwrap().program.is_some());
        drop(client);
        let answer = peers.ask(&tasks, peer, local);
        answer.settle(SOON).await;
        assert_eq!((answer.found.get(), answer.known()), (Some(&None), None));
    }

    #[tokio::test]
    async fn more_than_can_wait_are_unknown_at_once_and_the_others_are_answered() {
        let (peers, tasks) = peers();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let client = TcpStream::connect(local).unwrap();
        let (_server, peer) = listener.accept().unwrap();
        // Nobody works on them yet.
        lock(&peers.inner.queue).at_work = true;
        let waiting: Vec<_> = (0..WAITING).map(|_| peers.ask(&tasks, peer, local)).collect();
        assert!(waiting.iter().all(|answer| answer.found.get().is_none()));
        assert_eq!(peers.ask(&tasks, peer, local).found.get(), Some(&None));
        peers.inner.work();
        assert!(waiting.iter().all(|answer| answer.known().is_some_and(|peer| peer.pid == std::process::id())));
        assert!(!lock(&peers.inner.queue).at_work);
        drop(client);
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut list = VecDeque::new();
        for pid in [1, 2, 3, 1, 4] {
            remember(&mut list, pid, 3);
        }
        assert_eq!(list, [4, 1, 3]);
    }
}
