//! A harness at work.

use super::builder::Builder;
use super::command::{self, Ran};
use super::observed::Observed;
use super::reverse::Reverse;
use super::session::Session;
use super::stage::Stage;
use super::{HarnessError, play};
use crate::analyze::Survey;
use crate::fake::{Change, Fake, Played};
use crate::launch::{Leftovers, ParentEnvironment, TempDir};
use crate::record::{Closed, Recorder};
use crate::redact::Redactor;
use crate::trace::{Gap, Record, Timestamp};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::watch;

/// A fake Anthropic, a proxy and a recorder at work. [`super`] shows what it is for.
pub struct Harness {
    parts: Parts,
    reverse: Reverse,
    /// Of what was run: the first that was no success stands for all.
    exit_code: Mutex<Option<i32>>,
}

/// What it consists of, in the order in which it ends.
pub(super) struct Parts {
    pub(super) session: Session,
    /// Whatever was started with a home of the stage and is still there.
    pub(super) leftovers: Leftovers,
    pub(super) recorder: Arc<Recorder>,
    pub(super) seen: Arc<watch::Sender<Survey>>,
    pub(super) stage: Stage,
    /// One for each client.
    pub(super) environments: Vec<ParentEnvironment>,
    pub(super) ca_file: PathBuf,
    /// What clients are to trust; gone when it is dropped.
    pub(super) files: TempDir,
}

impl Harness {
    /// Plays a scenario: a name of `authtrace scenario list`, or a file (with a slash in its name, or `.toml` at the end).
    ///
    /// # Errors
    /// An unknown scenario or one with a mistake; a port, a file or a folder that cannot be had.
    pub async fn start(scenario: &str) -> Result<Self, HarnessError> {
        Self::builder().scenario(scenario).start().await
    }

    /// A server that works unless told otherwise, and more to choose.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) async fn of(parts: Parts) -> Result<Self, HarnessError> {
        let reverse = Reverse::open(&parts.session).await?;
        Ok(Self { parts, reverse, exit_code: Mutex::new(None) })
    }

    /// A command of the scenario's client: with its home, its login, the proxy and its certificates, and without any
    /// credential or setting of the user's. Of several clients, of the first.
    ///
    /// It runs in the working folder of this process unless it is given another.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        prepared(program.as_ref(), self.environment())
    }

    /// The same of another client, counted from 0, of a scenario that has several.
    ///
    /// # Errors
    /// There is no such client.
    pub fn command_of(&self, number: usize, program: impl AsRef<OsStr>) -> Result<Command, HarnessError> {
        let clients = self.clients();
        let environment = self.parts.environments.get(number).ok_or(HarnessError::NoSuchClient { number, clients })?;
        Ok(prepared(program.as_ref(), environment))
    }

    /// How many clients the scenario has.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.parts.environments.len()
    }

    /// Runs a command to its end and gives what it wrote. It gets no input, and a process group of its own: after
    /// `time_limit`, or if this future is dropped, all of it is ended, and what it leaves behind in any case.
    ///
    /// # Errors
    /// It cannot be started, or does not end in time. An exit code that is no success is none: the expectations decide
    /// what it may be.
    pub async fn run(&self, command: &mut Command, time_limit: Duration) -> Result<Ran, HarnessError> {
        let ran = command::run(command, time_limit, self.parts.session.proxy.peers()).await?;
        self.remember(i32::from(ran.outcome.exit_code()));
        Ok(ran)
    }

    /// Plays the scenario with the built-in client, which goes about authentication as Claude Code does and sends one
    /// message, or whatever the scenario says.
    ///
    /// # Errors
    /// The proxy cannot be used. Answers of any status, and none, are part of the play.
    pub async fn play(&self) -> Result<Played, HarnessError> {
        let played = play(&self.parts.session, &self.parts.stage).await?;
        self.remember(played.exit_code);
        Ok(played)
    }

    /// The whole environment of a client, for whatever starts it. Of several clients, of the first.
    #[must_use]
    pub fn environment(&self) -> &ParentEnvironment {
        static NONE: ParentEnvironment = ParentEnvironment::new();
        self.parts.environments.first().unwrap_or(&NONE)
    }

    /// The home of the first client.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.parts.stage.homes().first().map_or(Path::new(""), PathBuf::as_path)
    }

    /// The proxy, with user and password: `http://main:…@127.0.0.1:…`. For HTTPS and for HTTP.
    #[must_use]
    pub fn proxy_url(&self) -> String {
        let login = self.parts.session.login.as_ref();
        let user = login.map(|login| format!("{}:{}@", login.user, login.password.as_str())).unwrap_or_default();
        format!("http://{user}{}", self.parts.session.address())
    }

    /// What clients behind the proxy have to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.parts.session.root_pem
    }

    /// The same in a file, which is there for as long as the harness is.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.parts.ca_file
    }

    /// An API without TLS for whoever takes a base URL and knows no proxy. It stands for `api.anthropic.com`, is the fake
    /// even where [`Builder::upstream`] names another server for that, and what is asked there is recorded in a lane of
    /// its own, `base-url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.reverse.address())
    }

    /// The fake: its clock can be put forward ([`Fake::advance`]), its state be looked at and changed, and what it was
    /// asked be waited for.
    #[must_use]
    pub fn fake(&self) -> &Fake {
        self.parts.stage.fake()
    }

    /// Puts the server's clock forward: a token's eight hours pass at once.
    pub fn advance(&self, by: Duration) {
        self.fake().advance(by);
    }

    /// Something happens to the server now, such as [`Change::Revoke`].
    pub fn change(&self, change: &Change) {
        self.fake().change(change);
    }

    /// What has been recorded by now; an exchange that has just ended may need a tenth of a second to be there.
    #[must_use]
    pub fn so_far(&self) -> Survey {
        self.parts.seen.borrow().clone()
    }

    /// Waits until what has been recorded is enough, and gives it.
    ///
    /// # Errors
    /// It was not within that time.
    pub async fn wait_for(
        &self,
        time_limit: Duration,
        mut enough: impl FnMut(&Survey) -> bool,
    ) -> Result<Survey, HarnessError> {
        let mut seen = self.parts.seen.subscribe();
        let waiting = seen.wait_for(|survey| enough(survey));
        match tokio::time::timeout(time_limit, waiting).await {
            Ok(Ok(survey)) => Ok(survey.clone()),
            _ => Err(HarnessError::WaitedInVain(time_limit)),
        }
    }

    /// Lets open exchanges end (for five seconds at most), ends proxy and fake, and gives what was recorded.
    ///
    /// # Errors
    /// None so far: what could not be kept, since the disk of a trace file is full for example, is a gap in what is
    /// observed, and no expectation holds then.
    pub async fn finish(self) -> Result<Observed, HarnessError> {
        let Self { parts, reverse, exit_code } = self;
        parts.session.proxy.stop().await;
        drop((reverse, parts.leftovers));
        let closed = parts.recorder.close(exit_code.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut survey = parts.seen.send_replace(Survey::default());
        if let Some(gap) = gap(&closed, &parts.session.redactor) {
            survey.take(&gap);
        }
        parts.stage.clear().await;
        drop(parts.files);
        Ok(Observed::of(survey))
    }

    fn remember(&self, code: i32) {
        let mut known = self.exit_code.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| known == 0) {
            *known = Some(code);
        }
    }
}

/// What could not be kept, as a trace tells it.
fn gap(closed: &Closed, redactor: &Redactor) -> Option<Record> {
    let cause = redactor.message(closed.degraded.as_deref()?);
    Some(Record::Gap(Gap { at: Timestamp::now(), lost: closed.totals.lost, cause }))
}

fn prepared(program: &OsStr, environment: &ParentEnvironment) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment).kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::Observed;

    #[test]
    fn what_could_not_be_kept_is_a_gap_on_which_every_expectation_fails() {
        let mut closed = Closed::default();
        assert_eq!(gap(&closed, &Redactor::plain()), None);
        closed.totals.lost = 3;
        closed.degraded = Some("the disk is full".to_owned());
        let mut survey = Survey::default();
        survey.take(&gap(&closed, &Redactor::plain()).unwrap());
        let checked = Observed::of(survey).check("format = 1\nallow_empty = true\n").unwrap();
        assert!(!checked.held() && checked.to_string().contains("the disk is full"), "{checked}");
    }
}
