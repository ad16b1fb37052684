//! Reads the lineage off the exchanges, in one pass.

use super::{CredentialHistory, Lineage, Origin, Process, Reaction, Refusal, Use};
use crate::analyze::endpoint::{Endpoint, endpoint};
use crate::analyze::failures::{Failure, is_accepted};
use crate::analyze::labels::{Labels, issued_by};
use crate::redact::{self, Fingerprint, Kind};
use crate::trace::{Connection, Credential, Exchange, Origin as AnsweredBy, Peer};
use std::collections::HashMap;

/// The lineage of all credentials; `exchanges` are in the order of time.
pub(in crate::analyze) fn build(exchanges: &[Exchange], connections: &[Connection], labels: &Labels) -> Lineage {
    let mut builder = Builder {
        lineage: Lineage::default(),
        labels,
        peers: connections.iter().filter_map(|one| Some((one.id, one.peer.clone()?))).collect(),
        in_use: HashMap::new(),
    };
    for exchange in exchanges {
        let process = builder.process(exchange);
        builder.lineage.of_exchanges.push(process);
        builder.sent(exchange, process);
        builder.issued(exchange, process);
    }
    builder.lineage
}

struct Builder<'a> {
    lineage: Lineage,
    labels: &'a Labels,
    peers: HashMap<u64, Peer>,
    /// The access token that a process used last.
    in_use: HashMap<usize, Fingerprint>,
}

impl Builder<'_> {
    fn process(&mut self, exchange: &Exchange) -> usize {
        let peer = exchange.peer.as_ref().or_else(|| self.peers.get(&exchange.connection));
        let processes = &mut self.lineage.processes;
        let same = |one: &Process| one.lane == exchange.lane && one.peer.as_ref() == peer;
        processes.iter().position(same).unwrap_or_else(|| {
            processes.push(Process { lane: exchange.lane.clone(), peer: peer.cloned() });
            processes.len() - 1
        })
    }

    fn sent(&mut self, exchange: &Exchange, process: usize) {
        let reaction = reaction(exchange);
        let mut counted: Vec<Fingerprint> = Vec::new();
        for sent in &exchange.credentials {
            let credential = &sent.credential;
            let repeated = counted.contains(&credential.fp);
            let Some(history) = self.history(exchange, sent) else { continue };
            add_flags(history, credential);
            if repeated {
                continue;
            }
            counted.push(credential.fp);
            history.uses.push(Use { exchange: exchange.id, at: exchange.at, process, reaction });
            match reaction {
                Reaction::Accepted => {
                    history.first_accepted.get_or_insert(exchange.id);
                    history.last_accepted = Some(exchange.id);
                }
                Reaction::Refused => {
                    history.first_refused.get_or_insert_with(|| refusal(exchange));
                    if says_revoked(exchange) {
                        history.revoked_by.get_or_insert(exchange.id);
                    }
                }
                Reaction::Other | Reaction::Unanswered => {}
            }
            if reaction == Reaction::Accepted && endpoint(exchange) == Endpoint::Revoke {
                history.revoked_by.get_or_insert(exchange.id);
            }
            if credential.kind == Kind::OauthAccess {
                self.in_use.insert(process, credential.fp);
            }
        }
    }

    fn issued(&mut self, exchange: &Exchange, process: usize) {
        let issued = issued_by(exchange);
        let by_us = exchange.origin == AnsweredBy::Authtrace;
        if by_us || issued.is_empty() || exchange.status().is_none_or(|status| status >= 400) {
            return;
        }
        let origin = origin(exchange);
        let oauth = exchange.oauth.as_ref();
        for one in issued {
            let known = self.lineage.get(one.credential.fp).is_some();
            let Some(history) = self.history(exchange, one) else { continue };
            add_flags(history, &one.credential);
            if known {
                continue;
            }
            history.origin = origin;
            if one.credential.kind != Kind::OauthRefresh {
                history.lifetime_s = oauth.and_then(|oauth| oauth.expires_in);
            }
            history.scopes = oauth.and_then(|oauth| oauth.scope_granted.clone());
        }
        if matches!(origin, Origin::Refresh { .. } | Origin::Login { .. }) {
            self.replace(exchange, process, origin, issued);
        }
    }

    /// What the issued tokens take the place of: the refresh token that was used up, the access tokens issued with it,
    /// and the one that this process used last.
    fn replace(&mut self, exchange: &Exchange, process: usize, origin: Origin, issued: &[Credential]) {
        let new = |kind: Kind| issued.iter().map(|one| &one.credential).find(|one| one.kind == kind).map(|one| one.fp);
        let (access, refresh) = (new(Kind::OauthAccess), new(Kind::OauthRefresh));
        let mut pairs: Vec<(Fingerprint, Fingerprint)> = Vec::new();
        if let Origin::Refresh { out_of: Some(spent), .. } = origin {
            pairs.extend(refresh.map(|new| (spent, new)));
            let family = self.lineage.get(spent).and_then(|history| history.origin.exchange());
            if let (Some(family), Some(access)) = (family, access) {
                let siblings = self.lineage.credentials.iter().rev().take(64);
                let of_family = siblings
                    .filter(|one| one.credential.kind == Kind::OauthAccess && one.origin.exchange() == Some(family));
                pairs.extend(of_family.map(|one| (one.credential.fp, access)));
            }
        }
        if let (Some(last), Some(access)) = (self.in_use.get(&process).copied(), access) {
            pairs.push((last, access));
        }
        for (old, new) in pairs {
            if old != new
                && let Some(history) = self.lineage.get_mut(old)
            {
                history.replaced_by.get_or_insert((new, exchange.id));
            }
        }
    }

    fn history(&mut self, exchange: &Exchange, seen: &Credential) -> Option<&mut CredentialHistory> {
        let fp = seen.credential.fp;
        if self.lineage.get(fp).is_none() {
            let label = self.labels.get(fp)?;
            self.lineage.index.insert(fp, self.lineage.credentials.len());
            self.lineage.credentials.push(CredentialHistory {
                label,
                credential: redact::Credential { flags: Vec::new(), ..seen.credential.clone() },
                origin: Origin::Brought,
                first_seen: exchange.at,
                scopes: None,
                lifetime_s: None,
                uses: Vec::new(),
                first_accepted: None,
                last_accepted: None,
                first_refused: None,
                replaced_by: None,
                revoked_by: None,
            });
        }
        self.lineage.get_mut(fp)
    }
}

impl Lineage {
    fn get_mut(&mut self, fp: Fingerprint) -> Option<&mut CredentialHistory> {
        self.credentials.get_mut(*self.index.get(&fp)?)
    }
}

fn add_flags(history: &mut CredentialHistory, credential: &redact::Credential) {
    for flag in &credential.flags {
        if !history.credential.has(*flag) {
            history.credential.flags.push(*flag);
        }
    }
}

pub(in crate::analyze) fn reaction(exchange: &Exchange) -> Reaction {
    if is_accepted(exchange) {
        return Reaction::Accepted;
    }
    let by_server = exchange.origin == AnsweredBy::Upstream && exchange.status() != Some(407);
    if by_server && Failure::of_exchange(exchange).is_some() {
        Reaction::Refused
    } else if exchange.response.is_none() {
        Reaction::Unanswered
    } else {
        Reaction::Other
    }
}

fn refusal(exchange: &Exchange) -> Refusal {
    let message = exchange.error.as_ref().and_then(|error| error.message.clone());
    let status = exchange.status().filter(|status| *status >= 400);
    Refusal { exchange: exchange.id, at: exchange.at, status, message }
}

fn says_revoked(exchange: &Exchange) -> bool {
    let message = exchange.error.as_ref().and_then(|error| error.message.as_ref());
    message.is_some_and(|message| message.as_str().to_ascii_lowercase().contains("revoked"))
}

fn origin(exchange: &Exchange) -> Origin {
    let id = exchange.id;
    let grant = exchange.oauth.as_ref().and_then(|oauth| oauth.grant_type.as_ref()).map(|grant| grant.as_str());
    match (endpoint(exchange), grant) {
        (Endpoint::CreateApiKey, _) => Origin::KeyCreation { exchange: id },
        (_, Some("refresh_token")) => Origin::Refresh { exchange: id, out_of: spent(exchange) },
        (_, Some("authorization_code" | "urn:ietf:params:oauth:grant-type:device_code")) => {
            Origin::Login { exchange: id }
        }
        _ => Origin::Other { exchange: id },
    }
}

/// The refresh token that a token request carried.
pub(in crate::analyze) fn spent(exchange: &Exchange) -> Option<Fingerprint> {
    let in_body = exchange.credentials.iter().find(|sent| sent.place.as_str() == "body.refresh_token");
    in_body.map(|sent| sent.credential.fp)
}
