//! Renewing the access token.

use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static ACCESS_TOKEN_EXPIRED_NOT_REFRESHED: Entry = Entry {
    code: Code::AccessTokenExpiredNotRefreshed,
    family: Family::Refresh,
    title: "The access token has expired, and the client does not renew it",
    meaning: "The API says that the access token is too old. A client that keeps a refresh token should now ask the token \
              endpoint for a new one; this one never asks and goes on with the old token. Nothing is wrong with the account.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "  401 authentication_error  OAuth token has expired. …",
        "POST api.anthropic.com/v1/messages     Bearer oat-A    the same token",
        "  401",
        "(no POST …/v1/oauth/token in between)",
    ],
    causes: &[
        "`claude -p`, the SDK or a subprocess of an old version: the token is read once and never renewed.",
        "The token was copied from another machine or stands in a variable, without its refresh token.",
        "A request that runs in the background or for a remote session, whose 401 starts no refresh.",
        "The local clock or a stored date says that the token is still good.",
    ],
    remedy: &[
        "Log in again: claude auth login",
        "Update Claude Code, then log in again: versions before 2.1.117 do not renew a token that is refused in mid-session.",
        "Start `claude` once and send a message: an interactive turn renews the stored token.",
        "For automation use a token that is made to last (`claude setup-token`) or an API key.",
    ],
    attach: &[
        "version of Claude Code, and how it runs (`-p`, SDK, extension)",
        "request id and UTC time of the 401",
        "whether other sessions were running",
    ],
    evidence: &[issue(28827), issue(21765), issue(31095), issue(12447), issue(50743), issue(10120)],
    versions: &[
        fixed("2.1.0", "a refresh also when only the server takes the token for expired"),
        fixed("2.1.117", "a 401 in the middle of a session starts a refresh"),
    ],
    decides: "A 401 that speaks of expiry (or comes an hour or more after the last 200), the same token again, and no POST to \
              the token endpoint within 30 seconds or until the second refusal. With a token POST, its answer decides.",
    confused_with: &[
        Code::RefreshTokenInvalid,
        Code::RefreshNetworkFailure,
        Code::NewLoginNotUsed,
        Code::LocalExpiryMisjudged,
        Code::StaticTokenRejected,
    ],
    wordings: &[
        says(78, &["token has expired"], "the server says that the access token has expired"),
        says(45, &["could not resolve authentication method"], "seen right after a 401 for an expired token"),
        says(40, &["please run /login", "401"], "a 401 that the client did not answer with a refresh"),
        says(40, &["failed to fetch session from sessions api"], "seen when a token had expired unnoticed"),
    ],
};

pub(super) static REFRESH_TOKEN_INVALID: Entry = Entry {
    code: Code::RefreshTokenInvalid,
    family: Family::Refresh,
    title: "The refresh token is refused for good",
    meaning: "The client asked for a new access token, and the token endpoint answered invalid_grant. That refresh token will \
              not work again, so only a new login helps. Why it died cannot be seen from this machine alone.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token   grant=refresh_token  ort-A",
        "  400 invalid_grant  Refresh token not found or invalid",
        "POST api.anthropic.com/v1/messages        Bearer oat-A, or nothing at all",
        "  401",
    ],
    causes: &[
        "Another machine or container holds a copy of the same login and renewed it first.",
        "It is too old: about four weeks without use, as reported.",
        "It was revoked: log-out everywhere, change of password or organisation.",
    ],
    remedy: &[
        "Log in again: claude auth login",
        "If the 401 stays after that, delete `~/.claude/.credentials.json` and log in once more.",
        "Give each machine and container a login of its own instead of copying the file.",
    ],
    attach: &[
        "UTC times of the 400 and of the 401, and the request id of the 401",
        "which machines and containers share the login",
        "the stored `expiresAt` (not the token)",
    ],
    evidence: &[issue(54443), issue(65761), issue(61923), issue(90688), issue(80292), thread("finbarr/yolobox", 62)],
    versions: &[],
    decides: "400 invalid_grant for a refresh token that was not used before in this trace. Used before within 60 seconds by \
              another process: refresh-race. Exchanged or cut off earlier: refresh-result-lost.",
    confused_with: &[Code::RefreshRace, Code::RefreshResultLost, Code::TokenRevoked, Code::TokenRequestRejected],
    wordings: &[
        says(85, &["refresh token", "not found or invalid"], "the token endpoint no longer knows the refresh token"),
        says(85, &["refresh token is no longer valid"], "the client gave its refresh token up"),
        says(80, &["invalid_grant"], "the token endpoint refused the grant"),
        says(
            80,
            &["session expired", "could not be refreshed"],
            "the client asked for a new token and was refused for good",
        ),
        says(72, &["login expired"], "the client has no token left that it could renew"),
        says(74, &["oauth refresh failed", "400"], "the refresh was answered with 400"),
        says(58, &["token has expired"], "seen when the refresh was refused as well"),
        says(45, &["invalid authentication credentials"], "seen after a refresh that was refused"),
        says(30, &["not logged in"], "the client wipes the store after a refused refresh"),
    ],
};

pub(super) static REFRESH_RACE: Entry = Entry {
    code: Code::RefreshRace,
    family: Family::Refresh,
    title: "Several processes use one single-use refresh token",
    meaning: "A refresh token works once. Two processes that share one login sent the same one: the first got new tokens, the \
              other an error. The loser stops working, and in older versions it could wipe the login for all.",
    wire: &[
        "process 1  POST …/v1/oauth/token  ort-A    200  oat-B ort-B",
        "process 2  POST …/v1/oauth/token  ort-A    400  invalid_grant",
        "process 2  POST …/v1/messages     oat-A    401",
    ],
    causes: &[
        "Several sessions (terminal, editor, desktop app, agents) on one store, all due at the same minute.",
        "The machine woke from sleep, and all of them renewed at once.",
        "A version without a lock around the store, beside one that has it.",
    ],
    remedy: &[
        "Update every Claude Code on this machine, restart all of them, then log in once: claude auth login",
        "Give each agent a `CLAUDE_CONFIG_DIR` of its own, or a token from `claude setup-token`.",
        "Run fewer sessions on one login until then.",
    ],
    attach: &[
        "version of every client that was running, and how many there were",
        "where the login is kept (keychain or file)",
        "request ids and UTC times of both processes",
    ],
    evidence: &[issue(25609), issue(24317), issue(48786), issue(80585), issue(58066), issue(88947)],
    versions: &[
        fixed("2.1.81", "other sessions keep their login when one of them renews the token"),
        fixed("2.1.126", "a concurrent write no longer clears a good refresh token"),
        fixed("2.1.129", "waking from sleep no longer logs out all sessions"),
        fixed("2.1.133", "a lost race no longer wipes the shared login"),
        fixed("2.1.136", "a concurrent write no longer overwrites a token that was just renewed"),
        fixed("2.1.211", "many sessions on one store survive waking from sleep"),
    ],
    decides: "One refresh token in two token POSTs within 60 seconds, from two processes, one answered 200 and one refused. \
              Only a trace with both processes in it proves that: start the second with run --join.",
    confused_with: &[Code::RefreshTokenInvalid, Code::RefreshResultLost, Code::TokenRejectedBeforeExpiry],
    wordings: &[
        says(64, &["refresh token", "not found or invalid"], "also what the second of two processes is told"),
        says(62, &["refresh token is no longer valid"], "also what the loser of a race prints"),
        says(60, &["invalid_grant"], "also what the second of two processes is told"),
        says(66, &["session expired", "could not be refreshed"], "also what the loser of a race prints"),
        says(60, &["login expired"], "seen in all sessions but one after a race"),
        says(48, &["token has expired"], "seen when another session had renewed the token"),
        says(40, &["invalid authentication credentials"], "seen on a token that another session had replaced"),
        says(35, &["token", "revoked"], "using a refresh token twice is said to revoke the whole login"),
    ],
};

pub(super) static REFRESH_RESULT_LOST: Entry = Entry {
    code: Code::RefreshResultLost,
    family: Family::Refresh,
    title: "New tokens were issued, and the client never kept them",
    meaning: "The server exchanged the refresh token, but the answer was cut off, or it could not be stored. The client still \
              holds the old refresh token, which is used up. The next refresh with it fails.",
    wire: &[
        "POST …/v1/oauth/token  ort-A    connection reset, no answer",
        "POST …/v1/oauth/token  ort-A    400  invalid_grant",
        "or",
        "POST …/v1/oauth/token  ort-A    200  oat-B ort-B",
        "POST …/v1/oauth/token  ort-A    400  invalid_grant    minutes to days later",
    ],
    causes: &[
        "Sleep or a change of network in the middle of the refresh.",
        "The store could not be written: read-only mount, keychain prompt, full disk.",
        "A helper app renewed the token on behalf of Claude Code and did not write it back.",
        "A copy of the login (container, backup) was used after the original had been renewed.",
    ],
    remedy: &[
        "Log in once more: claude auth login",
        "Mount the folder of credentials writable, or give the container a login of its own.",
        "Stop other tools (usage monitors, menu-bar apps) from renewing Claude Code's token.",
    ],
    attach: &[
        "UTC times of the refresh that was cut off and of the 400",
        "the system's log of sleep and network around them",
        "where the login is kept, and whether it can be written",
    ],
    evidence: &[
        issue(93014),
        issue(90688),
        issue(18443),
        thread("umputun/ralphex", 411),
        thread("ericjypark/codex-island", 53),
        thread("steipete/CodexBar", 326),
    ],
    versions: &[],
    decides: "The refused refresh token was seen before in this trace, in a token POST that was answered 200 or cut off. If \
              another process uses it after the new token has worked, a copied login is the cause.",
    confused_with: &[Code::RefreshRace, Code::RefreshTokenInvalid, Code::RefreshNetworkFailure],
    wordings: &[
        says(56, &["refresh token", "not found or invalid"], "also said of a refresh token that was exchanged before"),
        says(58, &["refresh token is no longer valid"], "also said of a refresh token that was exchanged before"),
        says(52, &["invalid_grant"], "also said of a refresh token that was exchanged before"),
        says(58, &["session expired", "could not be refreshed"], "also printed when the last answer was lost"),
        says(52, &["login expired"], "seen after an answer that was not stored"),
        says(42, &["token has expired"], "seen when the renewed token was not stored"),
    ],
};

pub(super) static REFRESH_NETWORK_FAILURE: Entry = Entry {
    code: Code::RefreshNetworkFailure,
    family: Family::Refresh,
    title: "The refresh did not reach the server",
    meaning: "The client tried to renew the token while there was no way to the token endpoint. The server said nothing, so \
              the login is probably still good. Some versions wipe it all the same, and then ask for a new one.",
    wire: &[
        "CONNECT platform.claude.com:443           name not found, refused, reset",
        "POST …/v1/oauth/token  ort-A              no status",
        "POST api.anthropic.com/v1/messages        Bearer oat-A, or nothing at all",
        "  401",
    ],
    causes: &[
        "The machine was half awake or just started, and the network was not up yet.",
        "VPN or Wi-Fi changed at that moment.",
        "A firewall or proxy lets api.anthropic.com through, but not platform.claude.com.",
    ],
    remedy: &[
        "Check that platform.claude.com can be reached, then restart Claude Code; log in only if it still asks for it.",
        "`authtrace run -- claude` shows which host failed and how.",
        "Allow `platform.claude.com:443` beside `api.anthropic.com:443` in firewall and proxy.",
    ],
    attach: &[
        "operating system, and times of sleep and waking",
        "the error code (`ENOTFOUND`, `ETIMEDOUT` …)",
        "whether the entry in the credential store still exists",
    ],
    evidence: &[issue(85149), issue(94855), issue(68660), issue(72006)],
    versions: &[fixed("2.1.238", "Remote Control stays signed in when a refresh fails on the network")],
    decides: "A token POST without any HTTP status that failed at once. After 14 to 16 seconds of silence: \
              token-endpoint-outage. Followed by invalid_grant for the same token: refresh-result-lost.",
    confused_with: &[Code::TokenEndpointOutage, Code::RefreshResultLost, Code::NoAuthenticatedRequest],
    wordings: &[
        says(62, &["enotfound"], "a name could not be resolved"),
        says(60, &["eai_again"], "a name could not be resolved just then"),
        says(58, &["etimedout"], "a connection timed out"),
        says(56, &["econnrefused"], "a connection was refused"),
        says(52, &["econnreset"], "a connection was cut"),
        says(50, &["und_err_socket"], "a connection was cut"),
        says(50, &["und_err_connect_timeout"], "a connection timed out"),
        says(52, &["enetunreach"], "there was no way to the network"),
        says(52, &["ehostunreach"], "there was no way to the host"),
        says(46, &["unable to connect to api"], "the client could not reach the API"),
        says(46, &["check your internet connection"], "the client could not reach the API"),
        says(44, &["connection dropped"], "a connection was cut"),
        says(40, &["fetch failed"], "a connection failed"),
        says(40, &["connection error"], "a connection failed"),
        says(44, &["oauth error", "timeout"], "a login or refresh got no answer in time"),
        says(42, &["not logged in"], "some versions wipe the login after a refresh that did not get through"),
    ],
};

pub(super) static TOKEN_ENDPOINT_RATE_LIMITED: Entry = Entry {
    code: Code::TokenEndpointRateLimited,
    family: Family::Refresh,
    title: "The token endpoint answers 429",
    meaning: "Logging in or renewing is refused because there were too many requests, or because the sender does not look \
              right. This is not the usage limit of a plan. Trying again quickly makes it last longer.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token",
        "  429 rate_limit_error  Rate limited. Please try again later.",
        "  (no request-id)",
    ],
    causes: &[
        "Many logins or refreshes in a short time, also by a client that loops.",
        "An address with a bad name: data centre, VPN, shared exit.",
        "A client whose User-Agent the edge does not accept (reported; the 429 then serves as a block).",
    ],
    remedy: &[
        "Stop retrying, wait at least an hour, then log in once: claude auth login",
        "Use Claude Code itself for the login, not another tool with its endpoints.",
        "Try from another network.",
    ],
    attach: &[
        "UTC times of all attempts",
        "what kind of network it was (home, data centre, VPN)",
        "client and version",
    ],
    evidence: &[
        issue(38248),
        issue(47754),
        thread("anomalyco/opencode", 18329),
        thread("diegosouzapw/OmniRoute", 2456),
        thread("griffinmartin/opencode-claude-auth", 60),
    ],
    versions: &[],
    decides: "429 on the token endpoint, whatever the grant. 429 on /v1/messages is rate-limited or usage-exhausted.",
    confused_with: &[Code::RateLimited, Code::EdgeChallengeHtml, Code::TokenEndpointOutage],
    wordings: &[
        says(84, &["rate limited. please try again later"], "the answer of the token endpoint to too many requests"),
        says(86, &["oauth error", "429"], "the token endpoint answered 429"),
        says(86, &["token exchange", "rate_limit"], "the token endpoint answered 429"),
        says(84, &["couldn't log in", "429"], "the token endpoint answered 429"),
        says(84, &["login failed", "429"], "the token endpoint answered 429"),
        says(28, &["token has expired"], "seen when the refresh was answered 429, which the client does not show"),
    ],
};

pub(super) static TOKEN_ENDPOINT_OUTAGE: Entry = Entry {
    code: Code::TokenEndpointOutage,
    family: Family::Refresh,
    title: "The token endpoint is down or slow",
    meaning: "Logging in or renewing fails on the side of the service: an error of the server, or no answer within the \
              client's 15 seconds. The login on this machine is most likely still good and worth keeping.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token",
        "  500, 502, 503, or nothing for 15 s",
        "  upstream connect error or disconnect/reset before headers …",
    ],
    causes: &["An incident of the service; on such days many people report the same."],
    remedy: &[
        "Look at https://status.claude.com and try again later; do not log out and do not delete credentials meanwhile.",
        "If it says nothing there, try from another network, to rule out yours.",
    ],
    attach: &["UTC times of all attempts", "request ids, where the answers had one", "the incident on the status page"],
    evidence: &[issue(33213), issue(33291), issue(44252), issue(44271), issue(48659), issue(20091)],
    versions: &[fixed("2.1.126", "a login over a slow or proxied connection no longer times out")],
    decides: "5xx on the token endpoint, or no status after 14 to 16 seconds. Socket and DNS errors that come at once are \
              refresh-network-failure; 5xx and 401 for one token on the API are upstream-outage-mixed-401.",
    confused_with: &[Code::RefreshNetworkFailure, Code::UpstreamOutageMixed401, Code::PostLoginBootstrapFailed],
    wordings: &[
        says(88, &["timeout of 15000ms exceeded"], "the token endpoint did not answer within 15 seconds"),
        says(86, &["oauth error", "status code 5"], "the token endpoint answered with an error of the server"),
        says(80, &["couldn't log in", "status code 5"], "the login was answered with an error of the server"),
        says(80, &["login failed", "status code 5"], "the login was answered with an error of the server"),
        says(60, &["upstream connect error or disconnect"], "the edge could not reach the service behind it"),
        says(32, &["token has expired"], "seen when the refresh failed at the server, which the client does not show"),
    ],
};

pub(super) static LOCAL_EXPIRY_MISJUDGED: Entry = Entry {
    code: Code::LocalExpiryMisjudged,
    family: Family::Refresh,
    title: "Client and server disagree about when the token expires",
    meaning: "The client decides by its own clock and its stored date whether a token is still good. Here that differs from \
              what the server thinks, so the client renews too late, too early or not at all. For Claude Code a wrong clock \
              is often suspected and seldom proven.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A   local time 09:40:02",
        "  401  OAuth token has expired. …      Date: 21:53:10",
        "(no refresh: by the local clock the token is still good)",
    ],
    causes: &[
        "The clock stood still or went back: WSL2 after sleep, virtual machines, no NTP.",
        "The stored `expiresAt` is 0 or broken.",
        "A version that trusts its own date more than the server's 401.",
    ],
    remedy: &[
        "Set the clock right (WSL: wsl --shutdown; Linux: timedatectl set-ntp true), then restart Claude Code.",
        "If the clock is right, log in again: `claude auth login`.",
        "If that does not help, delete `~/.claude/.credentials.json` before the login.",
    ],
    attach: &[
        "local UTC time beside the `Date` header of the same answer",
        "the stored `expiresAt` (not the token)",
        "version of Claude Code",
    ],
    evidence: &[issue(83834), thread("microsoft/WSL", 4677), thread("microsoft/WSL", 5324)],
    versions: &[
        fixed("2.1.0", "a refresh also when only the server takes the token for expired"),
        fixed("2.1.117", "a 401 in the middle of a session starts a refresh"),
    ],
    decides: "The Date header is more than five minutes off the local clock, or the server says expired before the lifetime \
              that it gave is over. Without either it is access-token-expired-not-refreshed.",
    confused_with: &[Code::AccessTokenExpiredNotRefreshed, Code::ClockSkew, Code::TokenRejectedBeforeExpiry],
    wordings: &[
        says(50, &["login expired"], "seen right after a login, when the stored date was wrong"),
        says(34, &["token has expired"], "possible when the clock of this machine is wrong"),
    ],
};
