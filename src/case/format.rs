//! The file as it is written: tables and keys, with the place of each value.

use crate::check::Written;
use serde::Deserialize;
use toml::Spanned;

/// A case of `authtrace test`.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The version of this format: 1.
    #[cfg_attr(test, schemars(with = "u32"))]
    pub(super) format: Spanned<u32>,
    /// What it shows, in a few words.
    pub(super) title: Option<String>,
    /// What is played: a name of `authtrace scenario list`, or a file, seen from this one.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) scenario: Spanned<String>,
    /// The program and its arguments, one word each; `${NAME}` stands for an environment variable.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) command: Spanned<Vec<Spanned<String>>>,
    /// Where it runs, seen from this file; if nothing is said, where `authtrace test` was started.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) folder: Option<Spanned<String>>,
    /// When it is ended, such as `30s` or `2m`; after a minute if nothing is said.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) timeout: Option<Spanned<String>>,
    /// What is expected: the keys of a file of expectations but `format`.
    pub(super) expect: Option<Written>,
    /// Files of expectations, seen from this one.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) expect_files: Vec<Spanned<String>>,
    /// What of it is known to be missed, by the words of the result.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) misses: Vec<Spanned<String>>,
}
