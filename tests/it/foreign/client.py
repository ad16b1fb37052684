"""One client process: sends each request that it reads, a line of JSON, and writes the answer as one.

Arguments: the proxy's URL and the file of the certificates to trust.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

proxy, trusted = sys.argv[1:]
opener = urllib.request.build_opener(
    urllib.request.ProxyHandler({"https": proxy}),
    urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=trusted)),
)
for line in sys.stdin:
    asked = json.loads(line)
    headers = {"content-type": "application/json", **asked["headers"]}
    request = urllib.request.Request(asked["url"], json.dumps(asked["body"]).encode(), headers)
    try:
        answer = opener.open(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        print(json.dumps({"status": answer.status, "body": json.loads(answer.read())}), flush=True)
