use super::*;
use crate::record::parts::TraceFile;
use crate::record::{Place, RecordError};
use crate::trace::{Line, Note, NoteKind, Reader};
use std::path::PathBuf;
use std::sync::{Mutex, mpsc};

/// A disk with so much room, and what was written on it.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Disk {
    fn with_room(room: usize) -> Self {
        Self(Arc::new(Mutex::new((Vec::new(), room))))
    }

    fn set_room(&self, room: usize) {
        self.0.lock().unwrap().1 = room;
    }

    fn records(&self) -> Vec<Record> {
        let content = self.0.lock().unwrap().0.clone();
        let mut reader = Reader::new(content.as_slice()).unwrap();
        let mut records = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            let Line::Record(record) = line else { panic!("{line:?}") };
            records.push(record);
        }
        records
    }
}

impl Store for Disk {
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let room = disk.1.saturating_sub(disk.0.len());
        let fits = lines.len() <= room;
        disk.0.extend_from_slice(&lines[..lines.len().min(room)]);
        if fits { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.0.lock().unwrap().0.truncate(usize::try_from(length).unwrap());
        Ok(())
    }
}

fn writer(disk: &Disk) -> Writer<Disk> {
    Writer::new(disk.clone(), None, Arc::new(Redactor::plain()), Vec::new(), Box::new(drop))
}

fn head() -> Record {
    let text = r#"{"record":"trace","format":"authtrace/1.0","tool":"authtrace","os":"linux","started":"2026-01-01T00:00:00.000Z","intercept":[]}"#;
    serde_json::from_str(text).unwrap()
}

fn note(text: &'static str) -> Record {
    Record::Note(Note { at: Timestamp::from_unix_ms(0), kind: NoteKind::Other, text: Redacted::literal(text) })
}

fn batch(records: Vec<Record>) -> Batch {
    Batch { records, overflowed: 0, nudged: false, closing: None }
}

#[test]
fn a_full_disk_leaves_whole_lines_and_an_exact_gap() {
    let disk = Disk::with_room(usize::MAX);
    let mut writer = writer(&disk);
    writer.write_batch(&mut batch(vec![head(), note("before")]));
    let used = disk.0.lock().unwrap().0.len();
    disk.set_room(used + 10);
    writer.write_batch(&mut batch(vec![note("one"), note("two")]));
    writer.write_batch(&mut batch(vec![note("three")]));
    disk.set_room(usize::MAX);
    writer.write_batch(&mut batch(vec![note("after")]));
    let closed = writer.finish(Some(0));
    let records = disk.records();
    let gaps: Vec<u64> = records
        .iter()
        .filter_map(|record| match record {
            Record::Gap(gap) => Some(gap.lost),
            _ => None,
        })
        .collect();
    let notes = records.iter().filter(|record| matches!(record, Record::Note(_))).count();
    assert_eq!((gaps, notes, closed.totals.lost), (vec![3], 2, 3));
    assert_eq!(closed.degraded.as_deref(), Some("the disk is full"));
}

#[test]
fn records_that_found_the_queue_full_are_counted() {
    let disk = Disk::with_room(usize::MAX);
    let mut writer = writer(&disk);
    writer.write_batch(&mut batch(vec![head()]));
    writer.write_batch(&mut Batch { records: vec![note("next")], overflowed: 7, nudged: false, closing: None });
    assert!(disk.records().iter().any(|record| matches!(record, Record::Gap(gap) if gap.lost == 7)));
}

#[test]
fn a_learned_value_is_masked_in_the_last_moment_and_noted() {
    let disk = Disk::with_room(usize::MAX);
    let redactor = Arc::new(Redactor::plain());
    redactor.learn(b"FAKE-credential-0123456789");
    let mut writer = Writer::new(disk.clone(), None, redactor, Vec::new(), Box::new(drop));
    writer.write_batch(&mut batch(vec![head(), note("said FAKE-credential-0123456789 aloud")]));
    let closed = writer.finish(None);
    let content = String::from_utf8(disk.0.lock().unwrap().0.clone()).unwrap();
    assert!(!content.contains("FAKE-credential"), "{content}");
    assert_eq!(closed.totals.masked, 1);
    assert!(disk.records().iter().any(|record| matches!(record, Record::Note(note) if note.kind == NoteKind::Masked)));
}

/// A trace in a folder, written by hand: batch after batch.
struct Bounded {
    folder: tempfile::TempDir,
    writer: Writer<TraceFile>,
    news: mpsc::Receiver<TraceNews>,
}

impl Bounded {
    fn new(limit: Option<u64>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = TraceFile::create(&folder.path().join("t.jsonl"), limit.is_some()).unwrap();
        let (send, news) = mpsc::channel();
        let tell = Box::new(move |news| drop(send.send(news)));
        let mut writer = Writer::new(store, limit, Arc::new(Redactor::plain()), Vec::new(), tell);
        let Record::Trace(head) = head() else { panic!() };
        writer.begin(*head).unwrap();
        Self { folder, writer, news }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, count: usize) {
        self.writer.write_batch(&mut batch(vec![note("one of many"); count]));
    }

    fn news(&self) -> Vec<TraceNews> {
        self.news.try_iter().collect()
    }
}

/// Notes, lost records that gaps tell of, and the records that the end says are not there.
fn told(input: impl std::io::BufRead) -> (u64, u64, Option<u64>) {
    let mut reader = Reader::new(input).unwrap();
    let (mut notes, mut gaps, mut end) = (0, 0, None);
    while let Some(line) = reader.next_line().unwrap() {
        match line {
            Line::Record(Record::Note(_)) => notes += 1,
            Line::Record(Record::Gap(gap)) => gaps += gap.lost,
            Line::Record(Record::End(last)) => end = Some(last.lost),
            other => panic!("{other:?}"),
        }
    }
    (notes, gaps, end)
}

#[test]
fn a_bounded_trace_is_two_files_and_every_record_is_in_them_or_counted() {
    let mut trace = Bounded::new(Some(2_000));
    for written in 1..=200 {
        trace.write(1);
        let size = |name: &str| std::fs::metadata(trace.path(name)).map_or(0, |metadata| metadata.len());
        assert!(size("t.jsonl") <= 2_000 && size("t.1.jsonl") <= 2_000);
        let late = std::fs::read(trace.path("t.jsonl")).unwrap();
        let both = [std::fs::read(trace.path("t.1.jsonl")).unwrap_or_default(), late.clone()].concat();
        for text in [both, late] {
            let (notes, gaps, _) = told(text.as_slice());
            assert_eq!(notes + gaps, written);
        }
    }
    assert_eq!(trace.news(), [TraceNews::Dropped]);
    let (path, earlier) = (trace.path("t.jsonl"), trace.path("t.1.jsonl"));
    let closed = trace.writer.finish(None);
    let both = [std::fs::read(earlier).unwrap(), std::fs::read(path).unwrap()].concat();
    let (notes, gaps, end) = told(both.as_slice());
    assert_eq!((notes + gaps, end), (200, Some(gaps)));
    assert!(closed.dropped && closed.degraded.is_none() && notes >= 10, "{closed:?} {notes}");
    assert_eq!(std::fs::read_dir(trace.folder.path()).unwrap().count(), 2);
}

#[test]
fn a_file_of_somebody_else_is_never_taken_for_a_part() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.1.jsonl"), "mine").unwrap();
    let refused = TraceFile::create(&folder.path().join("t.jsonl"), true);
    assert!(matches!(refused, Err(RecordError::NotEmpty { .. })));
    // One that comes later stays, too: records are counted instead.
    let mut trace = Bounded::new(Some(1_000));
    std::fs::write(trace.path("t.1.jsonl"), "mine").unwrap();
    trace.write(50);
    assert_eq!(std::fs::read(trace.path("t.1.jsonl")).unwrap(), b"mine");
    let news = trace.news();
    assert!(matches!(news.as_slice(), [TraceNews::Degraded { why }] if why.contains("the part before it")), "{news:?}");
    std::fs::remove_file(trace.path("t.1.jsonl")).unwrap();
    trace.write(1);
    assert!(matches!(trace.news().as_slice(), [TraceNews::Resumed { .. }]));
    let both =
        [std::fs::read(trace.path("t.1.jsonl")).unwrap(), std::fs::read(trace.path("t.jsonl")).unwrap()].concat();
    let (notes, gaps, _) = told(both.as_slice());
    assert_eq!(notes + gaps, 51);
}

#[test]
fn a_trace_that_is_removed_is_begun_anew_and_says_what_went_with_it() {
    let mut trace = Bounded::new(None);
    trace.write(5);
    std::fs::remove_dir_all(trace.folder.path()).unwrap();
    trace.write(3);
    assert_eq!(trace.news(), [TraceNews::Removed { records: 5 }]);
    let path = trace.path("t.jsonl");
    let closed = trace.writer.finish(None);
    assert_eq!(told(std::fs::read(&path).unwrap().as_slice()), (3, 5, Some(5)));
    assert_eq!((closed.totals.lost, closed.degraded.as_deref()), (5, Some(REMOVED)));
}

#[test]
fn a_trace_that_is_removed_since_it_filled_the_disk_gives_its_room_back() {
    let mut trace = Bounded::new(None);
    trace.write(5);
    let (path, held) = (trace.path("t.jsonl"), std::fs::File::open(trace.path("t.jsonl")).unwrap());
    let before = held.metadata().unwrap().len();
    std::fs::remove_file(&path).unwrap();
    // In its place is nothing that could be written.
    std::fs::create_dir(&path).unwrap();
    trace.write(1);
    assert!(held.metadata().unwrap().len() < before / 2);
    std::fs::remove_dir(&path).unwrap();
    trace.write(1);
    assert_eq!(told(std::fs::read(&path).unwrap().as_slice()), (1, 6, None));
}

#[test]
fn a_trace_with_another_name_is_written_until_somebody_wants_a_new_one() {
    let mut trace = Bounded::new(None);
    trace.write(2);
    std::fs::rename(trace.path("t.jsonl"), trace.path("old.jsonl")).unwrap();
    trace.write(3);
    trace.writer.reopen();
    trace.writer.reopen();
    trace.write(4);
    assert_eq!(told(std::fs::read(trace.path("old.jsonl")).unwrap().as_slice()).0, 5);
    assert_eq!(told(std::fs::read(trace.path("t.jsonl")).unwrap().as_slice()), (4, 5, None));
    assert_eq!(trace.news(), []);
}

/// The same of several files in a row.
fn told_together(paths: &[PathBuf]) -> (u64, u64, Option<u64>) {
    told(paths.iter().flat_map(|path| std::fs::read(path).unwrap()).collect::<Vec<u8>>().as_slice())
}

#[test]
fn a_trace_that_is_truncated_is_begun_anew_and_says_what_went_with_it() {
    for left in [0, 200] {
        let mut trace = Bounded::new(None);
        trace.write(5);
        let path = trace.path("t.jsonl");
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(left).unwrap();
        trace.write(3);
        assert_eq!(told_together(std::slice::from_ref(&path)), (3, 5, None));
        let news = trace.news();
        assert!(matches!(news.as_slice(), [TraceNews::Truncated { records: 5 }]), "{news:?}");
        let closed = trace.writer.finish(None);
        assert_eq!(told_together(&[path]), (3, 5, Some(5)));
        assert_eq!(
            (closed.totals.lost, closed.degraded.as_deref(), closed.place),
            (5, Some(TRUNCATED), Place::AsNamed)
        );
    }
}

#[test]
fn a_trace_that_is_copied_and_truncated_is_whole_with_its_copy() {
    let mut trace = Bounded::new(None);
    trace.write(5);
    let (path, copy) = (trace.path("t.jsonl"), trace.path("copy.jsonl"));
    std::fs::copy(&path, &copy).unwrap();
    std::fs::File::create(&path).unwrap();
    trace.write(3);
    assert_eq!(told_together(&[copy, path]), (8, 0, None));
}

#[test]
fn a_bounded_trace_with_another_name_stays_under_it_and_is_begun_anew_when_it_is_full() {
    let mut trace = Bounded::new(Some(2_000));
    trace.write(2);
    let (path, old) = (trace.path("t.jsonl"), trace.path("old.jsonl"));
    std::fs::rename(&path, &old).unwrap();
    trace.write(2);
    assert!(!path.exists());
    for written in 5..=30 {
        trace.write(1);
        let parts = if path.exists() { vec![old.clone(), path.clone()] } else { vec![old.clone()] };
        assert_eq!(told_together(&parts), (written, 0, None));
    }
    // From here on it is a trace in two files like any other, and what has another name is not counted as lost.
    assert!(path.exists() && std::fs::metadata(&old).unwrap().len() <= 2_000);
    let before = std::fs::read(&old).unwrap();
    trace.write(100);
    assert_eq!(trace.news(), [TraceNews::Dropped]);
    let closed = trace.writer.finish(None);
    assert_eq!(std::fs::read(&old).unwrap(), before);
    let (kept, _, _) = told(before.as_slice());
    let (notes, gaps, end) = told_together(&[path.with_extension("1.jsonl"), path]);
    assert_eq!((notes + gaps, end), (130, Some(gaps - kept)));
    assert!(closed.degraded.is_none(), "{closed:?}");
}

#[test]
fn a_bounded_trace_is_given_other_names_at_any_time_and_loses_nothing() {
    let mut trace = Bounded::new(Some(2_000));
    let path = trace.path("t.jsonl");
    let mut parts = Vec::new();
    for turn in 0..60 {
        trace.write(turn % 7);
        if path.exists() {
            parts.push(trace.path(&format!("old-{turn}.jsonl")));
            std::fs::rename(&path, parts.last().unwrap()).unwrap();
        }
        trace.write(3);
        if turn % 3 == 0 {
            trace.writer.reopen();
        }
    }
    assert_eq!(trace.news(), []);
    let closed = trace.writer.finish(None);
    let earlier = path.with_extension("1.jsonl");
    assert!(!earlier.exists());
    parts.extend(path.exists().then_some(path));
    let written = (0..60).map(|turn| turn % 7 + 3).sum::<usize>() as u64;
    assert_eq!((told_together(&parts), closed.totals.lost), ((written, 0, Some(0)), 0));
}

/// Whatever is in the way is told once; nothing is written meanwhile, and all is well when it is gone.
fn what_is_in_the_way(name: &str, put: impl Fn(&std::path::Path), why: &str) {
    let mut trace = Bounded::new(Some(2_000));
    let (path, earlier, obstacle) = (trace.path("t.jsonl"), trace.path("t.1.jsonl"), trace.path(name));
    trace.write(30);
    assert!(earlier.exists());
    let mut kept = path.clone();
    if obstacle == path {
        kept = trace.path("old.jsonl");
        std::fs::rename(&path, &kept).unwrap();
    } else {
        std::fs::remove_file(&obstacle).unwrap();
    }
    put(&obstacle);
    trace.news();
    trace.write(30);
    let length = std::fs::metadata(&kept).unwrap().len();
    for _ in 0..50 {
        trace.write(7);
        trace.write(0);
    }
    let news = trace.news();
    assert!(matches!(news.as_slice(), [TraceNews::Degraded { why: told }] if told.contains(why)), "{name}: {news:?}");
    assert_eq!(std::fs::metadata(&kept).unwrap().len(), length);
    assert_eq!(std::fs::read_dir(trace.folder.path()).unwrap().count(), if name == "t.jsonl" { 3 } else { 2 });
    if std::fs::remove_file(&obstacle).is_err() {
        std::fs::remove_dir(&obstacle).unwrap();
    }
    trace.write(1);
    let news = trace.news();
    assert!(matches!(news.iter().find(|one| **one != TraceNews::Dropped), Some(TraceNews::Resumed { .. })), "{news:?}");
    let closed = trace.writer.finish(None);
    assert_eq!(closed.place, Place::AsNamed);
    let parts = if name == "t.jsonl" { vec![earlier, kept, path] } else { vec![earlier, path] };
    let (notes, gaps, end) = told_together(&parts);
    assert_eq!(notes + gaps, 30 + 30 + 350 + 1, "{name}");
    assert_eq!(end, Some(gaps), "{name}");
}

#[test]
fn a_file_that_is_full_waits_for_whatever_is_in_the_way_of_the_next() {
    let folder = |path: &std::path::Path| std::fs::create_dir(path).unwrap();
    let file = |path: &std::path::Path| std::fs::write(path, "mine").unwrap();
    let link = |path: &std::path::Path| std::os::unix::fs::symlink("nowhere", path).unwrap();
    what_is_in_the_way("t.1.jsonl", folder, "the part before it");
    for put in [&folder as &dyn Fn(&std::path::Path), &file, &link] {
        what_is_in_the_way("t.jsonl", put, "something else has the name of the trace");
    }
}

#[test]
fn a_part_that_somebody_has_removed_or_truncated_is_counted_at_the_end() {
    let remove = |path: &std::path::Path| std::fs::remove_file(path).unwrap();
    let truncate = |path: &std::path::Path| drop(std::fs::File::create(path).unwrap());
    for harm in [&remove as &dyn Fn(&std::path::Path), &truncate] {
        for name in ["t.1.jsonl", "t.jsonl"] {
            let mut trace = Bounded::new(Some(2_000));
            trace.write(30);
            harm(&trace.path(name));
            // Less than a file takes, and so much that it would be full: in one batch, without a look in between.
            for more in [1, 30] {
                trace.write(more);
            }
            let path = trace.path("t.jsonl");
            let earlier = path.with_extension("1.jsonl");
            harm(&earlier);
            trace.writer.finish(None);
            // The last line may have taken a file of its own.
            let parts: Vec<PathBuf> = [earlier, path].into_iter().filter(|part| part.exists()).collect();
            let (notes, gaps, end) = told_together(&parts);
            assert_eq!((notes + gaps, end), (61, Some(gaps)), "{name}");
        }
    }
}

#[test]
fn a_trace_whose_name_was_taken_says_how_many_records_are_lost() {
    let folder = |path: &std::path::Path| std::fs::create_dir(path).unwrap();
    let link = |path: &std::path::Path| std::os::unix::fs::symlink("nowhere", path).unwrap();
    for put in [&folder as &dyn Fn(&std::path::Path), &link] {
        let mut trace = Bounded::new(None);
        trace.write(5);
        std::fs::remove_file(trace.path("t.jsonl")).unwrap();
        put(&trace.path("t.jsonl"));
        trace.write(3);
        trace.write(4);
        let news = trace.news();
        assert!(matches!(news.as_slice(), [TraceNews::Degraded { why }] if why.starts_with(REMOVED)), "{news:?}");
        let closed = trace.writer.finish(None);
        assert_eq!((closed.totals.lost, closed.place), (12, Place::Gone));
        assert!(closed.degraded.is_some_and(|why| why.starts_with(REMOVED)));
    }
}

#[test]
fn a_trace_with_another_name_says_where_it_is() {
    let mut trace = Bounded::new(None);
    trace.write(2);
    let now = trace.folder.path().canonicalize().unwrap().join("old.jsonl");
    std::fs::rename(trace.path("t.jsonl"), &now).unwrap();
    let closed = trace.writer.finish(None);
    assert_eq!(closed.totals.lost, 0);
    let known = cfg!(target_os = "linux").then_some(now);
    assert_eq!(closed.place, Place::Renamed(known));
}

#[test]
fn a_panic_in_the_redactor_costs_the_record_and_one_of_a_reader_the_reader() {
    let disk = Disk::with_room(usize::MAX);
    let (send, seen) = mpsc::channel();
    let observers: Vec<Observer> = vec![
        Box::new(|_: &[Record]| panic!("injected")),
        Box::new(move |records: &[Record]| send.send(records.len()).unwrap()),
    ];
    let mut writer = Writer::new(disk.clone(), None, Arc::new(Redactor::plain()), observers, Box::new(drop));
    writer.write_batch(&mut batch(vec![head(), note("before"), note(line::PANIC), note("behind")]));
    writer.write_batch(&mut batch(vec![note("after")]));
    let closed = writer.finish(None);
    let content = disk.0.lock().unwrap().0.clone();
    assert_eq!(told(content.as_slice()), (3, 1, Some(1)));
    assert_eq!(closed.degraded.as_deref(), Some(line::NO_LINE));
    assert_eq!(seen.try_iter().sum::<usize>(), 6);
}
