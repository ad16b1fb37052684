//! npm, as the user has set it up: which versions there are, and one of them installed.

use super::BisectError;
use crate::cli::trial::Interrupt;
use anyhow::{Context, Result};
use authtrace::place::visible;
use semver::Version;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;
use tokio::runtime::Runtime;

/// Longer takes no list of versions, and no installation.
const PATIENCE: Duration = Duration::from_secs(600);
/// So many characters of what npm says are shown.
const SHOWN: usize = 600;

/// The name of a package, as npm takes it; it becomes an argument and a part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package(String);

impl Package {
    pub(super) fn parse(name: &str) -> Result<Self, BisectError> {
        let part = |part: &str| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '~');
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && part.chars().all(plain)
        };
        let is_name = match name.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
            Some(Some((scope, name))) => part(scope) && part(name),
            Some(None) => false,
            None => part(name),
        };
        match is_name && name.len() <= 214 {
            true => Ok(Self(name.to_owned())),
            false => Err(BisectError::Package),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The name without its scope.
    pub(super) fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The name as one part of a path.
    pub(super) fn folder(&self) -> String {
        self.0.replace('/', "+")
    }
}

/// Asks npm, and installs with it.
pub(super) struct Npm<'a> {
    pub(super) package: &'a Package,
    pub(super) runtime: &'a Runtime,
    pub(super) interrupt: &'a Interrupt,
}

impl Npm<'_> {
    /// Every version that is published, in ascending order.
    pub(super) fn versions(&self, folder: &Path) -> Result<Vec<Version>> {
        let output = self.run(folder, &["view", self.package.name(), "versions", "--json"])?;
        if !output.status.success() {
            let said = said(&output);
            return Err(BisectError::View { package: self.package.name().to_owned(), said }.into());
        }
        let mut versions: Vec<Version> = match serde_json::from_slice(&output.stdout) {
            Ok(Listed::Many(names)) => names.iter().filter_map(|name| Version::parse(name).ok()).collect(),
            Ok(Listed::One(name)) => Version::parse(&name).into_iter().collect(),
            Err(_) => {
                let said = "what it printed is no list of versions".to_owned();
                return Err(BisectError::View { package: self.package.name().to_owned(), said }.into());
            }
        };
        versions.sort();
        Ok(versions)
    }

    /// Installs a version into a folder that is there. Its scripts are not run: what starts is the client alone.
    pub(super) fn install(&self, version: &Version, folder: &Path) -> Result<Result<(), String>> {
        let wanted = format!("{}@{version}", self.package.name());
        let prefix = folder.as_os_str();
        let options =
            ["--no-package-lock", "--no-audit", "--no-fund", "--save-exact", "--ignore-scripts", "--loglevel=error"];
        let mut arguments: Vec<&OsStr> = vec!["install".as_ref(), "--prefix".as_ref(), prefix];
        arguments.extend(options.map(OsStr::new));
        arguments.push(wanted.as_ref());
        let output = self.run(folder, &arguments)?;
        Ok(if output.status.success() { Ok(()) } else { Err(said(&output)) })
    }

    fn run(&self, folder: &Path, arguments: &[impl AsRef<OsStr>]) -> Result<Output> {
        let mut command = Command::new("npm");
        command.args(arguments).current_dir(folder).env("npm_config_update_notifier", "false");
        finish(self.runtime, self.interrupt, command, PATIENCE)?.ok_or_else(|| BisectError::NpmHangs.into())
    }
}

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Listed {
    Many(Vec<String>),
    One(String),
}

/// The end of what a program printed, as one line.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.split_whitespace().map(without_login).collect::<Vec<_>>().join(" ");
    let skipped = text.chars().count().saturating_sub(SHOWN);
    let text: String = text.chars().skip(skipped).collect();
    if text.is_empty() { format!("it ended with {}", output.status) } else { visible(&text) }
}

/// Without user and password, should the word be a URL: registries may be configured with them.
fn without_login(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{path}"),
        None => word.to_owned(),
    }
}

/// Runs a program to its end, in a process group of its own that ends with it; none: it took too long.
///
/// # Errors
/// It cannot be started, or a signal came first.
pub(super) fn finish(
    runtime: &Runtime,
    interrupt: &Interrupt,
    mut command: Command,
    patience: Duration,
) -> Result<Option<Output>> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    runtime.block_on(async {
        let child = command.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => anyhow::Error::from(BisectError::NotInstalled { name: name.clone() }),
            _ => anyhow::Error::from(source).context(format!("cannot start {name}")),
        })?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let output = tokio::select! {
            output = child.wait_with_output() => Some(output.with_context(|| format!("cannot wait for {name}"))?),
            () = interrupt.token.cancelled() => None,
            () = tokio::time::sleep(patience) => None,
        };
        if let Some(group) = group.filter(|_| output.is_none()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        interrupt.check()?;
        Ok(output)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_no_option_or_path() {
        for good in ["@anthropic-ai/claude-code", "claude", "a.b_c~d"] {
            assert!(Package::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-g", "--prefix", "../x", "@/x", "@a", "@a/../b", "a b", "A", "a@1", "https://x", "@a/b/c"] {
            assert!(Package::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Package::parse("@a/b").unwrap().folder(), "@a+b");
    }

    #[test]
    fn the_login_of_a_registry_is_not_shown() {
        for (word, shown) in [
            ("https://me:FAKE-secret@npm.example/x", "https://…@npm.example/x"),
            ("(https://FAKE-p@ss@npm.example", "(https://…@npm.example"),
            ("https://npm.example/@scope/x", "https://npm.example/@scope/x"),
            ("tool@1.0.0", "tool@1.0.0"),
        ] {
            assert_eq!(without_login(word), shown);
        }
    }
}
