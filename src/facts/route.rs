//! What a request is for, as far as it decides which bytes of its bodies are read.

/// The class of a request, told from its path. The host does not matter: whatever reaches this room is in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// Issues tokens: `/v1/oauth/token`, `/oauth/token`, `/oauth2/token`, `/token`, device authorization (RFC 8628),
    /// dynamic client registration (RFC 7591).
    Token,
    /// Ends or inspects a token (RFC 7009, RFC 7662).
    Revoke,
    /// `…/authorize`, whose answer may carry a code.
    Authorize,
    /// `/api/oauth/claude_cli/create_api_key`, whose answer carries a key.
    CreateApiKey,
    /// `/v1/messages`.
    Messages,
    /// Everything else.
    Other,
}

impl Route {
    /// The class of a request target in origin form. Allocates nothing.
    #[must_use]
    pub fn of(target: &[u8]) -> Self {
        let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
        let path = target.get(..end).unwrap_or_default();
        let segments = || path.split(|b| *b == b'/').filter(|segment| !segment.is_empty());
        let mut from_end = segments().rev();
        let Some(last) = from_end.next() else {
            return Self::Other;
        };
        let before = from_end.next().unwrap_or_default();
        let is = |segment: &[u8], name: &str| segment.eq_ignore_ascii_case(name.as_bytes());
        let oauth = segments().any(|segment| {
            [b"oauth".as_slice(), b"openid", b"connect", b"oidc"]
                .iter()
                .any(|start| segment.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start)))
        });
        let alone = before.is_empty();
        let version =
            matches!(before, [b'v' | b'V', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
        if is(last, "create_api_key") {
            Self::CreateApiKey
        } else if is(last, "messages") && is(before, "v1") {
            Self::Messages
        } else if is(last, "token") && (oauth || alone || version) {
            Self::Token
        } else if ["revoke", "revocation", "introspect"].iter().any(|name| is(last, name))
            && (oauth || alone || is(before, "token"))
        {
            Self::Revoke
        } else if is(last, "authorize") && (oauth || alone) {
            Self::Authorize
        } else if is(last, "device_authorization")
            || (is(before, "device") && (is(last, "code") || is(last, "authorize")))
            || (is(last, "register") && (oauth || alone))
        {
            Self::Token
        } else {
            Self::Other
        }
    }

    /// Whether bodies on it may hold credentials.
    #[must_use]
    pub fn carries_credentials(self) -> bool {
        matches!(self, Self::Token | Self::Revoke | Self::Authorize | Self::CreateApiKey)
    }
}

#[cfg(test)]
mod tests {
    use super::Route;

    #[test]
    fn paths_tell_what_a_request_is_for() {
        for (target, want) in [
            ("/v1/oauth/token", Route::Token),
            ("/v1/oauth/token?x=1", Route::Token),
            ("//v1/oauth/token/", Route::Token),
            ("/oauth/token", Route::Token),
            ("/oauth2/token", Route::Token),
            ("/oauth2/v2.0/token", Route::Token),
            ("/token", Route::Token),
            ("/v1/token", Route::Token),
            ("/realms/a/protocol/openid-connect/token", Route::Token),
            ("/oauth/register", Route::Token),
            ("/login/device/code", Route::Token),
            ("/v1/oauth/token/revoke", Route::Revoke),
            ("/oauth2/revoke", Route::Revoke),
            ("/v1/oauth/0f8fad5b-d9cb-469f-a165-70867728950e/authorize", Route::Authorize),
            ("/api/oauth/claude_cli/create_api_key", Route::CreateApiKey),
            ("/v1/messages?beta=true", Route::Messages),
            ("/v1/messages/count_tokens", Route::Other),
            ("/api/oauth/profile", Route::Other),
            ("/csrf/token", Route::Other),
            ("/", Route::Other),
            ("", Route::Other),
            ("*", Route::Other),
        ] {
            assert_eq!(Route::of(target.as_bytes()), want, "{target}");
        }
    }
}
