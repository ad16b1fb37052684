//! Versions of the client, installed side by side in a folder of the user's cache: each is there as a whole, or not at all.

use super::npm::{Npm, Package, finish};
use crate::cli::console;
use anyhow::{Context, Result};
use semver::Version;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// How long a client may take to say its version.
const PATIENCE: Duration = Duration::from_secs(60);
/// After which time it is looked whether another search has let go of the cache.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The folder of one package.
pub(super) struct Clients<'a> {
    npm: Npm<'a>,
    folder: PathBuf,
}

impl<'a> Clients<'a> {
    /// Makes the folder if need be.
    pub(super) fn within(cache: &Path, npm: Npm<'a>) -> Result<Self> {
        let folder = cache.join(npm.package.folder());
        private_folder(&folder)?;
        Ok(Self { npm, folder })
    }

    pub(super) fn versions(&self) -> Result<Vec<Version>> {
        self.npm.versions(&self.folder)
    }

    /// The program of a version, installed if it is not there yet; or why there is none that starts.
    pub(super) fn program(&self, version: &Version) -> Result<Result<PathBuf, String>> {
        let installed = self.folder.join(version.to_string());
        if !installed.is_dir()
            && let Err(why) = self.install(version, &installed)?
        {
            return Ok(Err(format!("it cannot be installed: {why}")));
        }
        for program in candidates(&installed, self.npm.package) {
            if self.starts(&program)? {
                return Ok(Ok(program));
            }
        }
        Ok(Err("it has no program that starts on this machine".to_owned()))
    }

    /// Under a lock, so that parallel searches do not install the same twice; the folder gets its name when it is whole.
    fn install(&self, version: &Version, installed: &Path) -> Result<Result<(), String>> {
        let lock = File::create(self.folder.join(".lock")).context("cannot make a lock in the cache")?;
        self.wait_for(&lock)?;
        if installed.is_dir() {
            return Ok(Ok(()));
        }
        let partial = self.folder.join(format!(".{version}.partial"));
        if partial.exists() {
            fs::remove_dir_all(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
        }
        private_folder(&partial)?;
        fs::write(partial.join("package.json"), "{\"private\":true}\n").context("cannot write to the cache")?;
        console::say(&format!("installing {}@{version}", self.npm.package.name()));
        let done = self.npm.install(version, &partial);
        match &done {
            Ok(Ok(())) => {
                fs::rename(&partial, installed).with_context(|| format!("cannot rename {}", partial.display()))?
            }
            _ => drop(fs::remove_dir_all(&partial)),
        }
        done
    }

    /// Ctrl-C ends this, too: another search may install for minutes.
    fn wait_for(&self, lock: &File) -> Result<()> {
        let mut is_told = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the cache"),
            }
            if !std::mem::replace(&mut is_told, true) {
                console::say("waiting for another authtrace bisect, which is installing");
            }
            self.npm.runtime.block_on(async {
                tokio::select! {
                    () = self.npm.interrupt.token.cancelled() => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            });
            self.npm.interrupt.check()?;
        }
    }

    /// Whether it can say its version: in an empty home, with nothing of the user's environment but where programs are.
    fn starts(&self, program: &Path) -> Result<bool> {
        let home = authtrace::launch::TempDir::create(&std::env::vars_os().collect())?;
        let mut command = Command::new(program);
        command.arg("--version").env_clear().current_dir(home.path());
        command.env("HOME", home.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let started = finish(self.npm.runtime, self.npm.interrupt, command, PATIENCE);
        match started {
            Ok(output) => Ok(output.is_some_and(|output| output.status.success())),
            Err(_) => self.npm.interrupt.check().map(|()| false).map_err(Into::into),
        }
    }
}

/// Where the program may be: a native one for this system in a package beside the one that was asked for, whose place the
/// package's own script would have linked; or what npm links.
fn candidates(installed: &Path, package: &Package) -> Vec<PathBuf> {
    let modules = installed.join("node_modules");
    let own = modules.join(package.name());
    let name = program_name(&own, package);
    let beside = own.parent().and_then(|scope| fs::read_dir(scope).ok()).into_iter().flatten().flatten();
    let is_native = |path: &PathBuf| {
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
        folder.strip_prefix(package.base()).is_some_and(|rest| rest.starts_with('-')) && is_program(path)
    };
    let mut found: Vec<PathBuf> = beside.map(|entry| entry.path().join(&name)).filter(is_native).collect();
    found.sort();
    found.push(modules.join(".bin").join(&name));
    found.retain(|path| is_program(path));
    found
}

/// What the package calls its program.
fn program_name(own: &Path, package: &Package) -> String {
    let described = fs::read(own.join("package.json")).unwrap_or_default();
    let described: serde_json::Value = serde_json::from_slice(&described).unwrap_or_default();
    let first = described.get("bin").and_then(|bin| bin.as_object()).and_then(|bin| bin.keys().next());
    first.map_or(package.base(), String::as_str).rsplit('/').next().unwrap_or_default().to_owned()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Makes a folder that nobody else may read, with those above it.
pub(super) fn private_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make {}; --cache DIR names another place", path.display()))
}
