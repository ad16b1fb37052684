//! A scenario played by the built-in client through the real proxy: what `demo` shows, and what a replay is tried with.

use super::session::{Session, Surroundings};
use anyhow::Result;
use authtrace::config::Options;
use authtrace::harness::{self, Stage};
use authtrace::launch::{BaseUrl, ParentEnvironment};
use authtrace::trace::PlayedAgainst;

/// Plays what is staged, into the trace that the options name. The session is closed.
pub(crate) async fn with_builtin_client(stage: &Stage, options: Options) -> Result<Session> {
    let variables = &stage.scenario().client.variables;
    let base_url = variables.get("ANTHROPIC_BASE_URL").and_then(|url| BaseUrl::parse(url));
    // Nothing of the user's environment has a part in it.
    let config = stage.options(options, base_url.as_ref()).resolve(&ParentEnvironment::new(), base_url.as_ref())?;
    let about = Surroundings { variables: &stage.names(), played: Some((stage.name(), PlayedAgainst::Fake)) };
    let session = Session::start(config, &about, None, None).await?;
    let played = harness::play(&session, stage).await?;
    session.close(Some(played.exit_code)).await;
    Ok(session)
}
