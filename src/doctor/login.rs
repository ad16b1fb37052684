//! The files in which a login is kept. Values are described at once and never leave this file.

use super::facts::{FileFacts, Login, LoginFile, LoginState};
use super::look::{Places, writable};
use crate::redact::{Credential, Kind, Redactor};
use crate::trace::Timestamp;
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use zeroize::Zeroizing;

/// A login file larger than this is none.
const LONGEST: u64 = 1024 * 1024;
/// `.claude.json` also keeps histories.
const LONGEST_STATE: u64 = 64 * 1024 * 1024;
/// Plans as the client writes them.
const PLANS: [&str; 5] = ["free", "pro", "max", "team", "enterprise"];

/// The login file in Claude Code's folder.
pub(super) fn file(claude: Option<&Path>, places: &Places, redactor: &Redactor) -> LoginFile {
    let Some(folder) = claude else {
        return LoginFile { path: "~/.claude/.credentials.json".to_owned(), state: LoginState::Missing };
    };
    let path = folder.join(".credentials.json");
    LoginFile { path: places.show(&path), state: state(&path, redactor) }
}

fn state(path: &Path, redactor: &Redactor) -> LoginState {
    let facts = match file_facts(path) {
        Ok(Some(facts)) => facts,
        Ok(None) => return LoginState::Missing,
        Err(why) => return LoginState::Unreadable(why),
    };
    match contents(path, LONGEST) {
        Err(why) => LoginState::Unreadable(why),
        Ok(text) => match login(&text, redactor) {
            Some(login) => LoginState::There(facts, Box::new(login)),
            None => LoginState::NoLogin(facts),
        },
    }
}

/// The API key that a Console login leaves in `.claude.json`.
pub(super) fn console_key(path: &Path, redactor: &Redactor) -> Option<Credential> {
    #[derive(Deserialize)]
    struct State {
        #[serde(rename = "primaryApiKey")]
        key: Option<Zeroizing<String>>,
    }
    let text = contents(path, LONGEST_STATE).ok()?;
    let key = serde_json::from_slice::<State>(&text).ok()?.key?;
    (!key.is_empty()).then(|| redactor.credential(key.as_bytes(), Kind::Unknown))
}

fn file_facts(path: &Path) -> Result<Option<FileFacts>, &'static str> {
    let link = match fs::symlink_metadata(path) {
        Ok(meta) => meta.file_type().is_symlink(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(_) => return Err("its folder cannot be entered"),
    };
    let meta = fs::metadata(path).map_err(|_| "it is a link that leads nowhere")?;
    if !meta.is_file() {
        return Err("it is not a regular file");
    }
    // A client replaces the file, so its folder counts as well.
    let folder = path.parent().map_or(super::facts::Writable::Yes, writable);
    let own = meta.uid() == rustix::process::geteuid().as_raw();
    Ok(Some(FileFacts { mode: meta.mode() & 0o777, own, link, writable: writable(path).max(folder) }))
}

fn contents(path: &Path, longest: u64) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let file = File::open(path).map_err(|_| "it may not be read by this user")?;
    let size = file.metadata().map_or(0, |meta| meta.len());
    if size > longest {
        return Err("it is far too large");
    }
    // All at once, so that no copy of it stays behind in memory when the buffer grows.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1)));
    file.take(longest).read_to_end(&mut text).map_err(|_| "it cannot be read")?;
    Ok(text)
}

fn login(text: &[u8], redactor: &Redactor) -> Option<Login> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "claudeAiOauth")]
        oauth: Option<Oauth>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Oauth {
        access_token: Option<Zeroizing<String>>,
        refresh_token: Option<Zeroizing<String>>,
        expires_at: Option<serde_json::Number>,
        #[serde(default)]
        scopes: Vec<String>,
        subscription_type: Option<String>,
    }
    let oauth = serde_json::from_slice::<Content>(text).ok()?.oauth?;
    let describe = |token: Option<Zeroizing<String>>, kind| {
        token.filter(|token| !token.is_empty()).map(|token| redactor.credential(token.as_bytes(), kind))
    };
    let expires = oauth.expires_at.as_ref().and_then(milliseconds);
    Some(Login {
        access: describe(oauth.access_token, Kind::OauthAccess),
        refresh: describe(oauth.refresh_token, Kind::OauthRefresh),
        expires: expires.map(Timestamp::from_unix_ms),
        scopes: oauth.scopes.iter().take(32).map(|scope| redactor.scope(scope)).collect(),
        plan: oauth.subscription_type.map(|plan| PLANS.into_iter().find(|known| *known == plan).unwrap_or("other")),
    })
}

/// JavaScript writes numbers that are whole, or not.
fn milliseconds(number: &serde_json::Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let number = number.as_f64().filter(|number| number.is_finite())?;
        format!("{number:.0}").parse().ok()
    })
}
