//! The program: where it is, how it is built, which version it says it is; then its trial.

use super::trial::{self, Stage};
use super::{USUAL, managed_settings};
use anyhow::Result;
use authtrace::doctor::look::Places;
use authtrace::doctor::{Client, ClientForm, Environment, Trial, Version, command};
use authtrace::launch::{ParentEnvironment, Trust};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(20);
/// What Claude Code is asked when nothing else was given.
const QUESTION: [&str; 4] = ["-p", "hi", "--max-turns", "1"];

pub(super) async fn look(
    command: &[OsString],
    parent: &ParentEnvironment,
    environment: &Environment,
    trust: Option<Trust>,
) -> Result<Client> {
    let usual = OsString::from(USUAL);
    let (program, arguments) = match command.split_first() {
        Some((program, arguments)) => (program, arguments.to_vec()),
        None => (&usual, Vec::new()),
    };
    let Some(path) = find(program, parent) else {
        return Ok(if command.is_empty() {
            Client::NotInstalled
        } else {
            Client::NotFound(program.to_string_lossy().into_owned())
        });
    };
    let real = path.canonicalize().unwrap_or_else(|_| path.clone());
    let named_claude = is_claude(&path) || is_claude(&real);
    let stage = Stage::set(parent, trust).await?;
    let version = if named_claude { version(&stage, path.as_os_str()).await } else { None };
    let form = form(&real, &stage).await;
    let arguments =
        if named_claude && arguments.is_empty() { QUESTION.map(OsString::from).to_vec() } else { arguments };
    let trial = if managed_settings(environment) {
        Trial::Skipped("an administrator's settings would put real values into it".to_owned())
    } else {
        super::console::say(
            "trying the program with a made-up key, against a server inside authtrace (up to a minute)",
        );
        trial::play(&stage, path.as_os_str(), &arguments).await
    };
    stage.clear().await;
    Ok(Client::Found {
        program: program.to_string_lossy().into_owned(),
        path: Places::of(parent).show(&real),
        form,
        claude: named_claude,
        version,
        trial,
    })
}

/// As a shell looks it up.
fn find(program: &OsStr, parent: &ParentEnvironment) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        // The trial runs in another folder.
        return std::path::absolute(program).ok().filter(|path| path.is_file());
    }
    let path = parent.get(OsStr::new("PATH"))?;
    let found = std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())?;
    std::path::absolute(found).ok()
}

fn is_claude(path: &Path) -> bool {
    let named =
        path.file_stem().and_then(OsStr::to_str).is_some_and(|name| name.to_ascii_lowercase().starts_with(USUAL));
    named || path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("claude-code"))
}

async fn version(stage: &Stage, program: &OsStr) -> Option<Version> {
    let said =
        command::run(program, &["--version".into()], stage.environment(), stage.folder(), PATIENCE).await.ok()?;
    Version::parse(&String::from_utf8_lossy(&said.output))
}

/// By the first bytes of the file: ELF, Mach-O, or the line that names an interpreter.
async fn form(path: &Path, stage: &Stage) -> ClientForm {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(128).read_to_end(&mut start));
    if read.is_err() {
        return ClientForm::Other;
    }
    let mach_o = [[0xcf, 0xfa, 0xed, 0xfe], [0xca, 0xfe, 0xba, 0xbe]];
    if start.starts_with(b"\x7fELF") || mach_o.iter().any(|magic| start.starts_with(magic)) {
        return ClientForm::Native;
    }
    let Some(line) = start.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next()) else {
        return ClientForm::Other;
    };
    let line = String::from_utf8_lossy(line);
    let Some(interpreter) = line.split_whitespace().find(|word| word.rsplit('/').next() == Some("node")) else {
        return ClientForm::Script;
    };
    let said =
        command::run(OsStr::new(interpreter), &["--version".into()], stage.environment(), stage.folder(), PATIENCE)
            .await;
    let said = said.map(|said| String::from_utf8_lossy(&said.output).into_owned()).unwrap_or_default();
    ClientForm::Node(Version::parse(said.trim_start_matches('v')))
}
