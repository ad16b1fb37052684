//! Debug logs of the client: prompts, paths and tokens are in them, and nothing of it comes out.

use super::secret::{assert_hidden, has_mark, redactor};
use authtrace::analyze::Survey;
use authtrace::import::client_log::read;
use authtrace::trace::ClientLog;

pub fn run(data: &[u8]) {
    if has_mark(data) {
        assert_hidden(data, |data| log(data).map(|log| format!("{log:?}")).unwrap_or_default());
    }
    let Some(log) = log(data) else { return };
    assert_eq!(log.understood as usize, log.events.len());
    assert!(log.events.iter().all(|event| event.line >= 1 && event.line <= log.lines));
    let survey = Survey::default().with_client_log(log);
    assert!(survey.client_view().is_some());
}

fn log(data: &[u8]) -> Option<ClientLog> {
    read(data, Some("11111111-2222-4333-8444-555555555555.txt"), &redactor()).ok()
}
