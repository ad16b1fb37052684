//! What holds for every entry.

use super::*;
use std::collections::BTreeSet;

/// Everything in an entry that people read.
fn texts(entry: &Entry) -> Vec<&'static str> {
    let mut all = vec![entry.title, entry.meaning, entry.decides];
    for list in [entry.wire, entry.causes, entry.remedy, entry.attach] {
        all.extend(list);
    }
    all.extend(entry.versions.iter().map(|note| note.what));
    all.extend(entry.wordings.iter().map(|wording| wording.why));
    all
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

#[test]
fn every_code_has_its_own_entry_in_a_family_of_its_class() {
    for code in Code::ALL {
        let entry = entry(*code);
        assert_eq!(entry.code, *code);
        let class = match entry.family {
            Family::Label => Class::Label,
            Family::Observation => Class::Observation,
            _ => Class::Failure,
        };
        assert_eq!(code.class(), class, "{code}");
    }
}

#[test]
fn every_entry_is_complete() {
    for code in Code::ALL {
        let entry = entry(*code);
        assert!(!entry.causes.is_empty() && !entry.wire.is_empty() && !entry.remedy.is_empty(), "{code}");
        assert!(!entry.confused_with.is_empty() && !entry.decides.is_empty(), "{code}");
        if code.class() == Class::Failure {
            assert!(!entry.evidence.is_empty() && !entry.attach.is_empty(), "{code}");
        }
        let sentences = entry.meaning.matches(". ").count() + 1;
        assert!((2..=4).contains(&sentences), "{code} has {sentences} sentences");
        assert!(entry.meaning.ends_with('.') && entry.decides.ends_with('.'), "{code}");
    }
}

#[test]
fn titles_are_short_and_pictures_narrow() {
    let mut titles = BTreeSet::new();
    for code in Code::ALL {
        let entry = entry(*code);
        assert!(columns(entry.title) <= 70, "{code}: {}", columns(entry.title));
        assert!(!entry.title.ends_with('.') && !entry.title.contains('`'), "{code}");
        assert!(titles.insert(entry.title), "{code} has the title of another");
        for line in entry.wire {
            assert!(columns(line) <= 76, "{code}: {} columns: {line}", columns(line));
            assert_eq!(line.trim_end(), *line, "{code}");
        }
    }
}

#[test]
fn the_first_remedy_can_stand_in_a_report() {
    for code in Code::ALL {
        let first = entry(*code).remedy.first().unwrap();
        assert!(columns(first) <= 125 && !first.contains('`'), "{code}: {first}");
        assert!(first.matches(". ").count() == 0, "{code}: more than one sentence: {first}");
    }
}

#[test]
fn neighbours_are_others_and_named_once() {
    for code in Code::ALL {
        let neighbours = entry(*code).confused_with;
        let once: BTreeSet<Code> = neighbours.iter().copied().collect();
        assert_eq!(once.len(), neighbours.len(), "{code}");
        assert!(!once.contains(code), "{code} is taken for itself");
    }
}

#[test]
fn codes_named_in_the_texts_exist() {
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    // Words with two or more hyphens in the texts about deciding are codes, or these.
    let others = ["anthropic-ratelimit-unified-status", "x-api-key"];
    for code in Code::ALL {
        let words = entry(*code).decides.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
        for word in words.filter(|word| word.matches('-').count() >= 2 && !word.starts_with('-')) {
            assert!(known.contains(word) || others.contains(&word), "{code} names {word}");
        }
    }
}

#[test]
fn versions_are_versions_and_in_order() {
    for code in Code::ALL {
        let versions = entry(*code).versions;
        for note in versions {
            assert!(versions::compare(note.fixed_in, "0").is_some(), "{code}: {}", note.fixed_in);
            let before =
                note.since.is_none_or(|since| versions::compare(since, note.fixed_in).is_some_and(|o| o.is_lt()));
            assert!(before, "{code}: {:?} is not before {}", note.since, note.fixed_in);
        }
        for pair in versions.windows(2) {
            let [one, other] = pair else { continue };
            assert!(versions::compare(one.fixed_in, other.fixed_in).is_some_and(|order| order.is_lt()), "{code}");
        }
    }
}

#[test]
fn the_newest_mend_that_a_client_lacks_is_found() {
    let race = entry(Code::RefreshRace);
    let fix = |client| race.fix_for(client).map(|note| note.fixed_in);
    assert_eq!(["2.1.39", "2.1.132", "2.1.210"].map(fix), [Some("2.1.211"); 3]);
    assert_eq!(["2.1.211", "2.1.328", "no version"].map(fix), [None; 3]);
    let beta = entry(Code::OauthBetaHeaderMissing);
    let fix = |client| beta.fix_for(client).map(|note| note.fixed_in);
    assert_eq!(
        ["1.0.82", "1.0.85", "2.1.120", "2.1.122", "2.1.123"].map(fix),
        [None, Some("1.0.88"), None, Some("2.1.123"), None]
    );
}

#[test]
fn links_are_whole_and_named_once() {
    for code in Code::ALL {
        let evidence = entry(*code).evidence;
        assert!(evidence.len() <= 6, "{code}");
        let urls: BTreeSet<String> = evidence.iter().map(|link| link.url()).collect();
        assert_eq!(urls.len(), evidence.len(), "{code}");
        assert!(urls.iter().all(|url| url.starts_with("https://") && !url.contains(' ')), "{code}: {urls:?}");
    }
    assert_eq!(
        entries::entry(Code::RefreshRace).evidence[0].url(),
        "https://github.com/anthropics/claude-code/issues/25609"
    );
}

#[test]
fn words_to_look_for_are_normalised() {
    for code in Code::ALL {
        for wording in entry(*code).wordings {
            assert!(!wording.all.is_empty() && wording.weight <= 100, "{code}");
            for words in wording.all {
                let plain = words.chars().all(|c| !c.is_uppercase() && c.is_ascii() && !c.is_control());
                assert!(plain && words.trim() == *words && !words.contains("  "), "{code}: {words:?}");
            }
        }
    }
}

#[test]
fn texts_hold_no_credential_and_no_control_character() {
    for code in Code::ALL {
        for text in texts(entry(*code)) {
            assert!(!text.is_empty() && !text.chars().any(char::is_control), "{code}: {text:?}");
            assert_eq!(text.matches('`').count() % 2, 0, "{code}: {text}");
            assert!(!text.contains("  ") || entry(*code).wire.contains(&text), "{code}: two blanks in {text:?}");
        }
    }
}
