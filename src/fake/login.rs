//! A login through a browser, from the client's side: authorization code with PKCE (RFC 6749 §4.1, RFC 7636 §4).

use super::credential::Seed;
use super::model::Login;
use super::requests::{CLIENT_ID, LOGIN_SCOPES, PASTED};
use crate::trace::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the browser goes.
pub(super) const HOST: &str = "claude.com";

/// One login.
pub(super) struct Request {
    verifier: String,
    state: String,
}

impl Request {
    pub(super) fn new(seed: &Seed, index: usize) -> Self {
        let made_up = |tag| URL_SAFE_NO_PAD.encode(format!("FAKE-{}", seed.uuid(tag, index)));
        Self { verifier: made_up("verifier"), state: made_up("state") }
    }

    /// What the browser asks for.
    pub(super) fn target(&self) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()));
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!(
            "/cai/oauth/authorize?code=true&client_id={CLIENT_ID}&response_type=code&redirect_uri={}&scope={}\
             &code_challenge={challenge}&code_challenge_method=S256&state={}",
            encoded(PASTED),
            encoded(LOGIN_SCOPES),
            encoded(&self.state),
        )
    }

    /// The exchange of the code that the browser was sent back with; none if there is none.
    pub(super) fn exchange(&self, location: &str) -> Option<Value> {
        let (_, query) = location.split_once('?')?;
        let field = |name: &str| {
            let mut fields = query.split('&').filter_map(|pair| pair.split_once('='));
            let (_, value) = fields.find(|(known, _)| *known == name)?;
            Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        Some(json!({
            "grant_type": "authorization_code",
            "code": field("code")?,
            "redirect_uri": PASTED,
            "client_id": CLIENT_ID,
            "code_verifier": self.verifier,
            "state": field("state")?,
        }))
    }
}

/// What is there before a login.
pub(super) fn nobody() -> Login {
    Login {
        access_token: String::new(),
        refresh_token: String::new(),
        expires_at: Timestamp::from_unix_ms(0),
        scopes: String::new(),
    }
}
