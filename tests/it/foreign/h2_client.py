"""An HTTP/2 client on python-hyper's h2. Arguments: proxy port, CA file, host, a JSON list of requests that are sent at
once on one connection. Prints what came back as one JSON line."""

import hashlib
import json
import socket
import ssl
import sys
import time

import h2.config
import h2.connection
import h2.events


def tunnel(port, host):
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 200 "), head
    return sock


# Streams that are open at a GOAWAY go on (RFC 9113 §6.8); h2 would take the connection for closed.
OPEN = h2.connection.ConnectionState.CLIENT_OPEN
h2.connection.H2ConnectionStateMachine._transitions[
    (OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY)] = (None, OPEN)


class Client:
    def __init__(self, sock, host):
        self.sock = sock
        self.host = host
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False))
        self.h2.initiate_connection()
        self.streams = {}
        self.sending = {}
        self.goaway = None
        self.end = None
        self.until_end = False
        self.pause = 0
        self.behind = b""

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def ask(self, request):
        stream_id = self.h2.get_next_available_stream_id()
        fields = [(":method", request.get("method", "GET")), (":scheme", "https"),
                  (":authority", request.get("authority", self.host)), (":path", request["path"])]
        fields = [field for field in fields if field[1] is not None]
        fields += [(name, value.encode("latin-1")) for name, value in request.get("fields", [])]
        self.until_end |= request.get("until_end", False)
        self.pause = max(self.pause, request.get("pause", 0))
        self.behind += bytes.fromhex(request.get("behind", ""))
        size, trailers = request.get("body", 0), request.get("trailers")
        self.h2.send_headers(stream_id, fields, end_stream=size == 0 and trailers is None)
        self.streams[stream_id] = {"fields": None, "bytes": 0, "hash": hashlib.sha256(), "text": b"", "trailers": [],
                                   "reset": None, "done": False, "cancel": request.get("cancel"),
                                   "unread": request.get("unread", False)}
        if size or trailers is not None:
            self.sending[stream_id] = (b"y" * size, trailers)
            self.pump(stream_id)

    def pump(self, stream_id):
        body, trailers = self.sending[stream_id]
        while body:
            window = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(body))
            if window <= 0:
                self.sending[stream_id] = (body, trailers)
                return
            self.h2.send_data(stream_id, body[:window])
            body = body[window:]
        del self.sending[stream_id]
        if trailers is None:
            self.h2.end_stream(stream_id)
        else:
            self.h2.send_headers(stream_id, [tuple(field) for field in trailers], end_stream=True)

    def run(self):
        self.flush()
        self.sock.sendall(self.behind)
        time.sleep(self.pause)
        while self.until_end or not all(stream["done"] or stream["unread"] for stream in self.streams.values()):
            try:
                data = self.sock.recv(65536)
            except OSError:
                data = b""
            if not data:
                # OpenSSL's callers are not always told of a reset; the kernel knows: TCP_CLOSE (7) after one,
                # TCP_CLOSE_WAIT after a FIN.
                state = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
                self.end = "reset" if state == 7 else "closed"
                break
            for event in self.h2.receive_data(data):
                self.handle(event)
            try:
                self.flush()
            except OSError:
                continue  # how it ended, the next read tells

    def handle(self, event):
        stream = self.streams.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            stream["fields"] = pairs(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            stream["bytes"] += len(event.data)
            stream["hash"].update(event.data)
            if stream["bytes"] < 65536:
                stream["text"] += event.data
            if not stream["unread"]:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if stream["cancel"] is not None:
                self.h2.reset_stream(event.stream_id, stream["cancel"])
                stream["done"] = True
        elif isinstance(event, h2.events.TrailersReceived):
            stream["trailers"] = pairs(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            stream["done"] = True
        elif isinstance(event, h2.events.StreamReset):
            stream["reset"] = int(event.error_code)
            stream["done"] = True
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = int(event.error_code)
        elif isinstance(event, h2.events.WindowUpdated):
            for stream_id in list(self.sending):
                self.pump(stream_id)


def pairs(fields):
    return [[bytes(name).decode("latin-1"), bytes(value).decode("latin-1")] for name, value in fields]


def main():
    port, ca, host, requests = int(sys.argv[1]), sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    sock = context.wrap_socket(tunnel(port, host), server_hostname=host)
    assert sock.selected_alpn_protocol() == "h2", sock.selected_alpn_protocol()
    client = Client(sock, host)
    # Streams alone are to be short of room.
    client.h2.increment_flow_control_window(2**30)
    for request in requests:
        client.ask(request)
    client.run()
    answers = []
    for _, stream in sorted(client.streams.items()):
        answers.append({"fields": stream["fields"], "bytes": stream["bytes"], "sha256": stream["hash"].hexdigest(),
                        "text": stream["text"].decode("latin-1"), "trailers": stream["trailers"],
                        "reset": stream["reset"]})
    print(json.dumps({"answers": answers, "goaway": client.goaway, "end": client.end}), flush=True)
    if client.end is None:
        client.h2.close_connection()
        try:
            client.flush()
            sock.unwrap()
        except OSError:
            pass  # the other side was faster
    sock.close()


main()
