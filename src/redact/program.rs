//! Names of programs: those that everybody knows stand, since a name of somebody's own could say who or what they are.

use super::redacted::Redacted;
use super::redactor::Redactor;

/// Programs that talk to the hosts of Claude Code, and those that it starts.
const PROGRAMS: &[&str] = &[
    "authtrace",
    "bash",
    "bun",
    "bunx",
    "cargo",
    "claude",
    "code",
    "corepack",
    "curl",
    "cursor",
    "dash",
    "deno",
    "docker",
    "dotnet",
    "electron",
    "fish",
    "gh",
    "git",
    "git-credential-manager",
    "git-lfs",
    "git-remote-http",
    "git-remote-https",
    "go",
    "http",
    "httpie",
    "https",
    "java",
    "nghttp",
    "node",
    "npm",
    "npx",
    "openssl",
    "perl",
    "php",
    "pip",
    "pip3",
    "pipx",
    "pnpm",
    "pwsh",
    "pypy3",
    "python",
    "python2",
    "python3",
    "ruby",
    "rustup",
    "sh",
    "ssh",
    "uv",
    "uvx",
    "wget",
    "xh",
    "yarn",
    "zed",
    "zsh",
];

impl Redactor {
    /// The name of a program without its path: one that everybody knows (also `python3.12`), else a fingerprint.
    #[must_use]
    pub fn program(&self, name: &str) -> Redacted {
        match PROGRAMS.iter().find(|known| **known == name) {
            Some(known) => Redacted::literal(known),
            None if is_versioned_python(name) => Redacted::vouched(name),
            None => Redacted::vouched(&self.opaque(name.as_bytes())),
        }
    }
}

fn is_versioned_python(name: &str) -> bool {
    let minor = name.strip_prefix("python3.").or_else(|| name.strip_prefix("python2."));
    minor.is_some_and(|minor| matches!(minor.len(), 1 | 2) && minor.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_everybody_knows_stand_and_others_are_fingerprints() {
        let redactor = Redactor::plain();
        for known in ["claude", "node", "git-remote-https", "python3", "python3.11", "curl"] {
            assert_eq!(redactor.program(known).as_str(), known);
        }
        for unknown in
            ["python3.", "python3.1x", "python3.111", "Claude", "./claude", "FAKE-tool-of-somebody", "2.1.328"]
        {
            let shown = redactor.program(unknown);
            assert!(shown.as_str().starts_with("‹len") && !shown.as_str().contains("FAKE"), "{shown}");
            assert_eq!(redactor.program(shown.as_str()), shown);
        }
    }

    #[test]
    fn the_list_is_in_order_and_without_repetition() {
        assert!(PROGRAMS.is_sorted_by(|a, b| a < b));
    }
}
