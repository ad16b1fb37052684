//! The roots of a running proxy: renewed in time, also in the files in which clients find them.

use super::console;
use authtrace::ca::{Authority, RollOver};
use authtrace::launch::{LaunchError, ParentEnvironment, Trust, TrustFiles, TrustFolder};
use std::sync::{Arc, Weak};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::task::JoinHandle;

/// How often it is looked whether something is due. What is due is told by the wall clock: a machine that has slept is looked
/// after at most so long after it woke, and half a day is to spare.
const EVERY: Duration = Duration::from_secs(600);

/// Ends with the session.
pub(crate) struct Rolling(JoinHandle<()>);

impl Drop for Rolling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where clients find the roots, and who they are.
pub(crate) struct Readers<F> {
    pub(crate) folder: Weak<F>,
    pub(crate) trust: Trust,
    pub(crate) parent: ParentEnvironment,
}

/// Looks after the roots for as long as the folder is there. With `tell`, all that happens is said; otherwise only what
/// clients will notice.
pub(crate) fn keep_rolling<F>(authority: &Arc<Authority>, readers: Readers<F>, tell: bool) -> Rolling
where
    F: TrustFolder + Send + Sync + 'static,
{
    let authority = Arc::clone(authority);
    Rolling(tokio::spawn(async move {
        let mut unwritten = false;
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(folder) = readers.folder.upgrade() else { return };
            if let Some(text) = roll(&authority, &*folder, &readers, tell, &mut unwritten) {
                console::say(&text);
            }
        }
    }))
}

/// `unwritten`: whether clients cannot read what changed before, because the files could not be written; it is tried again.
fn roll<F: TrustFolder>(
    authority: &Authority,
    folder: &F,
    readers: &Readers<F>,
    tell: bool,
    unwritten: &mut bool,
) -> Option<String> {
    let rolled = match authority.roll_over(OffsetDateTime::now_utc()) {
        Ok(RollOver::Unchanged) if !*unwritten => return None,
        Ok(rolled) => rolled,
        Err(error) => return Some(format!("the certificate authority could not be renewed: {error}")),
    };
    let written: Result<TrustFiles, LaunchError> =
        TrustFiles::write(folder, &authority.certificates_pem(), &readers.trust, &readers.parent);
    if let Err(error) = written {
        // Once is enough: what is told of a full disk would only fill it.
        let again = std::mem::replace(unwritten, true);
        let text = "the certificate authority was renewed, but clients cannot read it, which is tried again";
        return (!again || rolled != RollOver::Unchanged).then(|| format!("{text}: {error}"));
    }
    *unwritten = false;
    match rolled {
        RollOver::Broken => Some(
            "the certificate authority had ended and was made anew; programs that were started before do not trust it: start \
             them again"
                .to_owned(),
        ),
        RollOver::Prepared if tell => Some(
            "the next certificate authority is ready; programs that start from now on know it, it is used when the present one \
             ends"
                .to_owned(),
        ),
        RollOver::Done if tell => Some(
            "the next certificate authority is used from now on; a program that was started before it was made has to be started \
             again"
                .to_owned(),
        ),
        RollOver::Prepared | RollOver::Done | RollOver::Unchanged => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use authtrace::ca::Scope;
    use authtrace::launch::KeptDir;

    #[test]
    fn certificates_that_could_not_be_written_are_written_later() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("trust");
        let folder = KeptDir::open(&path).unwrap();
        // In the second half of a root's life.
        let begun = OffsetDateTime::now_utc() - time::Duration::days(4);
        let authority = Authority::in_memory(&Scope::claude().unwrap(), begun).unwrap();
        let readers = Readers {
            folder: Weak::<KeptDir>::new(),
            trust: Trust::parse("node").unwrap(),
            parent: ParentEnvironment::default(),
        };
        let mut unwritten = false;
        let mut roll = || roll(&authority, &folder, &readers, true, &mut unwritten);
        std::fs::remove_dir_all(&path).unwrap();
        assert!(roll().unwrap().contains("clients cannot read it"));
        assert_eq!(roll(), None, "it is not told again");
        KeptDir::open(&path).unwrap();
        assert_eq!(roll(), None);
        let known = std::fs::read_to_string(path.join("ca.pem")).unwrap();
        assert_eq!(known.matches("BEGIN CERTIFICATE").count(), 2);
    }
}
