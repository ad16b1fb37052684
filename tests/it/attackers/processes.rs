//! Processes: what others can see of this one, and what of it a child inherits.

#![cfg(target_os = "linux")]

use crate::support::program::{Home, Live, PATIENCE, run};
use crate::support::tool;
use std::fs;
use std::process::{Command, Stdio};

/// `authtrace` as a user without privileges, who can go wherever it has to; as this one, if it is not root.
fn unprivileged(home: &Home) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(home.authtrace());
    }
    let setpriv = tool("setpriv")?;
    for folder in ["", "runtime", "state", "work", ".claude"] {
        std::os::unix::fs::chown(home.path(folder), Some(65_534), Some(65_534)).unwrap();
    }
    let mut command = home.command(setpriv);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_authtrace")]);
    Some(command)
}

/// Neither a process of the same user nor a core file gets at our memory; the child is as it would be without us.
#[test]
fn memory_is_out_of_reach_and_the_child_is_as_it_was() {
    let home = Home::new();
    let Some(mut command) = unprivileged(&home) else { return };
    let script = "\
        for file in environ mem maps auxv; do\n\
            if (head -c 1 /proc/$PPID/$file >/dev/null) 2>/dev/null; then echo \"$file of authtrace: readable\"; fi\n\
        done\n\
        head -c 1 /proc/$$/environ >/dev/null && echo own environ: readable\n\
        ours() { grep 'core file size' /proc/$PPID/limits | tr -s ' ' | cut -d ' ' -f 5; }\n\
        for _ in $(seq 100); do test \"$(ours)\" = 0 && break; sleep 0.05; done\n\
        echo \"core of authtrace: $(ours)\"\n\
        echo \"core of child: $(ulimit -c)\"\n";
    command.args(["run", "--upstream-proxy", "none", "--", "sh", "-c", script]);
    let ended = run(&mut command, PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let here = run(home.command("sh").args(["-c", "ulimit -c"]), PATIENCE).stdout;
    let said: Vec<&str> = ended.stdout.lines().collect();
    let expected = ["own environ: readable", "core of authtrace: 0", &format!("core of child: {}", here.trim())];
    assert_eq!(said, expected, "{}", ended.stderr);
}

/// Every process of this machine whose arguments, or environment, hold this.
fn holding(name: &str, text: &str) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers
        .filter(|pid| {
            let bytes = fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .collect()
}

/// The number of a process and of those above it, up to the test.
fn ancestors(mut pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    while pid > 1 && pid != std::process::id() {
        found.push(pid);
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        pid = parent.and_then(|parent| parent.trim().parse().ok()).unwrap_or(0);
    }
    found
}

#[test]
fn the_proxys_password_is_in_the_childs_environment_and_nowhere_else() {
    let home = Home::new();
    // It waits within the shell for an input that never comes: while a process becomes another program, its
    // environment cannot be read.
    let script = "echo \"proxy $HTTPS_PROXY\"; echo \"pid $$\"; read -r nothing";
    let mut command = home.authtrace();
    command.args(["run", "--upstream-proxy", "none", "--", "sh", "-c", script]).stdin(Stdio::piped());
    let mut live = Live::start(&mut command);
    live.until("pid ");
    let said = live.said().to_owned();
    let proxy = said.lines().find_map(|line| line.strip_prefix("proxy http://")).unwrap();
    let (_, password) = proxy.split_once('@').unwrap().0.split_once(':').unwrap();
    assert!(password.len() >= 16, "it can be guessed");
    let child: u32 = said.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().parse().unwrap();
    assert_eq!(holding("environ", password), [child]);
    assert_eq!(holding("cmdline", password), [0_u32; 0]);
    assert!(ancestors(child).contains(&live.pid().as_raw_pid().unsigned_abs()), "it is our child");
    // Nor in any file.
    let mut grep = Command::new("grep");
    grep.args(["-rlF", "-f", "-"]).arg(home.path("")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut grep = grep.spawn().unwrap();
    std::io::Write::write_all(&mut grep.stdin.take().unwrap(), password.as_bytes()).unwrap();
    let found = grep.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    live.kill();
}
