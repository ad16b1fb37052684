//! The roots of a proxy that runs for longer than one of them is good.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use super::{CaError, LeafStore, Persistence, Root, Scope};

/// How long each root of a proxy is good whose keys are in memory only.
const LIFE: Duration = Duration::days(7);

/// A root that signs, the one that will sign after it, and the leaves of both.
///
/// Clients read the certificates that they trust once, when they start. So the next root is made when half the life of the
/// present one is over, and is put beside it wherever clients read ([`Authority::certificates_pem`]); it signs half a day
/// before the present one ends. A client that starts at any moment is served for half a life at least: three days, or two
/// weeks with a kept authority, and twice that if it starts at the right time. After that it has to be started anew.
///
/// Each root is constrained to the same scope. None signs another: the path length is 0, and a client that was given one
/// root trusts nothing but what that one has signed. A successor's key is treated as the root's: in memory only, or beside it.
pub struct Authority {
    scope: Scope,
    folder: Option<PathBuf>,
    leaves: Arc<LeafStore>,
    successor: Mutex<Option<Arc<Root>>>,
}

/// What has changed about the roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollOver {
    /// Nothing.
    Unchanged,
    /// There is a successor now, or another process has made one: the certificates for clients have changed.
    Prepared,
    /// The successor has taken the place of the root.
    Done,
    /// The root had ended without a successor, as when a machine sleeps for a week; clients have to be started anew.
    Broken,
}

impl Authority {
    /// Roots of seven days, whose keys exist in memory only.
    ///
    /// # Errors
    /// Those of [`Root::generate`].
    pub fn in_memory(scope: &Scope, now: OffsetDateTime) -> Result<Self, CaError> {
        Self::of(Root::generate_for(scope, now, LIFE)?, None, scope, None)
    }

    /// Roots of thirty days, kept in this folder. Says what has happened to the files.
    ///
    /// # Errors
    /// Those of [`Root::persisted`].
    pub fn kept_in(folder: &Path, scope: &Scope, now: OffsetDateTime) -> Result<(Self, Persistence), CaError> {
        let kept = Root::persisted(folder, scope, now)?;
        Ok((Self::of(kept.root, kept.successor, scope, Some(folder.to_owned()))?, kept.persistence))
    }

    fn of(root: Root, successor: Option<Root>, scope: &Scope, folder: Option<PathBuf>) -> Result<Self, CaError> {
        let root = Arc::new(root);
        let successor = successor.map(Arc::new);
        let leaves = LeafStore::new(Arc::clone(&root))?;
        leaves.set_roots(root, successor.clone());
        Ok(Self { scope: scope.clone(), folder, leaves: Arc::new(leaves), successor: Mutex::new(successor) })
    }

    /// The leaves, signed by whichever root signs at the time.
    #[must_use]
    pub fn leaves(&self) -> &Arc<LeafStore> {
        &self.leaves
    }

    /// What clients are to trust from now on: the certificate of the root and that of its successor, as PEM.
    #[must_use]
    pub fn certificates_pem(&self) -> String {
        let mut pem = self.leaves.root().certificate_pem().to_owned();
        if let Some(successor) = &*self.successor.lock().unwrap_or_else(PoisonError::into_inner) {
            pem.push_str(successor.certificate_pem());
        }
        pem
    }

    /// Does what is due at this time. To be called from time to time, at least every hour.
    ///
    /// # Errors
    /// Those of [`Root::generate`] and [`Root::persisted`]; the roots are as they were then.
    pub fn roll_over(&self, now: OffsetDateTime) -> Result<RollOver, CaError> {
        let mut successor = self.successor.lock().unwrap_or_else(PoisonError::into_inner);
        let root = self.leaves.root();
        let is_due = now >= if successor.is_some() { root.hands_over_at() } else { root.half_life() };
        if !is_due {
            return Ok(RollOver::Unchanged);
        }
        let (current, next) = match &self.folder {
            Some(folder) => {
                let kept = Root::persisted(folder, &self.scope, now)?;
                (Arc::new(kept.root), kept.successor.map(Arc::new))
            }
            None => self.in_time(&root, successor.clone(), now)?,
        };
        let same = |one: &Arc<Root>, other: &Arc<Root>| one.certificate_der() == other.certificate_der();
        let rolled = match &*successor {
            _ if same(&current, &root) => RollOver::Prepared,
            Some(expected) if same(&current, expected) => RollOver::Done,
            _ => RollOver::Broken,
        };
        successor.clone_from(&next);
        self.leaves.set_roots(current, next);
        Ok(rolled)
    }

    /// The roots that are in memory, as they have to be at this time.
    fn in_time(
        &self,
        root: &Arc<Root>,
        successor: Option<Arc<Root>>,
        now: OffsetDateTime,
    ) -> Result<(Arc<Root>, Option<Arc<Root>>), CaError> {
        let make = || Root::generate_for(&self.scope, now, LIFE).map(Arc::new);
        let current = match successor.filter(|next| next.is_valid_at(now)) {
            Some(next) if now >= root.hands_over_at() => next,
            _ if root.is_valid_at(now) => Arc::clone(root),
            _ => make()?,
        };
        let next = if now >= current.half_life() { Some(make()?) } else { None };
        Ok((current, next))
    }
}

#[cfg(test)]
mod tests;
