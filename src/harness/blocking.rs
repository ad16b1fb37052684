//! The harness for tests without async: it has a thread of its own, in which everything runs.
//!
//! It can also be used inside a runtime (a `#[tokio::test]`); it then blocks the thread that calls it, so that a client in
//! the same single-threaded runtime cannot go on meanwhile. Use the async one there.

use super::{Change, Fake, HarnessError, Observed, Played, Ran, Survey, builder};
use crate::launch::ParentEnvironment;
use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The same as [`super::Harness`], for tests without async.
pub struct Harness {
    // In this order: what it consists of ends first, then the thread.
    harness: Arc<super::Harness>,
    worker: Worker,
}

/// The same as [`super::Builder`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Builder(builder::Builder);

impl Builder {
    /// See [`super::Builder::scenario`].
    pub fn scenario(self, named: impl Into<String>) -> Self {
        Self(self.0.scenario(named))
    }

    /// See [`super::Builder::scenario_toml`].
    pub fn scenario_toml(self, text: impl Into<String>) -> Self {
        Self(self.0.scenario_toml(text))
    }

    /// See [`super::Builder::upstream`].
    pub fn upstream(self, target: impl Into<String>, address: SocketAddr) -> Self {
        Self(self.0.upstream(target, address))
    }

    /// See [`super::Builder::upstream_ca`].
    pub fn upstream_ca(self, pem: impl Into<String>) -> Self {
        Self(self.0.upstream_ca(pem))
    }

    /// See [`super::Builder::gateway`].
    pub fn gateway(self, url: impl Into<String>) -> Self {
        Self(self.0.gateway(url))
    }

    /// See [`super::Builder::intercept`].
    pub fn intercept(self, host: impl Into<String>) -> Self {
        Self(self.0.intercept(host))
    }

    /// See [`super::Builder::trace_file`].
    pub fn trace_file(self, path: impl Into<PathBuf>) -> Self {
        Self(self.0.trace_file(path))
    }

    /// See [`super::Builder::environment`].
    pub fn environment(self, variables: ParentEnvironment) -> Self {
        Self(self.0.environment(variables))
    }

    /// See [`super::Builder::start`].
    ///
    /// # Errors
    /// Those of [`super::Builder::start`], and a thread that cannot be started.
    pub fn start(self) -> Result<Harness, HarnessError> {
        let worker = Worker::start()?;
        let harness = worker.wait_for(self.0.start())??;
        Ok(Harness { harness: Arc::new(harness), worker })
    }
}

impl Harness {
    /// See [`super::Harness::start`].
    ///
    /// # Errors
    /// Those of [`Builder::start`].
    pub fn start(scenario: &str) -> Result<Self, HarnessError> {
        Self::builder().scenario(scenario).start()
    }

    /// See [`super::Harness::builder`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// See [`super::Harness::command`].
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.harness.command(program).into_std()
    }

    /// See [`super::Harness::command_of`].
    ///
    /// # Errors
    /// There is no such client.
    pub fn command_of(&self, number: usize, program: impl AsRef<OsStr>) -> Result<Command, HarnessError> {
        self.harness.command_of(number, program).map(tokio::process::Command::into_std)
    }

    /// See [`super::Harness::clients`].
    #[must_use]
    pub fn clients(&self) -> usize {
        self.harness.clients()
    }

    /// See [`super::Harness::run`].
    ///
    /// # Errors
    /// It cannot be started, or does not end in time.
    pub fn run(&self, command: &mut Command, time_limit: Duration) -> Result<Ran, HarnessError> {
        // It is used in another thread and comes back from there.
        let mut lent = tokio::process::Command::from(std::mem::replace(command, Command::new("")));
        let (ran, lent) = self.with(move |harness| async move {
            let ran = harness.run(&mut lent, time_limit).await;
            (ran, lent)
        })?;
        *command = lent.into_std();
        ran
    }

    /// See [`super::Harness::play`].
    ///
    /// # Errors
    /// The proxy cannot be used.
    pub fn play(&self) -> Result<Played, HarnessError> {
        self.with(|harness| async move { harness.play().await })?
    }

    /// See [`super::Harness::environment`].
    #[must_use]
    pub fn environment(&self) -> &ParentEnvironment {
        self.harness.environment()
    }

    /// See [`super::Harness::home`].
    #[must_use]
    pub fn home(&self) -> &Path {
        self.harness.home()
    }

    /// See [`super::Harness::proxy_url`].
    #[must_use]
    pub fn proxy_url(&self) -> String {
        self.harness.proxy_url()
    }

    /// See [`super::Harness::ca_pem`].
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.harness.ca_pem()
    }

    /// See [`super::Harness::ca_file`].
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        self.harness.ca_file()
    }

    /// See [`super::Harness::base_url`].
    #[must_use]
    pub fn base_url(&self) -> String {
        self.harness.base_url()
    }

    /// See [`super::Harness::fake`].
    #[must_use]
    pub fn fake(&self) -> &Fake {
        self.harness.fake()
    }

    /// See [`super::Harness::advance`].
    pub fn advance(&self, by: Duration) {
        self.harness.advance(by);
    }

    /// See [`super::Harness::change`].
    pub fn change(&self, change: &Change) {
        self.harness.change(change);
    }

    /// See [`super::Harness::so_far`].
    #[must_use]
    pub fn so_far(&self) -> Survey {
        self.harness.so_far()
    }

    /// See [`super::Harness::wait_for`].
    ///
    /// # Errors
    /// It was not within that time.
    pub fn wait_for(
        &self,
        time_limit: Duration,
        enough: impl FnMut(&Survey) -> bool + Send + 'static,
    ) -> Result<Survey, HarnessError> {
        self.with(move |harness| async move { harness.wait_for(time_limit, enough).await })?
    }

    /// See [`super::Harness::finish`].
    ///
    /// # Errors
    /// Those of [`super::Harness::finish`].
    pub fn finish(self) -> Result<Observed, HarnessError> {
        let Self { harness, worker } = self;
        // Nobody else has it: what was begun has been waited for.
        let harness = Arc::into_inner(harness).ok_or(HarnessError::Thread(None))?;
        worker.wait_for(harness.finish())?
    }

    fn with<T, F>(&self, act: impl FnOnce(Arc<super::Harness>) -> F) -> Result<T, HarnessError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.worker.wait_for(act(Arc::clone(&self.harness)))
    }
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread with a runtime; ended, with all that runs in it, when this is dropped.
struct Worker {
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> Result<Self, HarnessError> {
        let failed = |error: io::Error| HarnessError::Thread(Some(error));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (jobs, received) = unbounded_channel();
        let work = move || runtime.block_on(work(received));
        let thread = std::thread::Builder::new().name("harness".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has it done in the thread, beside whatever else is done there, and waits.
    fn wait_for<T: Send + 'static>(&self, job: impl Future<Output = T> + Send + 'static) -> Result<T, HarnessError> {
        let (tell, told) = mpsc::sync_channel(1);
        // The future, and with it all that it holds, is gone before the answer is there.
        let job: Job = Box::pin(async move {
            let done = job.await;
            let _ = tell.send(done);
        });
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        let done = if sent { told.recv().ok() } else { None };
        done.ok_or(HarnessError::Thread(None))
    }
}

async fn work(mut jobs: UnboundedReceiver<Job>) {
    while let Some(job) = jobs.recv().await {
        tokio::spawn(job);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
