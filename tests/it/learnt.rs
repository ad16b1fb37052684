//! What is learnt from a played scenario: the scenario played again keeps it, others do not.

use super::scenarios::play_built_in;
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::check::{evaluate, learn, read};
use authtrace::scenario;
use std::sync::Mutex;

struct Lesson {
    code: Code,
    text: String,
    traces: [Survey; 2],
}

fn missed(text: &str, survey: &Survey) -> Vec<String> {
    let expectations = read("learnt.toml", text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let report = evaluate(survey, &diagnose(survey), &expectations);
    let misses = report.outcomes.into_iter().filter_map(|one| Some((one.expected, one.miss?.message)));
    misses.map(|(expected, message)| format!("{expected}: {message}")).collect()
}

fn lessons() -> Vec<Lesson> {
    let only = std::env::var("ONLY_SCENARIO").ok();
    let wanted = |code: Code| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == code.as_str()));
    let mut all: Vec<_> = scenario::builtins().iter().filter(|one| wanted(one.code)).collect();
    // Those that only wait are begun first: the last is taken first.
    all.sort_by_key(|one| one.text.contains("lost-login"));
    let waiting = Mutex::new(all);
    let lessons = Mutex::new(Vec::new());
    let next = || waiting.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                while let Some(builtin) = next() {
                    let scenario = scenario::read(builtin.text).unwrap();
                    let plays = async { tokio::join!(play_built_in(&scenario), play_built_in(&scenario)) };
                    let traces = <[Survey; 2]>::from(runtime.block_on(plays));
                    let text = learn(&traces[0], &diagnose(&traces[0]));
                    lessons.lock().unwrap().push(Lesson { code: builtin.code, text, traces });
                }
            });
        }
    });
    lessons.into_inner().unwrap()
}

#[test]
fn a_scenario_keeps_what_is_learnt_from_it_and_others_do_not() {
    let lessons = lessons();
    let mut wrong = Vec::new();
    let (mut held, mut all) = (0, 0);
    for lesson in &lessons {
        for (play, trace) in lesson.traces.iter().enumerate() {
            let missed = missed(&lesson.text, trace);
            if !missed.is_empty() {
                wrong.push(format!("{}, play {}: {missed:#?}\n{}", lesson.code, play + 1, lesson.text));
            }
        }
        for other in lessons.iter().filter(|other| other.code != lesson.code) {
            all += 1;
            held += usize::from(missed(&lesson.text, &other.traces[0]).is_empty());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} lessons; {held} of {all} pairs of another scenario hold", lessons.len());
    assert!(held * 50 <= all, "{held} of {all} traces of other scenarios keep what they should not");
}
