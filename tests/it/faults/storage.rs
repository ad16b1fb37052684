//! Cases 34 and 37: the file under the trace. Whatever becomes of it, the traffic goes on, and each record is there or counted.

use super::{Bench, OK, Setup, WELL};
use crate::support::program::{Ended, Home, PATIENCE, run};
use crate::support::{handshake, soon, tool};
use authtrace::trace::{Line, Note, Reader, Record, TraceEnd};
use rustix::process::Signal;
use std::fs::File;
use std::io::{BufRead, Write as _};
use std::path::Path;
use std::process::Command;

/// What is in a trace, and what it says of records that are not.
#[derive(Debug, Default)]
struct Account {
    exchanges: usize,
    /// All records but gaps, the first line and the last.
    written: u64,
    lost: Vec<(u64, String)>,
    notes: Vec<Note>,
    end: Option<TraceEnd>,
}

impl Account {
    fn of(input: impl BufRead) -> Self {
        let mut reader = Reader::new(input).unwrap();
        let mut account = Self::default();
        while let Some(line) = reader.next_line().unwrap() {
            let Line::Record(record) = line else { panic!("{line:?}") };
            match record {
                Record::Gap(gap) => account.lost.push((gap.lost, gap.cause.as_str().to_owned())),
                Record::End(end) => account.end = Some(end),
                Record::Trace(head) => panic!("{head:?} in the middle"),
                // That a request began is told of only where its end was still to come, and is never missed.
                Record::Request(_) => {}
                record => {
                    account.written += 1;
                    account.exchanges += usize::from(matches!(record, Record::Exchange(_)));
                    account.notes.extend(if let Record::Note(note) = record { Some(note) } else { None });
                }
            }
        }
        account
    }

    fn read(path: &Path) -> Self {
        Self::of(std::fs::read(path).unwrap().as_slice())
    }

    /// How many records gaps tell of.
    fn told(&self) -> u64 {
        self.lost.iter().map(|(lost, _)| lost).sum()
    }

    /// Every exchange has a record, and every connection of its own one.
    fn is_complete(&self, exchanges: u64) {
        assert_eq!(self.written + self.told(), exchanges * 2 + self.notes.len() as u64, "{self:?}");
        assert_eq!(self.end.as_ref().map(|end| (end.exchanges, end.lost)), Some((exchanges, self.told())), "{self:?}");
    }
}

impl Bench {
    /// Exchanges on connections of their own; each is answered within a second.
    async fn healthy(&self, count: usize) {
        for _ in 0..count {
            self.exchange().await;
        }
    }

    /// Exchanges on one connection.
    pub(crate) async fn many(&self, count: u64) {
        let stream = self.tunnel(&format!("{WELL}:443")).await;
        let mut client = handshake(stream, WELL, self.client()).await.unwrap();
        for _ in 0..count {
            client.send(b"GET / HTTP/1.1\r\nHost: well.example.test\r\n\r\n").await;
            client.expect(OK).await;
        }
        client.close().await;
    }

    /// Waits for a line.
    async fn said(&mut self, text: &'static str) {
        let mut live = self.live.take().unwrap();
        let heard = tokio::task::spawn_blocking(move || {
            live.until(text);
            live
        });
        self.live = Some(heard.await.unwrap());
    }

    /// Ends it, and gives what it said.
    async fn end(&mut self) -> Ended {
        self.signal(Signal::TERM);
        let live = self.live.take().unwrap();
        let ended = tokio::task::spawn_blocking(move || live.finish(PATIENCE)).await.unwrap();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!ended.stderr.contains("internal error"), "{}", ended.stderr);
        ended
    }
}

fn exchanges_in(trace: &Path) -> usize {
    super::records(trace).iter().filter(|record| matches!(record, Record::Exchange(_))).count()
}

/// How large files of the program may become from now on.
async fn limit(bench: &Bench, prlimit: &Path, bytes: &str) {
    let mut command = Command::new(prlimit);
    command.arg(format!("--fsize={bytes}:unlimited")).arg("--pid").arg(bench.pid.to_string());
    assert!(super::output(command).await.status.success());
}

#[tokio::test]
async fn case_34_a_trace_that_may_not_grow_is_told_of_counted_and_resumed() {
    let Some(prlimit) = tool("prlimit") else { return };
    let mut bench = Bench::start().await;
    let now = std::fs::metadata(&bench.trace).unwrap().len();
    limit(&bench, &prlimit, &(now + 20_000).to_string()).await;
    bench.healthy(40).await;
    bench.said("trace_degraded: the trace has the size that the system allows a file").await;
    bench.healthy(5).await;
    limit(&bench, &prlimit, "unlimited").await;
    bench.healthy(1).await;
    bench.said("the trace is written again; ").await;
    bench.healthy(2).await;
    let ended = bench.end().await;
    let account = Account::read(&bench.trace);
    account.is_complete(1 + 40 + 5 + 1 + 2);
    assert!(account.told() > 5 && account.exchanges >= 5, "{account:?}");
    let words = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("records could not be written: the trace has the size"), "{words}");
}

/// Set in a process of this test that is in a namespace of its own.
const ISLAND: &str = "AUTHTRACE_TEST_ISLAND";
const NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--mount"];

#[test]
fn case_34_a_full_disk_is_told_of_counted_and_resumed() {
    if std::env::var_os(ISLAND).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(on_a_small_disk());
    }
    let (Some(unshare), Some(_)) = (tool("unshare"), tool("mount")) else { return };
    let possible = Command::new(&unshare).args(NAMESPACE).arg("true").output().unwrap();
    if !possible.status.success() {
        // A machine may not let its users have namespaces.
        println!("skipped: {}", String::from_utf8_lossy(&possible.stderr));
        return;
    }
    let own = std::env::current_exe().unwrap();
    let mut again = Command::new(unshare);
    again.args(NAMESPACE).arg(own).env(ISLAND, "1");
    again.args(["--exact", "faults::storage::case_34_a_full_disk_is_told_of_counted_and_resumed", "--nocapture"]);
    let ended = again.output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&said));
}

async fn on_a_small_disk() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&disk);
    assert!(super::output(mount).await.status.success());
    let mut bench = Setup { out: Some(disk.join("t.jsonl")), ..Setup::new() }.start().await;
    bench.healthy(5).await;
    bench.connections_told().await;
    let ballast = disk.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    while file.write_all(&[0; 1_024]).is_ok() {}
    drop(file);
    bench.healthy(20).await;
    bench.said("trace_degraded: the disk is full").await;
    std::fs::remove_file(&ballast).unwrap();
    bench.healthy(1).await;
    bench.said("the trace is written again; ").await;
    bench.healthy(2).await;
    bench.end().await;
    let account = Account::read(&bench.trace);
    account.is_complete(1 + 5 + 20 + 1 + 2);
    assert!(account.told() > 5 && account.exchanges >= 8, "{account:?}");
}

#[tokio::test]
async fn case_34_a_trace_that_is_removed_is_begun_anew() {
    let mut bench = Bench::start().await;
    bench.healthy(3).await;
    bench.connections_told().await;
    std::fs::remove_dir_all(bench.trace.parent().unwrap()).unwrap();
    bench.healthy(2).await;
    bench.said("trace_degraded: somebody has removed the trace, and with it 8 records").await;
    bench.end().await;
    let account = Account::read(&bench.trace);
    account.is_complete(1 + 3 + 2);
    assert_eq!((account.exchanges, account.lost.len()), (2, 1), "{account:?}");
}

#[tokio::test]
async fn case_34_a_trace_that_is_truncated_is_begun_anew() {
    let mut bench = Bench::start().await;
    bench.healthy(3).await;
    bench.connections_told().await;
    let copy = bench.trace.with_extension("copy");
    std::fs::copy(&bench.trace, &copy).unwrap();
    // As a shell does it, and `copytruncate` of logrotate.
    File::create(&bench.trace).unwrap();
    bench.healthy(2).await;
    bench.said("trace_degraded: somebody has truncated the trace, and with it went 8 records").await;
    let ended = bench.end().await;
    let account = Account::read(&bench.trace);
    account.is_complete(1 + 3 + 2);
    assert_eq!((account.exchanges, account.lost.len()), (2, 1), "{account:?}");
    let words = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "records could not be written: the trace was truncated while it was written; 8 records not in the trace";
    assert!(words.contains(told), "{words}");
    let whole = [std::fs::read(&copy).unwrap(), std::fs::read(&bench.trace).unwrap()].concat();
    assert_eq!(Account::of(whole.as_slice()).exchanges, 6);
}

#[tokio::test]
async fn case_34_a_trace_whose_name_was_taken_is_counted_and_not_judged() {
    for link in [false, true] {
        let mut bench = Bench::start().await;
        bench.healthy(3).await;
        bench.connections_told().await;
        let victim = bench.home.write("victim", "precious");
        let put = || match link {
            true => std::os::unix::fs::symlink(&victim, &bench.trace),
            false => std::fs::create_dir(&bench.trace),
        };
        std::fs::remove_file(&bench.trace).unwrap();
        // It may have been begun anew in between.
        while put().is_err() {
            std::fs::remove_file(&bench.trace).unwrap();
        }
        bench.healthy(2).await;
        bench.said("trace_degraded: the trace was removed while it was written, and could not be begun anew").await;
        let ended = bench.end().await;
        let words = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("something else has the name of the trace"), "{words}");
        assert!(words.contains("is gone, and nothing is judged"), "{words}");
        assert!(words.contains("; 12 records not in the trace"), "{words}");
        assert!(!words.contains("nothing-seen") && !words.contains("authtrace report"), "{words}");
        assert_eq!(std::fs::read(victim).unwrap(), b"precious");
    }
}

#[tokio::test]
async fn case_34_a_folder_that_may_not_be_written_any_more_changes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bench = Bench::start().await;
    let folder = bench.trace.parent().unwrap().to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    bench.healthy(3).await;
    let ended = bench.end().await;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!ended.stderr.contains("trace_degraded"), "{}", ended.stderr);
    Account::read(&bench.trace).is_complete(4);
}

#[tokio::test]
async fn case_37_a_second_program_does_not_write_into_the_same_trace() {
    let bench = Bench::start().await;
    let home = Home::new();
    let before = std::fs::read(&bench.trace).unwrap();
    let other = run(home.authtrace().args(["proxy", "--upstream-proxy", "none", "--out"]).arg(&bench.trace), PATIENCE);
    assert_eq!(other.code, Some(125), "{}", other.stderr);
    let words = other.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("another authtrace is writing") && words.contains("choose another file with --out"),
        "{words}"
    );
    assert!(std::fs::read(&bench.trace).unwrap().starts_with(&before));
    let (trace, _) = bench.finish().await;
    // And no line of the other is among them.
    assert_eq!(trace.exchanges.len(), 2);
}

#[tokio::test]
async fn case_37_a_trace_is_rotated_by_a_new_name_and_a_hang_up() {
    if tool("setsid").is_none() {
        return;
    }
    let mut bench = Setup::new().starter(&["setsid", "--wait"]).start().await;
    bench.healthy(2).await;
    bench.connections_told().await;
    let old = bench.trace.with_extension("old");
    std::fs::rename(&bench.trace, &old).unwrap();
    bench.healthy(1).await;
    let told = || super::records(&old).iter().filter(|record| matches!(record, Record::Connection(_))).count();
    bench.until("the exchange in the file of another name", || (told() == 4).then_some(())).await;
    bench.signal(Signal::HUP);
    let anew = async {
        while !bench.trace.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    soon("a new file", anew).await;
    bench.healthy(2).await;
    bench.end().await;
    let (old, new) = (Account::read(&old), Account::read(&bench.trace));
    assert_eq!((old.exchanges, old.lost.len(), old.end), (4, 0, None));
    assert_eq!((new.exchanges, new.told(), new.lost.len()), (2, old.written, 1), "{new:?}");
    // Both together are the whole.
    let whole = Account::of(
        [std::fs::read(bench.trace.with_extension("old")).unwrap(), std::fs::read(&bench.trace).unwrap()]
            .concat()
            .as_slice(),
    );
    assert_eq!((whole.exchanges, whole.lost.len()), (6, 0), "{whole:?}");
}

#[tokio::test]
async fn case_37_a_trace_that_keeps_another_name_is_whole_there_and_is_not_judged() {
    let mut bench = Bench::start().await;
    bench.healthy(2).await;
    let folder = bench.trace.parent().unwrap().canonicalize().unwrap();
    let moved = folder.join("moved.jsonl");
    std::fs::rename(&bench.trace, &moved).unwrap();
    // What has its name is somebody else's.
    std::fs::write(&bench.trace, "not a trace").unwrap();
    bench.healthy(2).await;
    let ended = bench.end().await;
    Account::read(&moved).is_complete(5);
    let words = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("was renamed while it was written, and nothing is judged"), "{words}");
    let now = format!("it is {} now", moved.display());
    assert!(words.contains(&now) || cfg!(not(target_os = "linux")), "{words}");
    assert!(!words.contains("nothing-seen") && !words.contains("could not be written"), "{words}");
}

#[test]
fn case_37_a_run_whose_trace_keeps_another_name_is_held_against_nothing() {
    let home = Home::new();
    let mut command = home.authtrace();
    command.args(["run", "--scenario", "healthy", "--out", "t.jsonl", "--deny", "auth-failure"]);
    command.args(["--", "mv", "t.jsonl", "moved.jsonl"]);
    let ended = run(&mut command, PATIENCE);
    let words = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ended.code, Some(125), "{words}");
    assert!(words.contains("nothing can be held against what is expected"), "{words}");
    for untrue in ["nothing-seen", "made no connection", "report t.jsonl"] {
        assert!(!words.contains(untrue), "{untrue}: {words}");
    }
    assert!(Account::read(&home.path("work/moved.jsonl")).end.is_some());
}

#[tokio::test]
async fn case_37_a_bounded_trace_that_is_rotated_again_and_again_loses_nothing() {
    if tool("setsid").is_none() {
        return;
    }
    let setup = Setup::new().argument("--max-size").argument("1MB");
    let mut bench = setup.starter(&["setsid", "--wait"]).start().await;
    let mut files = Vec::new();
    let mut exchanges = 1;
    for round in 0..3 {
        let old = bench.trace.with_extension(format!("old-{round}"));
        std::fs::rename(&bench.trace, &old).unwrap();
        files.push(old);
        // It is full before anybody asks for a new one.
        while !bench.trace.exists() {
            bench.many(100).await;
            exchanges += 100;
            let all = || files.iter().chain([&bench.trace]).filter(|file| file.exists());
            let is_told = || all().map(|file| exchanges_in(file)).sum::<usize>() >= exchanges;
            bench.until("every exchange", || is_told().then_some(())).await;
        }
        bench.signal(Signal::HUP);
    }
    let ended = bench.end().await;
    files.push(bench.trace.clone());
    let whole = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect::<Vec<u8>>();
    let account = Account::of(whole.as_slice());
    let end = account.end.as_ref().map(|end| (end.exchanges, end.lost));
    assert_eq!((account.exchanges, account.told(), end), (exchanges, 0, Some((exchanges as u64, 0))));
    assert!(!ended.stderr.contains("trace_degraded"), "{}", ended.stderr);
}

#[tokio::test]
async fn case_34_a_bounded_trace_keeps_the_newest_and_says_how_many_are_gone() {
    let mut bench = Setup::new().argument("--max-size").argument("1MB").start().await;
    let exchanges = 1_500;
    bench.many(exchanges).await;
    let ended = bench.end().await;
    let words = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the trace has reached --max-size: the oldest records make way"), "{words}");
    let earlier = bench.trace.with_extension("1.jsonl");
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    assert!(size(&bench.trace) + size(&earlier) <= 1_000_000 && size(&earlier) > 400_000);
    let both = [std::fs::read(&earlier).unwrap(), std::fs::read(&bench.trace).unwrap()].concat();
    let account = Account::of(both.as_slice());
    assert_eq!(account.end.as_ref().map(|end| end.lost), Some(account.told()));
    assert_eq!(account.end.as_ref().map(|end| end.exchanges), Some(exchanges + 1));
    // The report reads both, and says what is gone.
    let mut report = bench.home.authtrace();
    let report = run(report.args(["report", "--format", "json"]).arg(&bench.trace), PATIENCE);
    let json: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(json["exchanges"].as_array().map(Vec::len), Some(account.exchanges), "{}", report.stderr);
    assert!(report.stdout.contains("they stood in earlier files of this trace"), "{}", report.stdout);
}
