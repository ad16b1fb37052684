//! What came of versions so far: a search that was stopped goes on where it was.

use super::BisectError;
use super::clients::private_folder;
use anyhow::{Context, Result};
use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// What a result depends on. With another one of these, nothing that was kept says anything.
#[derive(Serialize)]
pub(super) struct Key<'a> {
    pub(super) authtrace: &'a str,
    pub(super) package: &'a str,
    pub(super) good: &'a Version,
    pub(super) bad: &'a Version,
    /// The text.
    pub(super) scenario: &'a str,
    /// The texts, and the short forms.
    pub(super) expectations: &'a [String],
    pub(super) arguments: &'a [String],
    pub(super) timeout: u64,
}

/// What came of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kept {
    /// It ran, and left a trace.
    Ran,
    /// It could not be tried, for this reason.
    Skipped(String),
}

/// The folder of one search. It is locked for as long as this lives.
pub(super) struct Results {
    folder: PathBuf,
    _lock: File,
    kept: BTreeMap<Version, Kept>,
}

impl Results {
    /// Opens what is there; `fresh` forgets it.
    pub(super) fn open(cache: &Path, key: &Key<'_>, fresh: bool) -> Result<Self> {
        let key = serde_json::to_vec(key).context("cannot write down what is searched for")?;
        let name: String = Sha256::digest(&key).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let folder = cache.join("bisect").join(name);
        private_folder(&folder)?;
        let lock = File::create(folder.join(".lock")).context("cannot make a lock in the cache")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BisectError::Busy.into()),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache"),
        }
        let mut results = Self { folder, _lock: lock, kept: BTreeMap::new() };
        // What cannot be read was not written to its end by an earlier one: it is found out anew.
        let known = fs::read(results.file()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match known {
            Some(known) if !fresh => results.kept = known,
            _ => results.write()?,
        }
        Ok(results)
    }

    /// What came of a version; a trace that is gone says nothing any more.
    pub(super) fn get(&self, version: &Version) -> Option<&Kept> {
        let kept = self.kept.get(version)?;
        (*kept != Kept::Ran || self.trace(version).is_file()).then_some(kept)
    }

    pub(super) fn keep(&mut self, version: &Version, kept: Kept) -> Result<()> {
        self.kept.insert(version.clone(), kept);
        self.write()
    }

    /// Where the trace of a version is.
    pub(super) fn trace(&self, version: &Version) -> PathBuf {
        self.folder.join(format!("{version}.jsonl"))
    }

    /// Where it is while it is written; nothing is there.
    pub(super) fn new_trace(&self, version: &Version) -> PathBuf {
        let path = self.folder.join(format!(".{version}.partial.jsonl"));
        let _ = fs::remove_file(&path);
        path
    }

    fn file(&self) -> PathBuf {
        self.folder.join("results.json")
    }

    fn write(&self) -> Result<()> {
        let partial = self.folder.join(".results.json.partial");
        let text = serde_json::to_vec_pretty(&self.kept).context("cannot write down the results")?;
        let written = fs::write(&partial, text).and_then(|()| fs::rename(&partial, self.file()));
        written.with_context(|| format!("cannot write to {}", self.folder.display()))
    }
}
