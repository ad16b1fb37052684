//! What Claude Code's settings files set that matters to a trace. They are read, never written.
//!
//! A settings file's `env` is applied by Claude Code to its own environment and so beats what we set for the child. Kept are the names of
//! such variables, the host of `ANTHROPIC_BASE_URL` and whether `apiKeyHelper` is there; no other value is even decoded.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use super::variables::{ALL_PROXY, NO_PROXY, PROXY, is_of_interest};
use super::{BaseUrl, ParentEnvironment, TRUST_VARIABLES};

/// A settings file larger than this is not read.
const FILE_LIMIT: u64 = 4 * 1024 * 1024;

/// Whose settings a file holds; a later one wins over an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `~/.claude/settings.json`.
    User,
    /// `.claude/settings.json` of the folder that we run in.
    Project,
    /// `.claude/settings.local.json` of that folder.
    Local,
    /// The organization's, set up by an administrator.
    Managed,
}

/// What one file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub level: Level,
    /// Names, never values, of the variables about Anthropic, Claude, proxies and trust under `env`; sorted.
    pub env_names: Vec<String>,
    /// Where its `ANTHROPIC_BASE_URL` points to.
    pub base_url: Option<BaseUrl>,
    /// Whether it names a program that gives the API key.
    pub api_key_helper: bool,
    /// Why nothing could be read out of it.
    pub problem: Option<&'static str>,
}

/// What all files say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsFacts {
    /// The files that are there, weakest first.
    pub files: Vec<SettingsFile>,
}

/// The places where Claude Code looks for settings, weakest first. `CLAUDE_CONFIG_DIR` moves the user's.
#[must_use]
pub fn places(parent: &ParentEnvironment, working_dir: &Path) -> Vec<(Level, PathBuf)> {
    let named = |name: &str| parent.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from);
    let user = named("CLAUDE_CONFIG_DIR").or_else(|| named("HOME").map(|home| home.join(".claude")));
    let managed = Path::new(if cfg!(target_os = "macos") {
        "/Library/Application Support/ClaudeCode"
    } else {
        "/etc/claude-code"
    });
    let mut places: Vec<_> = user.map(|dir| (Level::User, dir.join("settings.json"))).into_iter().collect();
    let project = working_dir.join(".claude/settings.json");
    // In the home folder the project's is the user's.
    if places.iter().all(|(_, user)| *user != project) {
        places.push((Level::Project, project));
    }
    places.push((Level::Local, working_dir.join(".claude/settings.local.json")));
    places.push((Level::Managed, managed.join("managed-settings.json")));
    let mut parts: Vec<PathBuf> =
        (std::fs::read_dir(managed.join("managed-settings.d")).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
    parts.sort();
    places.extend(parts.into_iter().map(|path| (Level::Managed, path)));
    places
}

impl SettingsFacts {
    /// Reads the files that are there. One that cannot be read or is not JSON is listed with its problem.
    #[must_use]
    pub fn read(places: impl IntoIterator<Item = (Level, PathBuf)>) -> Self {
        Self { files: places.into_iter().filter_map(|(level, path)| SettingsFile::read(level, path)).collect() }
    }

    /// Where `ANTHROPIC_BASE_URL` points to for Claude Code: the strongest file that sets it, or else the environment.
    #[must_use]
    pub fn base_url(&self, parent: &ParentEnvironment) -> Option<BaseUrl> {
        let from_file = self.files.iter().rev().find_map(|file| file.base_url.clone());
        from_file.or_else(|| {
            let value = parent.get(OsStr::new("ANTHROPIC_BASE_URL"))?.to_str()?;
            BaseUrl::parse(value)
        })
    }

    /// Whether any file names a program that gives the API key.
    #[must_use]
    pub fn has_api_key_helper(&self) -> bool {
        self.files.iter().any(|file| file.api_key_helper)
    }

    /// Variables about proxies and trust that a file sets over ours: the likely reason why a command made no connection
    /// through us, or does not trust us.
    pub fn overrides(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.files.iter().flat_map(|file| {
            file.env_names.iter().filter(|name| is_ours(name)).map(|name| (file.path.as_path(), name.as_str()))
        })
    }
}

/// Whether we set this variable for the child.
fn is_ours(name: &str) -> bool {
    PROXY.contains(&name)
        || ALL_PROXY.contains(&name)
        || NO_PROXY.contains(&name)
        || TRUST_VARIABLES.iter().any(|variable| variable.name == name)
}

impl SettingsFile {
    /// `None` if there is no such file.
    fn read(level: Level, path: PathBuf) -> Option<Self> {
        let mut file =
            Self { path, level, env_names: Vec::new(), base_url: None, api_key_helper: false, problem: None };
        let text = match contents(&file.path) {
            Ok(Some(text)) => text,
            Ok(None) => return None,
            Err(problem) => {
                return Some(Self { problem: Some(problem), ..file });
            }
        };
        // Serde would also take a list for the members of an object.
        let is_object = text.trim_ascii_start().starts_with(b"{");
        match serde_json::from_slice::<Content>(&text) {
            Ok(content) if is_object => {
                file.env_names = content.env.names;
                file.base_url = content.env.base_url;
                file.api_key_helper = content.api_key_helper.is_some();
            }
            // The parser's own message may repeat what stands in the file.
            _ => file.problem = Some("it is not the JSON that Claude Code expects"),
        }
        Some(file)
    }
}

fn contents(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, &'static str> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(_) => return Err("it cannot be read"),
    };
    if !meta.is_file() || meta.len() > FILE_LIMIT {
        return Err("it is not a regular file, or too large");
    }
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0).saturating_add(1)));
    let read = File::open(path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut text));
    read.map(|_| Some(text)).map_err(|_| "it cannot be read")
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    env: Env,
    #[serde(default, rename = "apiKeyHelper")]
    api_key_helper: Option<IgnoredAny>,
}

#[derive(Default)]
struct Env {
    names: Vec<String>,
    base_url: Option<BaseUrl>,
}

impl<'de> Deserialize<'de> for Env {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvVisitor)
    }
}

struct EnvVisitor;

impl<'de> Visitor<'de> for EnvVisitor {
    type Value = Env;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of variables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Env, A::Error> {
        let mut env = Env::default();
        while let Some(name) = map.next_key::<String>()? {
            if name == "ANTHROPIC_BASE_URL" {
                let url = Zeroizing::new(map.next_value::<String>()?);
                env.base_url = BaseUrl::parse(&url);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if is_of_interest(&name) {
                env.names.push(name);
            }
        }
        env.names.sort();
        env.names.dedup();
        Ok(env)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(files: &[(Level, &str)]) -> (tempfile::TempDir, SettingsFacts) {
        let dir = tempfile::tempdir().unwrap();
        let places = files.iter().enumerate().map(|(index, (level, text))| {
            let path = dir.path().join(format!("{index}.json"));
            std::fs::write(&path, text).unwrap();
            (*level, path)
        });
        let facts = SettingsFacts::read(places.collect::<Vec<_>>());
        (dir, facts)
    }

    #[test]
    fn names_and_hosts_are_read_and_values_are_not() {
        let text = r#"{"apiKeyHelper": "/bin/echo sk-ant-FAKE", "model": "x", "permissions": {"allow": ["FAKE"]}, "env": {
            "HTTPS_PROXY": "http://u:FAKE@corp.example", "ANTHROPIC_AUTH_TOKEN": "FAKE", "MY_FAKE_SECRET": "FAKE", "FOO": "FAKE",
            "ANTHROPIC_BASE_URL": "https://u:FAKE@gateway.example.com/FAKE", "CLAUDE_CODE_MAX_OUTPUT_TOKENS": 5}}"#;
        let (_dir, facts) = facts(&[(Level::User, text)]);
        let file = &facts.files[0];
        assert_eq!(
            file.env_names,
            ["ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_MAX_OUTPUT_TOKENS", "HTTPS_PROXY"]
        );
        assert_eq!(file.base_url.as_ref().unwrap().host, "gateway.example.com");
        assert!(file.api_key_helper && facts.has_api_key_helper());
        assert!(!format!("{facts:?}").contains("FAKE"));
        assert_eq!(facts.overrides().map(|(_, name)| name).collect::<Vec<_>>(), ["HTTPS_PROXY"]);
    }

    #[test]
    fn the_strongest_file_decides_and_a_file_beats_the_environment() {
        let url = |host: &str| format!(r#"{{"env": {{"ANTHROPIC_BASE_URL": "https://{host}"}}}}"#);
        let parent = ParentEnvironment::from([("ANTHROPIC_BASE_URL".into(), "http://localhost:4000".into())]);
        let (_a, none) = facts(&[(Level::User, "{}")]);
        assert_eq!(none.base_url(&parent).unwrap().to_string(), "http://localhost:4000");
        let (_b, both) = facts(&[
            (Level::User, &url("user.example")),
            (Level::Local, &url("local.example")),
            (Level::Managed, "{}"),
        ]);
        assert_eq!(both.base_url(&parent).unwrap().host, "local.example");
        assert_eq!(none.base_url(&ParentEnvironment::new()), None);
    }

    #[test]
    fn a_file_that_is_not_settings_has_a_problem_that_repeats_nothing_of_it() {
        for text in [
            "",
            "sk-ant-FAKE",
            "[]",
            r#"{"env": "sk-ant-FAKE"}"#,
            r#"{"env": {"ANTHROPIC_BASE_URL": 1}}"#,
            "{\"env\": {\"A\":",
        ] {
            let (_dir, facts) = facts(&[(Level::User, text)]);
            assert!(facts.files[0].problem.is_some(), "{text}");
            assert!(!format!("{facts:?}").contains("FAKE"), "{text}");
        }
    }

    #[test]
    fn missing_files_are_not_listed_and_a_folder_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let facts =
            SettingsFacts::read([(Level::User, dir.path().join("none.json")), (Level::Local, dir.path().to_owned())]);
        assert_eq!(facts.files.len(), 1);
        assert!(facts.files[0].problem.is_some());
    }

    #[test]
    fn the_places_are_those_of_claude_code() {
        let parent = ParentEnvironment::from([("HOME".into(), "/home/u".into())]);
        let found = places(&parent, Path::new("/home/me/project"));
        assert_eq!(found[0], (Level::User, "/home/u/.claude/settings.json".into()));
        assert_eq!(found[1], (Level::Project, "/home/me/project/.claude/settings.json".into()));
        assert_eq!(found[2], (Level::Local, "/home/me/project/.claude/settings.local.json".into()));
        assert_eq!(found[3].0, Level::Managed);
        let moved =
            ParentEnvironment::from([("HOME".into(), "/home/u".into()), ("CLAUDE_CONFIG_DIR".into(), "/c".into())]);
        assert_eq!(places(&moved, Path::new("/p"))[0].1, Path::new("/c/settings.json"));
        let at_home: Vec<Level> = places(&parent, Path::new("/home/u")).into_iter().map(|(level, _)| level).collect();
        assert_eq!(at_home.get(..3), Some(&[Level::User, Level::Local, Level::Managed][..]));
    }
}
