//! The home of a client: its credentials file, behind a lock as the real client has one, and its key helper.

use super::model::Login;
use super::setup::Handed;
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// A home; clones are the same one.
#[derive(Clone)]
pub(super) struct Home(Arc<Mutex<Kept>>);

/// What is in it.
pub(super) struct Kept {
    /// The login of the credentials file; none once it has been blanked.
    pub(super) login: Option<Login>,
    helper: Vec<String>,
}

impl Home {
    pub(super) fn new(handed: &Handed) -> Self {
        let login = match handed {
            Handed::File(login) => Some(login.clone()),
            _ => None,
        };
        let helper = match handed {
            // In reverse, so that the next one is taken from the end.
            Handed::Helper(values) => values.iter().rev().cloned().collect(),
            _ => Vec::new(),
        };
        Self(Arc::new(Mutex::new(Kept { login, helper })))
    }

    /// Nobody else writes it meanwhile.
    pub(super) async fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().await
    }

    pub(super) async fn login(&self) -> Option<Login> {
        self.lock().await.login.clone()
    }

    /// Runs the helper.
    pub(super) async fn ask_helper(&self) -> Option<String> {
        let mut kept = self.lock().await;
        if kept.helper.len() > 1 { kept.helper.pop() } else { kept.helper.last().cloned() }
    }
}
