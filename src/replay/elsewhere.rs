//! Servers that are not Anthropic's, as the client has to be told of them.

use crate::analyze::{Endpoint, Provider, Survey, endpoint, provider};
use crate::compare::{MADE_UP_HOST, Route};
use crate::fake::McpServer;
use crate::redact::Kind;
use crate::scenario::Client;
use crate::trace::Exchange;

/// What begins and ends the hosts of Amazon Bedrock; the region stands between.
const BEDROCK: (&str, &str) = ("bedrock-runtime.", ".amazonaws.com");

/// Tells the client of a gateway, a cloud and an MCP server, if the trace has requests to them. With the reasons.
pub(super) fn add(survey: &Survey, client: &mut Client) -> Vec<String> {
    let mut why = Vec::new();
    if let Some(host) = gateway(survey) {
        why.push(format!(
            "requests for the model went to another host than Anthropic's: ANTHROPIC_BASE_URL names {host}"
        ));
        client.variables.insert("ANTHROPIC_BASE_URL".to_owned(), format!("https://{host}"));
    }
    if let Some(asked) = survey.exchanges().iter().find(|exchange| provider(exchange) == Provider::Cloud) {
        why.push(match bedrock(asked) {
            Some(variables) => {
                client.variables.extend(variables);
                "requests for the model went to Amazon Bedrock: the client is set up for it, with made-up keys"
                    .to_owned()
            }
            None => "requests went to a cloud for which no client can be set up with made-up keys".to_owned(),
        });
    }
    client.mcp = mcp_server(survey);
    why.extend(client.mcp.as_ref().map(|server| format!("an MCP server was asked: {}", server.url)));
    why
}

fn gateway(survey: &Survey) -> Option<String> {
    let is_gateway = |exchange: &&Exchange| {
        endpoint(exchange) == Endpoint::Messages
            && (provider(exchange) == Provider::Gateway || Route::of(exchange).host == MADE_UP_HOST)
    };
    survey.exchanges().iter().find(is_gateway).map(|exchange| Route::of(exchange).host)
}

fn bedrock(asked: &Exchange) -> Option<Vec<(String, String)>> {
    let region = asked.request.host.as_str().strip_prefix(BEDROCK.0)?.strip_suffix(BEDROCK.1)?;
    let with_key = asked.credentials.iter().any(|sent| sent.credential.kind == Kind::BedrockKey);
    let mut variables = vec![("CLAUDE_CODE_USE_BEDROCK", "1"), ("AWS_REGION", region)];
    if with_key {
        variables.push(("AWS_BEARER_TOKEN_BEDROCK", "ABSKFAKE0123456789abcdefghijklmnopqrstuvwxyz"));
    } else {
        variables.extend([
            ("AWS_ACCESS_KEY_ID", "ASIAFAKEFAKEFAKEFAKE"),
            ("AWS_SECRET_ACCESS_KEY", "FAKE/of/nobody/0123456789abcdefghijklmn"),
            ("AWS_SESSION_TOKEN", "FAKE-session-of-nobody-0123456789"),
        ]);
    }
    Some(variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn mcp_server(survey: &Survey) -> Option<McpServer> {
    let of_mcp = |exchange: &&Exchange| provider(exchange) == Provider::Mcp && endpoint(exchange) == Endpoint::Other;
    let asked = survey.exchanges().iter().find(of_mcp)?;
    let route = Route::of(asked);
    let path = if route.is_wide() { "/mcp" } else { route.path.as_str() };
    let sends = asked.credentials.iter().any(|sent| sent.place == *"authorization");
    let token = sends.then(|| "FAKE-token-of-an-mcp-server-0123456789".to_owned());
    Some(McpServer { url: format!("https://{}{path}", route.host), token })
}
