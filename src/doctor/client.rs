//! The program: what it is, what its version is known for, and whether it accepts authtrace's certificates.

use super::check::{Check, Status, Topic};
use super::facts::{
    Certificates, Client, ClientForm, CredentialVariable, Environment, LoginState, Trial, TrialEnd, Version,
};

const UPDATE: &str = "Update it: claude update";

pub(super) fn checks(client: &Client, environment: &Environment) -> Vec<Check> {
    match client {
        Client::NotInstalled => vec![
            check("client.program", Status::Note, "there is no claude on PATH")
                .advise("To try another program: authtrace doctor -- CMD"),
        ],
        Client::NotFound(program) => vec![
            check("client.program", Status::Problem, format!("{program}: command not found"))
                .advise("If it is a shell alias or function, give the path of the program behind it: type -a NAME"),
        ],
        Client::Found { program, path, form, claude, version, trial } => {
            let mut checks = vec![program_check(program, path, *form)];
            if *claude {
                checks.push(version_check(*version));
                checks.extend(version.iter().flat_map(|version| traps(*version, *form, environment)));
            }
            checks.push(trial_check(trial, environment));
            checks
        }
    }
}

fn check(id: &'static str, status: Status, found: impl Into<String>) -> Check {
    Check::new(Topic::Client, id, status, found)
}

fn program_check(program: &str, path: &str, form: ClientForm) -> Check {
    let form = match form {
        ClientForm::Native => "a program of this system".to_owned(),
        ClientForm::Node(Some(node)) => format!("a script for Node, which is {node}"),
        ClientForm::Node(None) => "a script for Node, whose version is not known".to_owned(),
        ClientForm::Script => "a script".to_owned(),
        ClientForm::Other => "of unknown form".to_owned(),
    };
    let place = if program == path { program.to_owned() } else { format!("{program} is {path}") };
    check("client.program", Status::Ok, format!("{place}, {form}"))
}

fn version_check(version: Option<Version>) -> Check {
    let id = "client.version";
    match version {
        Some(version) => check(id, Status::Ok, format!("Claude Code {version}")),
        None => check(id, Status::Unknown, "it did not say its version").advise("Run: claude --version"),
    }
}

/// A version that is known for something, under a condition.
struct Trap {
    /// The first version that has it.
    from: Version,
    /// The first version that has it no longer.
    until: Version,
    applies: fn(&Environment) -> bool,
    status: Status,
    what: &'static str,
}

const FIRST: Version = Version(0, 0, 0);

const TRAPS: [Trap; 7] = [
    Trap {
        from: FIRST,
        until: Version(2, 1, 7),
        applies: has_login,
        status: Status::Warning,
        what: "it renews logins at an address that is gone (before 2.1.7)",
    },
    Trap {
        from: Version(1, 0, 83),
        until: Version(1, 0, 88),
        applies: has_oauth,
        status: Status::Problem,
        what: "it may leave out the OAuth beta header, which is refused with 401 (1.0.83 to 1.0.87)",
    },
    Trap {
        from: Version(2, 1, 121),
        until: Version(2, 1, 123),
        applies: |environment| has_oauth(environment) && environment.betas_disabled,
        status: Status::Problem,
        what: "with CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS it leaves out the OAuth beta header, which is refused with 401 \
               (2.1.121 and 2.1.122)",
    },
    Trap {
        from: FIRST,
        until: Version(2, 1, 117),
        applies: has_login,
        status: Status::Warning,
        what: "it does not renew a token that the server refuses early, and sends it again for minutes (before 2.1.117)",
    },
    Trap {
        from: FIRST,
        until: Version(2, 1, 153),
        applies: |environment| {
            has_oauth(environment) && environment.base_url.as_ref().is_some_and(|url| !url.anthropic)
        },
        status: Status::Warning,
        what: "it may send Anthropic's credential to the host of ANTHROPIC_BASE_URL (before 2.1.153)",
    },
    Trap {
        from: FIRST,
        until: Version(2, 1, 208),
        applies: |environment| environment.settings.iter().any(|file| file.api_key_helper),
        status: Status::Note,
        what: "it may use a key of apiKeyHelper after its time (before 2.1.208)",
    },
    Trap {
        from: FIRST,
        until: Version(2, 1, 211),
        applies: has_login,
        status: Status::Note,
        what: "several sessions at once may spend each other's refresh token (improved up to 2.1.211)",
    },
];

fn has_login(environment: &Environment) -> bool {
    matches!(environment.login.state, LoginState::There(..))
}

fn has_oauth(environment: &Environment) -> bool {
    has_login(environment)
        || environment.credentials.iter().any(|source| source.variable == CredentialVariable::OauthToken)
}

/// One check, with all that the version is known for and that matters here.
fn traps(version: Version, form: ClientForm, environment: &Environment) -> Vec<Check> {
    let known = TRAPS.iter().filter(|trap| trap.from <= version && version < trap.until);
    let known: Vec<&Trap> = known.filter(|trap| (trap.applies)(environment)).collect();
    let status = known.iter().map(|trap| trap.status).max();
    let what = known.iter().map(|trap| trap.what).collect::<Vec<_>>().join("; ");
    let trap = status.map(|status| check("client.known-trap", status, what).advise(UPDATE));
    trap.into_iter().chain(settings_certificates(version, form, environment)).collect()
}

/// A certificate that is named in a settings file only: older versions hand it to a part of their connections.
fn settings_certificates(version: Version, form: ClientForm, environment: &Environment) -> Option<Check> {
    let named = environment.settings.iter().any(|file| file.overrides.iter().any(|name| name == "NODE_EXTRA_CA_CERTS"));
    let partial = named
        && environment.trust.extra.is_none()
        && matches!(form, ClientForm::Node(_))
        && version < Version(2, 1, 328);
    partial.then(|| {
        let found =
            "NODE_EXTRA_CA_CERTS stands in a settings file only: messages trust it, the renewal of the login may not";
        check("client.settings-certificates", Status::Warning, found).advise("Export it in the shell as well")
    })
}

fn trial_check(trial: &Trial, environment: &Environment) -> Check {
    let id = "client.ca";
    match trial {
        Trial::Skipped(why) => check(id, Status::Unknown, format!("not tried behind authtrace: {why}"))
            .advise("See what a real run shows: authtrace run -- claude"),
        Trial::NotStarted(why) => check(id, Status::Problem, format!("it could not be tried: {why}"))
            .advise("Reinstall it, or give the path of the program"),
        Trial::Ran { accepted: 0, refused: 0, others, end, .. } if others.is_empty() => {
            let found = format!("it made no connection through the proxy, and {}", ending(*end));
            check(id, Status::Warning, found)
                .advise("It may need other arguments, or ignore HTTPS_PROXY: authtrace doctor -- CMD ARGS")
        }
        Trial::Ran { accepted: 0, refused: 0, others, end, .. } => {
            let found = format!("it connected and sent no request ({}), and {}", others.join(", "), ending(*end));
            check(id, Status::Unknown, found).advise("See what a real run shows: authtrace run -- CMD")
        }
        Trial::Ran { accepted: 0, refused, .. } => {
            let found = format!(
                "it does not accept authtrace's certificates: {} ended at the sight of one",
                counted(*refused, "connection")
            );
            let own = environment.trust.extra.as_ref().map(|file| &file.content);
            check(id, Status::Problem, found).advise(match own {
                Some(Certificates::Missing | Certificates::Unreadable) => {
                    "Correct NODE_EXTRA_CA_CERTS first: a file that cannot be read cannot be added to"
                }
                _ => "It has certificates of its own, or clears its environment: see certs/README.md, or --tunnel HOST",
            })
        }
        Trial::Ran { accepted, refused, .. } if *refused > 0 => {
            let found = format!(
                "it accepts authtrace's certificates on {} and refuses them on {refused}",
                counted(*accepted, "connection")
            );
            check(id, Status::Warning, found)
                .advise("A part of it trusts other certificates; a trace will miss that part")
        }
        Trial::Ran { accepted, .. } if environment.trust.verification_off => {
            let found = format!("it took authtrace's certificates on {}, unchecked", counted(*accepted, "connection"));
            check(id, Status::Note, found).advise("Unset NODE_TLS_REJECT_UNAUTHORIZED to know")
        }
        Trial::Ran { accepted, messages, end, .. } => {
            let message = match messages {
                0 => String::new(),
                _ => "; a made-up message was answered".to_owned(),
            };
            let end = if matches!(end, TrialEnd::TimedOut(_)) { format!("; {}", ending(*end)) } else { String::new() };
            let found =
                format!("it accepts authtrace's certificates ({}{message}{end})", counted(*accepted, "connection"));
            check(id, Status::Ok, found)
        }
    }
}

fn ending(end: TrialEnd) -> String {
    match end {
        TrialEnd::Exited(code) => format!("ended with {code}"),
        TrialEnd::TimedOut(seconds) => format!("was stopped after {seconds} s"),
    }
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
