use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::ca::{Scope, bundle};

use super::{BaseUrl, Effect, LaunchError, Notice, ParentEnvironment, TRUST_VARIABLES, TrustGroup, TrustVariable};

/// Which clients are told to trust our root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust(BTreeSet<TrustGroup>);

impl Trust {
    /// The clients that may meet a host of the scope. While the scope holds nothing but the hosts of Claude Code and of the base URL,
    /// these are the runtimes and libraries that programs call those with; tools that speak to hosts of their own (git, pip,
    /// cargo, npm, aws) keep their trust untouched, because we pass those hosts through unseen. Any further host: all.
    ///
    /// # Errors
    /// [`LaunchError::Ca`] if the built-in scope cannot be read.
    pub fn for_scope(scope: &Scope, base_url: Option<&BaseUrl>) -> Result<Self, LaunchError> {
        let claude = Scope::claude()?;
        let expected = |name: &str| claude.covers(name) || base_url.is_some_and(|url| url.host == name);
        let all = scope.is_everything() || scope.patterns().any(|pattern| !expected(pattern.name()));
        Ok(Self(TrustGroup::all().filter(|group| all || group.meets_claude_hosts()).collect()))
    }

    /// Reads the value of `--trust`: groups with commas between them, or `all`, or `none`.
    ///
    /// # Errors
    /// [`LaunchError::TrustGroup`] for a group that does not exist.
    pub fn parse(list: &str) -> Result<Self, LaunchError> {
        match list.trim() {
            "all" => Ok(Self(TrustGroup::all().collect())),
            "none" => Ok(Self(BTreeSet::new())),
            list => list.split(',').map(|name| name.trim().parse()).collect::<Result<_, _>>().map(Self),
        }
    }

    /// The value of `--trust` that gives this.
    #[must_use]
    pub fn to_list(&self) -> String {
        if self.0.is_empty() {
            return "none".to_owned();
        }
        self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    fn includes(&self, variable: &TrustVariable, parent: &ParentEnvironment) -> bool {
        self.0.contains(&variable.group) && (!variable.only_if_set || users_file(parent, variable.name).is_some())
    }
}

/// A private folder in which clients find what they are to trust.
pub trait TrustFolder {
    /// Writes a file of that name, in the place of the one that was there, and gives its path. Whoever reads it meanwhile
    /// reads the old one or the new one.
    ///
    /// # Errors
    /// [`LaunchError::TempDir`].
    fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, LaunchError>;
}

/// The files of a run that clients are pointed to.
#[derive(Debug, Default)]
pub struct TrustFiles {
    /// Our root alone, for programs that the user sets up by hand.
    pub root: PathBuf,
    /// Which variable names which file.
    pub variables: BTreeMap<&'static str, PathBuf>,
    /// What could not be done.
    pub notices: Vec<Notice>,
}

impl TrustFiles {
    /// Writes the files that this trust needs into the folder of the run; once more when there is another root to be
    /// trusted, under the same names. `root_pem` is one certificate of ours, or several.
    ///
    /// A variable that the user has set gets a file with the certificates of the user's file (or folder) and our root; one
    /// that the user has not set gets our root alone if it adds to a client's own roots, and the system's roots with ours if it replaces them.
    ///
    /// # Errors
    /// [`LaunchError::TempDir`] if a file cannot be written. A file of the user's that cannot be read is a notice.
    pub fn write(
        dir: &dyn TrustFolder,
        root_pem: &str,
        trust: &Trust,
        parent: &ParentEnvironment,
    ) -> Result<Self, LaunchError> {
        let root = dir.put("ca.pem", root_pem.as_bytes())?;
        let mut files = Self { root, ..Self::default() };
        let mut system: Option<PathBuf> = None;
        for variable in TRUST_VARIABLES.iter().filter(|variable| trust.includes(variable, parent)) {
            let file = match (users_file(parent, variable.name), variable.effect) {
                (Some(users), _) => match bundle::certificates_in(users) {
                    Ok(theirs) => {
                        dir.put(&format!("{}.pem", variable.name), bundle::merge(root_pem, &theirs).as_bytes())?
                    }
                    Err(_) => {
                        files
                            .notices
                            .push(Notice::TrustFileUnreadable { variable: variable.name, path: users.to_owned() });
                        continue;
                    }
                },
                (None, Effect::Adds) => files.root.clone(),
                (None, Effect::Replaces) => match &system {
                    Some(file) => file.clone(),
                    None => {
                        let file = dir.put("bundle.pem", bundle::merge(root_pem, &system_roots(parent)).as_bytes())?;
                        system.insert(file).clone()
                    }
                },
            };
            files.variables.insert(variable.name, file);
        }
        Ok(files)
    }
}

/// The environment without the trust files that cannot be read: for a client that meets nobody but ourselves, so that what
/// the user's own file would add is of no use to it.
#[must_use]
pub fn without_unreadable_trust(parent: &ParentEnvironment) -> ParentEnvironment {
    let unreadable = |name: &OsStr| {
        let variable = TRUST_VARIABLES.iter().find(|variable| name == variable.name);
        let file = variable.and_then(|variable| users_file(parent, variable.name));
        file.is_some_and(|file| bundle::certificates_in(file).is_err())
    };
    let kept = parent.iter().filter(|(name, _)| !unreadable(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn users_file<'a>(parent: &'a ParentEnvironment, name: &str) -> Option<&'a Path> {
    parent.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(Path::new)
}

fn system_roots(parent: &ParentEnvironment) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    let dirs: Vec<PathBuf> =
        users_file(parent, "SSL_CERT_DIR").map(|dirs| std::env::split_paths(dirs).collect()).unwrap_or_default();
    bundle::system_roots(users_file(parent, "SSL_CERT_FILE"), &dirs)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use time::OffsetDateTime;

    use super::*;
    use crate::ca::Root;
    use crate::launch::TempDir;

    fn root(host: &str) -> Root {
        Root::generate(&Scope::from_patterns([host]).unwrap(), OffsetDateTime::now_utc()).unwrap()
    }

    fn read(path: &Path) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(path).unwrap().collect::<Result<_, _>>().unwrap()
    }

    struct Case {
        outer: tempfile::TempDir,
        ours: Root,
        parent: ParentEnvironment,
    }

    impl Case {
        fn new() -> Self {
            Self { outer: tempfile::tempdir().unwrap(), ours: root("a.example"), parent: ParentEnvironment::new() }
        }

        /// Sets a variable to a file with a root of its own, and gives that.
        fn set(&mut self, name: &str) -> CertificateDer<'static> {
            let other = root("users.example");
            let file = self.outer.path().join(format!("users-{name}"));
            std::fs::write(&file, other.certificate_pem()).unwrap();
            self.parent.insert(name.into(), file.into());
            other.certificate_der().clone()
        }

        fn write(&self, trust: &str) -> (TempDir, TrustFiles) {
            let dir = TempDir::create_in(self.outer.path()).unwrap();
            let files =
                TrustFiles::write(&dir, self.ours.certificate_pem(), &Trust::parse(trust).unwrap(), &self.parent)
                    .unwrap();
            (dir, files)
        }
    }

    #[test]
    fn a_variable_of_the_users_keeps_what_it_held_and_gains_ours() {
        let mut case = Case::new();
        let (node, git, ssl) = (case.set("NODE_EXTRA_CA_CERTS"), case.set("GIT_SSL_CAINFO"), case.set("SSL_CERT_FILE"));
        let (_dir, files) = case.write("all");
        let ours = case.ours.certificate_der().clone();
        assert_eq!(read(&files.variables["NODE_EXTRA_CA_CERTS"]), [ours.clone(), node]);
        assert_eq!(read(&files.variables["GIT_SSL_CAINFO"]), [ours.clone(), git]);
        assert_eq!(read(&files.variables["SSL_CERT_FILE"]), [ours.clone(), ssl.clone()]);
        assert_eq!(
            read(&files.variables["CURL_CA_BUNDLE"]),
            [ours.clone(), ssl],
            "the user's store stands for the system's"
        );
        assert_eq!(read(&files.variables["DENO_CERT"]), [ours]);
        assert!(!files.variables.contains_key("NIX_SSL_CERT_FILE"));
        assert!(files.notices.is_empty());
    }

    #[test]
    fn a_successor_comes_into_the_same_files() {
        let mut case = Case::new();
        let users = case.set("NODE_EXTRA_CA_CERTS");
        let (dir, before) = case.write("node,curl,deno");
        let (ours, next) = (case.ours.certificate_der().clone(), root("a.example"));
        let both = format!("{}{}", case.ours.certificate_pem(), next.certificate_pem());
        let trust = Trust::parse("node,curl,deno").unwrap();
        let after = TrustFiles::write(&dir, &both, &trust, &case.parent).unwrap();
        assert_eq!(before.variables, after.variables);
        let next = next.certificate_der().clone();
        assert_eq!(read(&after.variables["NODE_EXTRA_CA_CERTS"]), [ours.clone(), next.clone(), users]);
        assert_eq!(read(&after.variables["CURL_CA_BUNDLE"])[..2], [ours.clone(), next.clone()]);
        assert_eq!(read(&after.variables["DENO_CERT"]), [ours, next]);
    }

    #[test]
    fn a_file_of_the_users_that_cannot_be_read_is_left_alone_and_reported() {
        let mut case = Case::new();
        case.parent.insert("PIP_CERT".into(), "/nonexistent/ca.pem".into());
        case.parent.insert("SSL_CERT_FILE".into(), case.outer.path().join("users-none").into());
        let (_dir, files) = case.write("pip,node");
        assert_eq!(files.variables.keys().copied().collect::<Vec<_>>(), ["NODE_EXTRA_CA_CERTS"]);
        assert_eq!(
            files.notices,
            [Notice::TrustFileUnreadable { variable: "PIP_CERT", path: "/nonexistent/ca.pem".into() }]
        );
    }

    #[test]
    fn trust_follows_the_scope_unless_the_user_says_otherwise() {
        let names = |trust: &Trust| trust.0.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut scope = Scope::claude().unwrap();
        let narrow = ["node", "deno", "ssl", "python", "curl", "nix"];
        assert_eq!(names(&Trust::for_scope(&scope, None).unwrap()), narrow);
        let gateway = BaseUrl::parse("https://gateway.example.com").unwrap();
        scope.add(&gateway.host).unwrap();
        assert_eq!(names(&Trust::for_scope(&scope, Some(&gateway)).unwrap()), narrow);
        assert_eq!(Trust::for_scope(&scope, None).unwrap(), Trust::parse("all").unwrap());
        assert_eq!(
            Trust::for_scope(&Scope::from_patterns(["*"]).unwrap(), None).unwrap(),
            Trust::parse("all").unwrap()
        );
        assert_eq!(names(&Trust::parse("curl, node").unwrap()), ["node", "curl"]);
        assert!(matches!(Trust::parse("node,java"), Err(LaunchError::TrustGroup)));
        assert!(Trust::parse("none").unwrap().0.is_empty());
    }
}
