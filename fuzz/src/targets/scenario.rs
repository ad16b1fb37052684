//! Scenario files: the mistake has a place, and what is read can be written and read again.

use authtrace::scenario::{Scenario, describe, read, write};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match read(text) {
        Ok(scenario) => {
            for warning in &scenario.warnings {
                readable(&warning.to_string());
            }
            readable(&describe(&scenario));
            assert!(scenario.hosts().iter().all(|host| !host.is_empty()));
            let written = write(&scenario, &["a remark".to_owned()]);
            match read(&written) {
                Ok(again) => assert_eq!(again, Scenario { warnings: again.warnings.clone(), ..scenario }),
                Err(error) => panic!("what was written cannot be read: {error}\n{written}"),
            }
        }
        Err(error) => readable(&error.to_string()),
    }
}

/// What a person reads on a terminal.
pub fn readable(text: &str) {
    assert!(!text.is_empty());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
}
