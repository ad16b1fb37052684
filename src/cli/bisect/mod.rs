//! `bisect`: the first published version of the client whose auth flow changes, found by trying the one in the middle.
//!
//! In come two versions, one that does what is wanted and one that does not, and a scenario. Each version that is tried is
//! installed with the user's npm into a cache and run as `authtrace run --scenario` runs it: in an empty home, with a
//! made-up login, against the fake alone. Good is what keeps the expectations; without any, what has the flow of the good
//! version. Out comes where it changes, what, and how to see it again.

mod clients;
mod kept;
mod npm;
mod search;

use super::args::BisectArgs;
use super::expect;
use super::trial::{End, Interrupt, Trial};
use super::{console, exit, input, scene};
use anyhow::{Context, Result};
use authtrace::analyze::{Diagnosis, Survey, diagnose, matters};
use authtrace::check::{Expectations, evaluate};
use authtrace::compare::{Change, Comparison, Route, Seen, compare};
use authtrace::export::diff::{Side, Sides};
use authtrace::export::{check as check_page, diff as diff_page};
use authtrace::policy::Grant;
use clients::Clients;
use kept::{Kept, Key, Results};
use npm::{Npm, Package};
use search::{Mark, Next, Search};
use semver::Version;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::runtime::Runtime;

/// A search that cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BisectError {
    #[error("what {option} gives is no version; 2.1.107 is one")]
    Version { option: &'static str },
    #[error("--good and --bad are the same version")]
    Same,
    #[error("what --package gives is no name of an npm package; @anthropic-ai/claude-code is one")]
    Package,
    #[error("{package} has no version {version}; npm view {package} versions lists them")]
    Unpublished { package: String, version: Version },
    #[error("npm does not say which versions of {package} there are: {said}")]
    View { package: String, said: String },
    #[error("{name} is not installed; versions of the client are installed with it")]
    NotInstalled { name: String },
    #[error("npm has not ended after ten minutes")]
    NpmHangs,
    #[error("another authtrace bisect is searching for the same")]
    Busy,
    #[error("{version} ({option}) cannot be tried: {why}")]
    NotTried { option: &'static str, version: Version, why: String },
    #[error("{good} (--good) does not do what is wanted, either: {words}")]
    BothBad { good: Version, words: String },
    #[error("{bad} (--bad) does what is wanted, too: {words}")]
    BothGood { bad: Version, words: String },
    #[error("it is the other way round: {good} (--good) does not do what is wanted, and {bad} (--bad) does")]
    Swapped { good: Version, bad: Version },
}

pub(crate) fn run(args: BisectArgs) -> Result<ExitCode> {
    super::logging::install(authtrace::config::LogFormat::default());
    let (good, bad) = (version("--good", &args.good)?, version("--bad", &args.bad)?);
    if good == bad {
        return Err(BisectError::Same.into());
    }
    let package = Package::parse(&args.package)?;
    scene::load_for_fake(&args.scenario)?;
    let expectations = expect::read(&args.expect)?;
    let cache = args.cache.clone().map_or_else(default_cache, Ok)?;
    clients::private_folder(&cache)?;
    let cache = cache.canonicalize().with_context(|| format!("cannot find {}", cache.display()))?;
    let runtime = super::runtime()?;
    let interrupt = Interrupt::watch(&runtime)?;
    let clients = Clients::within(&cache, Npm { package: &package, runtime: &runtime, interrupt: &interrupt })?;
    let key = Key {
        authtrace: env!("CARGO_PKG_VERSION"),
        package: package.name(),
        good: &good,
        bad: &bad,
        scenario: &authtrace::harness::text(&args.scenario)?,
        expectations: &expectation_texts(&args)?,
        arguments: &arguments(&args).iter().map(|one| one.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        timeout: args.timeout,
    };
    let results = Results::open(&cache, &key, args.fresh)?;
    let versions = between(clients.versions()?, &good, &bad, &package)?;
    let mut bisect = Bisect {
        args: &args,
        expectations,
        clients,
        results,
        runtime: &runtime,
        interrupt: &interrupt,
        baseline: None,
    };
    let found = bisect.search(&versions, &good, &bad)?;
    let mut out = BufWriter::new(io::stdout().lock());
    bisect.tell(&versions, &found, &mut out)?;
    out.flush().context("cannot write to standard output")?;
    Ok(ExitCode::from(exit::GOOD))
}

fn version(option: &'static str, text: &str) -> Result<Version, BisectError> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    Version::parse(plain).map_err(|_| BisectError::Version { option })
}

fn default_cache() -> Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    let places =
        etcetera::base_strategy::Xdg::new().context("there is no home for a cache; name one with --cache DIR")?;
    Ok(places.cache_dir().join("authtrace").join("clients"))
}

/// What is expected, as it was written.
fn expectation_texts(args: &BisectArgs) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for one in &args.expect.expect {
        let is_short = authtrace::check::flow_of(one).is_some();
        texts.push(if is_short {
            one.clone()
        } else {
            std::fs::read_to_string(one).with_context(|| format!("cannot read {one}"))?
        });
    }
    texts.extend(args.expect.deny.iter().map(|code| format!("--deny {code}")));
    texts.extend(args.expect.max_auth_failures.map(|most| format!("--max-auth-failures {most}")));
    Ok(texts)
}

fn arguments(args: &BisectArgs) -> Vec<OsString> {
    if args.arguments.is_empty() { ["-p", "hi"].map(OsString::from).to_vec() } else { args.arguments.clone() }
}

/// The versions from the older of the two to the newer. Prereleases are left out but for these two.
fn between(
    published: Vec<Version>,
    good: &Version,
    bad: &Version,
    package: &Package,
) -> Result<Vec<Version>, BisectError> {
    for version in [good, bad] {
        if !published.contains(version) {
            return Err(BisectError::Unpublished { package: package.name().to_owned(), version: version.clone() });
        }
    }
    let (oldest, newest) = (good.min(bad), good.max(bad));
    let wanted = |version: &Version| version.pre.is_empty() || version == good || version == bad;
    Ok(published.into_iter().filter(|version| oldest <= version && version <= newest && wanted(version)).collect())
}

/// What came of a version, and what it did in a few words.
struct Judged {
    mark: Mark,
    words: String,
}

/// Where the flow changes: the versions before and behind, by their places.
struct Found {
    before: usize,
    after: usize,
    /// What came of the one behind.
    mark: Mark,
}

struct Bisect<'a> {
    args: &'a BisectArgs,
    expectations: Option<Expectations>,
    clients: Clients<'a>,
    results: Results,
    runtime: &'a Runtime,
    interrupt: &'a Interrupt,
    /// The flow of the good version, where that says what good is.
    baseline: Option<(Survey, Diagnosis)>,
}

impl Bisect<'_> {
    fn search(&mut self, versions: &[Version], good: &Version, bad: &Version) -> Result<Found> {
        let oldest = self.ends(good, bad, versions.first() == Some(good))?;
        let mut search = Search::new(versions.len(), oldest);
        self.progress(&search);
        loop {
            match search.next() {
                Next::Try(place) => {
                    let Some(version) = versions.get(place) else { anyhow::bail!("a version has gone missing") };
                    let judged = self.judged(version)?;
                    search.mark(place, judged.mark);
                    self.say(version, &judged, &left(&search));
                }
                Next::Found(before, after) => {
                    let newest = if oldest == Mark::Good { Mark::Bad } else { Mark::Good };
                    return Ok(Found { before, after, mark: newest });
                }
            }
        }
    }

    fn progress(&self, search: &Search) {
        console::say(left(search).trim_start_matches(" · "));
    }

    /// Tries both ends: one has to be good and the other bad. Gives the mark of the older one.
    fn ends(&mut self, good: &Version, bad: &Version, good_is_older: bool) -> Result<Mark> {
        let of_good = self.end("--good", good)?;
        if self.expectations.is_none() {
            let survey = self.trace(good)?;
            let diagnosis = diagnose(&survey);
            self.baseline = Some((survey, diagnosis));
        }
        let of_bad = self.end("--bad", bad)?;
        match (of_good.mark, of_bad.mark) {
            (Mark::Good, Mark::Bad) => Ok(if good_is_older { Mark::Good } else { Mark::Bad }),
            (Mark::Bad, Mark::Good) => Err(BisectError::Swapped { good: good.clone(), bad: bad.clone() }.into()),
            (Mark::Bad, _) => Err(BisectError::BothBad { good: good.clone(), words: of_good.words }.into()),
            _ => Err(BisectError::BothGood { bad: bad.clone(), words: of_bad.words }.into()),
        }
    }

    fn end(&mut self, option: &'static str, version: &Version) -> Result<Judged> {
        let judged = self.judged(version)?;
        if judged.mark == Mark::Skipped {
            return Err(BisectError::NotTried { option, version: version.clone(), why: judged.words }.into());
        }
        self.say(version, &judged, "");
        Ok(judged)
    }

    fn say(&self, version: &Version, judged: &Judged, left: &str) {
        let mark = match judged.mark {
            Mark::Good => "good",
            Mark::Bad => "bad",
            Mark::Skipped => "skipped",
        };
        console::say(&format!("{version} {mark} ({}){left}", judged.words));
    }

    fn judged(&mut self, version: &Version) -> Result<Judged> {
        let (kept, is_old) = match self.results.get(version) {
            Some(kept) => (kept.clone(), true),
            None => {
                let program = match self.clients.program(version)? {
                    Ok(program) => program,
                    // Not kept: the network may be there again next time.
                    Err(why) => return Ok(Judged { mark: Mark::Skipped, words: why }),
                };
                let kept = self.try_out(version, program)?;
                self.results.keep(version, kept.clone())?;
                (kept, false)
            }
        };
        let mut judged = match kept {
            Kept::Skipped(why) => Judged { mark: Mark::Skipped, words: why },
            Kept::Ran => self.judge(&self.trace(version)?),
        };
        if is_old {
            judged.words.push_str(", from an earlier search");
        }
        Ok(judged)
    }

    fn judge(&self, survey: &Survey) -> Judged {
        let diagnosis = diagnose(survey);
        let words = in_words(survey);
        if let Some(expectations) = &self.expectations {
            let report = evaluate(survey, &diagnosis, expectations);
            let missed = report.outcomes.iter().find(|outcome| outcome.miss.is_some());
            return match missed {
                None => Judged { mark: Mark::Good, words },
                Some(missed) => Judged { mark: Mark::Bad, words: format!("{words}; missed: {}", missed.expected) },
            };
        }
        let Some((good, of_good)) = &self.baseline else { return Judged { mark: Mark::Good, words } };
        let comparison = compare(Seen { survey: good, diagnosis: of_good }, Seen { survey, diagnosis: &diagnosis });
        match comparison.is_same_flow() {
            true => Judged { mark: Mark::Good, words },
            false => Judged { mark: Mark::Bad, words: format!("{words}; {}", changes(&comparison)) },
        }
    }

    fn trace(&self, version: &Version) -> Result<Survey> {
        Ok(input::own_trace(&self.results.trace(version))?)
    }

    fn try_out(&self, version: &Version, program: PathBuf) -> Result<Kept> {
        let mut command = vec![program.into_os_string()];
        command.extend(arguments(self.args));
        let trace = self.results.new_trace(version);
        let trial = Trial {
            scenario: OsStr::new(&self.args.scenario),
            command: &command,
            trace: &trace,
            folder: None,
            timeout: Some(Duration::from_secs(self.args.timeout)),
        };
        let tried = trial.run_alone(self.runtime, self.interrupt)?;
        let last =
            tried.output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        let why = match tried.end {
            End::Ended(code) => match input::own_trace(&trace) {
                Ok(survey) if !survey.exchanges().is_empty() => {
                    std::fs::rename(&trace, self.results.trace(version)).context("cannot keep a trace")?;
                    return Ok(Kept::Ran);
                }
                Ok(_) => format!("it ended with {code} and asked for nothing: {last}"),
                Err(error) => format!("it left no trace that can be read: {error}"),
            },
            End::Failed(_) => format!("it could not be run: {last}"),
            End::TimedOut => format!("it had not ended after {} seconds", self.args.timeout),
            End::Stopped => anyhow::bail!("stopped"),
        };
        let _ = std::fs::remove_file(&trace);
        Ok(Kept::Skipped(why))
    }

    /// What was found, what changed there, and how to see it again.
    fn tell(&self, versions: &[Version], found: &Found, out: &mut impl Write) -> Result<()> {
        let name = |place: usize| versions.get(place).map(ToString::to_string).unwrap_or_default();
        let what = if found.mark == Mark::Good { "good" } else { "bad" };
        let package = self.args.package.as_str();
        let skipped: Vec<String> = (found.before + 1..found.after).map(name).collect();
        match skipped.as_slice() {
            [] => writeln!(out, "{} is the first version of {package} that is {what}.", name(found.after))?,
            _ => writeln!(
                out,
                "The first version of {package} that is {what} is one of these: {}, {}.\nAll but the last could not be tried.",
                skipped.join(", "),
                name(found.after)
            )?,
        }
        let (Some(before), Some(after)) = (versions.get(found.before), versions.get(found.after)) else {
            return Ok(());
        };
        self.tell_missed(if found.mark == Mark::Bad { after } else { before }, out)?;
        self.tell_difference(before, after, out)?;
        self.tell_again(before, after, out)
    }

    fn tell_missed(&self, bad: &Version, out: &mut impl Write) -> Result<()> {
        let Some(expectations) = &self.expectations else { return Ok(()) };
        let survey = self.trace(bad)?;
        let report = evaluate(&survey, &diagnose(&survey), expectations);
        writeln!(out, "\nWhat {bad} misses:\n")?;
        Ok(check_page::report(&survey, &report, out, console::stdout_style(false))?)
    }

    fn tell_difference(&self, before: &Version, after: &Version, out: &mut impl Write) -> Result<()> {
        let (one, other) = (self.trace(before)?, self.trace(after)?);
        let (of_one, of_other) = (diagnose(&one), diagnose(&other));
        let comparison =
            compare(Seen { survey: &one, diagnosis: &of_one }, Seen { survey: &other, diagnosis: &of_other });
        let names = [before, after].map(ToString::to_string);
        let sides =
            Sides { before: Side { name: &names[0], survey: &one }, after: Side { name: &names[1], survey: &other } };
        writeln!(out, "\nWhat changed from {before} to {after}:\n")?;
        Ok(diff_page::report(sides, &comparison, out, console::stdout_style(false))?)
    }

    fn tell_again(&self, before: &Version, after: &Version, out: &mut impl Write) -> Result<()> {
        let mut options = vec!["--scenario".to_owned(), self.args.scenario.clone()];
        let expected = &self.args.expect;
        options.extend(expected.expect.iter().flat_map(|one| ["--expect".to_owned(), one.clone()]));
        options.extend(expected.deny.iter().flat_map(|one| ["--deny".to_owned(), one.clone()]));
        options.extend(
            expected.max_auth_failures.iter().flat_map(|most| ["--max-auth-failures".to_owned(), most.to_string()]),
        );
        let options = options.iter().map(|one| quoted(one.as_ref())).collect::<Vec<_>>().join(" ");
        let arguments = arguments(self.args).iter().map(|one| quoted(one)).collect::<Vec<_>>().join(" ");
        writeln!(out, "\nTo see it again:\n")?;
        for version in [before, after] {
            if let Ok(program) = self.clients.program(version)? {
                writeln!(out, "  authtrace run {options} -- {} {arguments}", quoted(program.as_os_str()))?;
            }
        }
        let traces = [before, after].map(|version| quoted(self.results.trace(version).as_os_str()));
        Ok(writeln!(out, "  authtrace diff {}", traces.join(" "))?)
    }
}

/// ` · 6 versions left, about 3 steps`.
fn left(search: &Search) -> String {
    let (left, steps) = (search.unknown().len(), search.steps());
    let counted = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
    match left {
        0 => String::new(),
        left => format!(" · {} left, about {}", counted(left, "version"), counted(steps as usize, "step")),
    }
}

/// What a client did, in a few words.
fn in_words(survey: &Survey) -> String {
    let asked: Vec<_> = survey.exchanges().iter().filter(|exchange| matters(exchange)).collect();
    let refused = asked.iter().filter(|exchange| exchange.is_auth_failure()).count();
    let refresh = |count: usize| match count {
        0 => "no refresh".to_owned(),
        1 => "refreshes once".to_owned(),
        count => format!("refreshes {count} times"),
    };
    let refreshes = asked.iter().filter(|exchange| Route::of(exchange).grant == Some(Grant::RefreshToken)).count();
    let requests = if asked.len() == 1 { "1 request".to_owned() } else { format!("{} requests", asked.len()) };
    let code = survey.end().and_then(|end| end.exit_code).map(|code| format!(", exit code {code}")).unwrap_or_default();
    format!("{requests}, {refused} refused, {}{code}", refresh(refreshes))
}

/// What differs, in a few words.
fn changes(comparison: &Comparison) -> String {
    let mut counts: Vec<(Change, usize)> = Vec::new();
    let all = comparison.flows.iter().flat_map(|flow| &flow.rows).flat_map(|row| &row.changes);
    for change in all.filter(|change| change.is_of_the_flow()) {
        match counts.iter_mut().find(|(known, _)| known == change) {
            Some((_, count)) => *count += 1,
            None => counts.push((*change, 1)),
        }
    }
    let counted: Vec<String> = counts.iter().map(|(change, count)| format!("{count} {}", change.as_str())).collect();
    let (then, now) = (comparison.verdicts.0.code, comparison.verdicts.1.code);
    match (counted.is_empty(), then == now) {
        (true, true) => "another outcome".to_owned(),
        (true, false) => format!("verdict {now}"),
        (false, true) => counted.join(", "),
        (false, false) => format!("{}; verdict {now}", counted.join(", ")),
    }
}

/// A word for a shell.
fn quoted(word: &OsStr) -> String {
    let text = Path::new(word).display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}
