#!/usr/bin/env python3
"""Stands for your tool in the examples beside it: asks for one message with the login that it finds in its home, and renews
it once if it has run out or is refused. Nothing of it is about authtrace: the environment says where the proxy is and whom to
trust."""

import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request

LOGIN = os.path.expanduser("~/.claude/.credentials.json")
CLIENT_ID = "FAKE-client-of-this-example"


def ask(url, body, headers):
    headers = {"content-type": "application/json", **headers}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def message(login):
    body = {"model": "claude-sonnet-4-5", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
    headers = {
        "authorization": "Bearer " + login["accessToken"],
        "anthropic-version": "2023-06-01",
        "anthropic-beta": "oauth-2025-04-20",
    }
    return ask("https://api.anthropic.com/v1/messages", body, headers)


def renewed(login):
    body = {"grant_type": "refresh_token", "refresh_token": login["refreshToken"], "client_id": CLIENT_ID}
    status, answer = ask("https://platform.claude.com/v1/oauth/token", body, {})
    if status != 200:
        sys.exit(f"cannot renew the login: {status}; log in again")
    token = json.loads(answer)
    expires = int((time.time() + token["expires_in"]) * 1000)
    return {**login, "accessToken": token["access_token"], "refreshToken": token["refresh_token"], "expiresAt": expires}


def keep(login):
    """At once: who reads it meanwhile finds the old one or the new one."""
    with open(LOGIN) as file:
        content = json.load(file)
    content["claudeAiOauth"] = login
    handle, path = tempfile.mkstemp(dir=os.path.dirname(LOGIN))
    with os.fdopen(handle, "w") as file:
        json.dump(content, file)
    os.replace(path, LOGIN)


def main():
    with open(LOGIN) as file:
        login = json.load(file)["claudeAiOauth"]
    if login["expiresAt"] <= time.time() * 1000:
        login = renewed(login)
        keep(login)
    status, answer = message(login)
    if status == 401:
        login = renewed(login)
        keep(login)
        status, answer = message(login)
    if status != 200:
        sys.exit(f"the message was refused: {status}")
    sys.stdout.write("answered\n")


main()
