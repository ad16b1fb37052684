//! Trace files: written, edited, torn or made up.

use super::secret::{Dice, assert_hidden, has_mark};
use super::told;
use authtrace::analyze::Survey;
use authtrace::trace::{Line, Reader, Record};

pub fn run(data: &[u8]) {
    if has_mark(data) {
        assert_hidden(data, |data| read(data).map(|lines| text(&lines)).unwrap_or_default());
    }
    let Some(lines) = read(data) else { return };
    let records: Vec<Record> = lines
        .iter()
        .filter_map(|line| match line {
            Line::Record(record) => Some(record.clone()),
            _ => None,
        })
        .collect();
    told::assert_round_trip(&records);
    told::assert_told(&records, &mut Dice::of(data));
    if let Ok(reader) = Reader::new(data) {
        let survey = Survey::read(reader);
        assert!(survey.exchanges().len() <= records.len());
    }
}

fn read(data: &[u8]) -> Option<Vec<Line>> {
    let mut reader = Reader::new(data).ok()?;
    let mut lines = vec![Line::Record(Record::Trace(Box::new(reader.head().clone())))];
    while let Some(line) = reader.next_line().expect("memory can be read") {
        if let Line::Broken { why, .. } = &line {
            assert!(why.len() < 80 && why.is_ascii(), "{why}");
        }
        lines.push(line);
    }
    Some(lines)
}

fn text(lines: &[Line]) -> String {
    let text = lines.iter().map(|line| match line {
        Line::Record(record) => serde_json::to_string(record).expect("serialises"),
        Line::Broken { line, .. } => format!("broken {line}"),
        Line::Torn { line } => format!("torn {line}"),
    });
    text.collect::<Vec<_>>().join("\n")
}
