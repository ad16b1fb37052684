//! `bisect` with made-up versions: a script in the place of npm, and clients that are scripts around curl.

use super::support::program::{Home, Live, PATIENCE};
use super::support::tool;
use rustix::process::{Signal, kill_process};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// In the place of npm: what is published is in a file, and each version that can be installed is a script beside it.
const NPM: &str = r#"#!/bin/sh
here=$(dirname "$0")
case $1 in
view) [ -e "$here/versions.json" ] || { echo "npm error code E404" >&2; exit 1; }; cat "$here/versions.json" ;;
install)
    for wanted; do :; done
    version=${wanted##*@}
    [ -e "$here/client-$version" ] || { echo "npm error notarget No matching version found" >&2; exit 1; }
    mkdir -p "$3/node_modules/.bin"
    cp "$here/client-$version" "$3/node_modules/.bin/client"
    echo "$version" >>"$here/installed" ;;
esac
"#;

/// Asks for a message with the token of its home.
const CLIENT: &str = r#"#!/bin/sh
[ "$1" = --version ] && { echo 1.0; exit 0; }
value() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
kept=${CLAUDE_CONFIG_DIR:-$HOME/.claude}/.credentials.json
message() {
    curl -s -o /dev/null -w '%{http_code}' https://api.anthropic.com/v1/messages -H "Authorization: Bearer $1" \
        -H 'anthropic-version: 2023-06-01' -H 'anthropic-beta: oauth-2025-04-20' -H 'content-type: application/json' \
        -d '{"model":"claude-fake","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
}
access=$(value accessToken <"$kept")
[ "$(message "$access")" = 200 ] && exit 0
"#;

/// Renews a refused token.
const RENEWS: &str = r#"refresh=$(value refreshToken <"$kept")
access=$(curl -s https://platform.claude.com/v1/oauth/token -H 'content-type: application/json' \
    -d "{\"grant_type\":\"refresh_token\",\"refresh_token\":\"$refresh\",\"client_id\":\"9d1c250a-e61b-44d9-88ed-5944d1962f5e\"}" |
    value access_token)
[ "$(message "$access")" = 200 ]
"#;

/// Sends the refused token again.
const REPEATS: &str = "message \"$access\"; message \"$access\"; exit 1\n";

const WANTED: &str = "format = 1\n\n[[flow]]\nname = \"a refused token is renewed\"\nstep = [\n  { path = \"/v1/messages\", status = \
                      401 },\n  { grant = \"refresh-token\", status = 200 },\n  { path = \"/v1/messages\", status = 200 },\n]\n";

/// A home with an npm of its own.
struct Shop {
    home: Home,
    folder: PathBuf,
}

impl Shop {
    /// Each version with the second half of its client; none: it is listed, and cannot be installed.
    fn with(versions: &[(&str, Option<&str>)]) -> Option<Self> {
        tool("curl")?;
        let home = Home::new();
        let folder = home.path("npm");
        std::fs::create_dir(&folder).unwrap();
        let shop = Self { home, folder };
        shop.script("npm", NPM);
        let names: Vec<&str> = versions.iter().map(|(version, _)| *version).collect();
        std::fs::write(shop.folder.join("versions.json"), serde_json::to_string(&names).unwrap()).unwrap();
        for (version, ending) in versions {
            if let Some(ending) = ending {
                shop.script(&format!("client-{version}"), &format!("{CLIENT}{ending}"));
            }
        }
        shop.home.write("wanted.toml", WANTED);
        Some(shop)
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn bisect(&self, good: &str, bad: &str, more: &[&str]) -> Command {
        let mut command = self.home.authtrace();
        let path = format!("{}:/usr/bin:/bin", self.folder.display());
        command.env("PATH", path).args(["bisect", "--good", good, "--bad", bad, "--scenario", "healthy"]);
        command.args(["--package", "client", "--cache"]).arg(self.home.path("cache")).args(more);
        command
    }

    fn expecting(&self, good: &str, bad: &str) -> Command {
        let wanted = self.home.path("wanted.toml");
        self.bisect(good, bad, &["--expect", wanted.to_str().unwrap()])
    }

    /// The versions that were installed, in order.
    fn installed(&self) -> Vec<String> {
        let installed = std::fs::read_to_string(self.folder.join("installed")).unwrap_or_default();
        installed.lines().map(str::to_owned).collect()
    }
}

fn ended(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_first_version_that_misses_what_is_expected_is_found_and_kept() {
    let renews = Some(RENEWS);
    let Some(shop) = Shop::with(&[
        ("1.0.0", renews),
        ("1.0.9", Some(REPEATS)),
        ("1.0.10", Some(REPEATS)),
        ("1.0.1", renews),
        ("1.0.2", renews),
        ("1.0.8", Some(REPEATS)),
        ("1.0.8-beta.1", None),
        ("1.1.0", None),
    ]) else {
        return;
    };
    let (code, out, err) = ended(&mut shop.expecting("1.0.0", "1.0.10"));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("1.0.8 is the first version of client that is bad.\n"), "{out}");
    assert!(out.contains("What 1.0.8 misses") && out.contains("✗ a refused token is renewed"), "{out}");
    assert!(out.contains("What changed from 1.0.2 to 1.0.8") && out.contains("- POST platform.claude.com"), "{out}");
    assert!(out.contains("authtrace run --scenario healthy --expect "), "{out}");
    assert!(err.contains("1.0.0 good (3 requests, 1 refused, refreshes once, exit code 0)"), "{err}");
    assert!(err.contains("1.0.10 bad (3 requests, 3 refused, no refresh, exit code 1; missed: "), "{err}");
    assert!(err.contains("4 versions left, about 3 steps"), "{err}");
    let installed = shop.installed();
    assert!(installed.len() <= 5 && !installed.contains(&"1.0.8-beta.1".to_owned()), "{installed:?}");
    // The second time nothing is installed or run: the clients are gone, and would not start.
    for version in ["1.0.0", "1.0.10", "1.0.2", "1.0.9"] {
        let _ = std::fs::write(shop.home.path(&format!("cache/client/{version}/node_modules/.bin/client")), "");
    }
    let (code, again, err) = ended(&mut shop.expecting("1.0.0", "1.0.10"));
    assert_eq!(code, Some(0), "{again}{err}");
    assert!(again.starts_with("1.0.8 is the first version"), "{again}");
    assert!(err.contains("from an earlier search") && shop.installed() == installed, "{err}");
}

#[test]
fn without_expectations_the_good_version_says_what_good_is() {
    let Some(shop) = Shop::with(&[
        ("2.0.0", Some(REPEATS)),
        ("2.0.1", Some(REPEATS)),
        ("2.0.2", None),
        ("2.0.3", Some("echo 'I do not run here' >&2; exec /nonexistent\n")),
        ("2.0.4", Some(RENEWS)),
        ("2.0.5", Some(RENEWS)),
    ]) else {
        return;
    };
    // What the newest does is wanted here, so that it is found when it came.
    shop.script("client-2.0.3", "#!/bin/sh\nexit 3\n");
    let (code, out, err) = ended(&mut shop.bisect("2.0.5", "2.0.0", &[]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("The first version of client that is good is one of these: 2.0.2, 2.0.3, 2.0.4.\n"),
        "{out}"
    );
    assert!(out.contains("What changed from 2.0.1 to 2.0.4") && out.contains("+ POST platform.claude.com"), "{out}");
    assert!(err.contains("2.0.2 skipped (it cannot be installed: npm error notarget"), "{err}");
    assert!(err.contains("2.0.3 skipped (it has no program that starts"), "{err}");
    let folders: Vec<_> = std::fs::read_dir(shop.home.path("cache/client")).unwrap().flatten().collect();
    assert!(folders.iter().all(|entry| !entry.file_name().to_string_lossy().contains("partial")), "{folders:?}");
}

#[test]
fn what_cannot_be_searched_is_told() {
    let Some(shop) =
        Shop::with(&[("1.0.0", Some(RENEWS)), ("1.0.1", Some(RENEWS)), ("1.0.2", Some(REPEATS)), ("1.0.3", None)])
    else {
        return;
    };
    let refused = |command: &mut Command, why: &str| {
        let (code, out, err) = ended(command);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(why), "{err}");
    };
    refused(&mut shop.expecting("1.0.0", "1.0.1"), "1.0.1 (--bad) does what is wanted, too");
    refused(&mut shop.bisect("1.0.0", "1.0.1", &[]), "1.0.1 (--bad) does what is wanted, too");
    refused(&mut shop.expecting("1.0.2", "1.0.0"), "it is the other way round");
    refused(
        &mut shop.bisect("1.0.2", "1.0.0", &["--max-auth-failures", "0"]),
        "1.0.2 (--good) does not do what is wanted, either",
    );
    refused(&mut shop.expecting("1.0.0", "1.0.3"), "1.0.3 (--bad) cannot be tried: it cannot be installed");
    refused(&mut shop.expecting("1.0.0", "1.0.7"), "client has no version 1.0.7");
    refused(&mut shop.expecting("1.0.0", "latest"), "what --bad gives is no version");
    refused(&mut shop.expecting("1.0.0", "1.0.0"), "the same version");
    let mut no_package = shop.home.authtrace();
    no_package.args(["bisect", "--good", "1.0.0", "--bad", "1.0.2", "--scenario", "healthy", "--package", "../client"]);
    refused(&mut no_package, "is no name of an npm package");
    refused(shop.expecting("1.0.0", "1.0.2").env("PATH", "/nonexistent"), "npm is not installed");
    std::fs::remove_file(shop.folder.join("versions.json")).unwrap();
    refused(
        &mut shop.expecting("1.0.0", "1.0.2"),
        "npm does not say which versions of client there are: npm error code E404",
    );
}

#[test]
fn a_search_that_is_stopped_goes_on_where_it_was() {
    let hangs = "echo waiting >&2; exec sleep 600\n";
    let Some(shop) = Shop::with(&[("1.0.0", Some(RENEWS)), ("1.0.1", Some(hangs)), ("1.0.2", Some(REPEATS))]) else {
        return;
    };
    let mut live = Live::start(&mut shop.expecting("1.0.0", "1.0.2"));
    live.until("installing client@1.0.1");
    kill_process(live.pid(), Signal::INT).unwrap();
    let stopped = live.finish(PATIENCE);
    assert_eq!(stopped.code, Some(130), "{}", stopped.stderr);
    assert!(!stopped.stderr.contains("1.0.1 skipped"), "{}", stopped.stderr);
    shop.script("client-1.0.1", &format!("{CLIENT}{RENEWS}"));
    let _ = std::fs::remove_dir_all(shop.home.path("cache/client/1.0.1"));
    let (code, out, err) = ended(&mut shop.expecting("1.0.0", "1.0.2"));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("1.0.2 is the first version"), "{out}");
    assert_eq!(err.matches("from an earlier search").count(), 2, "{err}");
}

#[test]
fn a_version_that_could_not_be_installed_is_tried_again_by_the_next_search() {
    let Some(shop) = Shop::with(&[("1.0.0", Some(RENEWS)), ("1.0.1", None), ("1.0.2", Some(REPEATS))]) else {
        return;
    };
    let (_, out, err) = ended(&mut shop.expecting("1.0.0", "1.0.2"));
    assert!(err.contains("1.0.1 skipped (it cannot be installed"), "{err}");
    assert!(out.contains("All but the last could not be tried"), "{out}");
    shop.script("client-1.0.1", &format!("{CLIENT}{REPEATS}"));
    let (code, out, err) = ended(&mut shop.expecting("1.0.0", "1.0.2"));
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("1.0.1 is the first version"), "{out}{err}");
}

#[test]
fn a_search_that_waits_for_another_can_be_stopped() {
    let Some(shop) = Shop::with(&[("1.0.0", Some(RENEWS)), ("1.0.1", Some(REPEATS))]) else {
        return;
    };
    let folder = shop.home.path("cache/client");
    std::fs::create_dir_all(&folder).unwrap();
    let other = std::fs::File::create(folder.join(".lock")).unwrap();
    other.lock().unwrap();
    let mut live = Live::start(&mut shop.expecting("1.0.0", "1.0.1"));
    live.until("waiting for another authtrace bisect");
    kill_process(live.pid(), Signal::INT).unwrap();
    assert_eq!(live.finish(PATIENCE).code, Some(130));
    assert!(shop.installed().is_empty());
}
