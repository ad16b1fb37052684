"""An HTTP/2 server on python-hyper's h2: what it does, the path says. Prints its port, then one JSON line per event."""

import hashlib
import json
import socket
import ssl
import struct
import sys
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import hyperframe.frame


def say(**event):
    print(json.dumps(event), flush=True)


class Connection:
    def __init__(self, sock):
        self.sock = sock
        config = h2.config.H2Configuration(client_side=False, header_encoding=None,
                                           normalize_inbound_headers=False, normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.streams = {}
        self.waiting = {}

    def run(self):
        self.h2.initiate_connection()
        self.flush()
        while True:
            try:
                data = self.sock.recv(65536)
            except OSError as error:
                say(event="broken", kind=type(error).__name__)
                return
            if not data:
                say(event="closed")
                return
            for event in self.h2.receive_data(data):
                self.handle(event)
            self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            stream = {"fields": pairs(event.headers), "hash": hashlib.sha256(), "bytes": 0, "trailers": []}
            self.streams[event.stream_id] = stream
            self.act_early(event.stream_id, dict(event.headers)[b":path"].decode())
        elif isinstance(event, h2.events.DataReceived):
            stream = self.streams[event.stream_id]
            stream["hash"].update(event.data)
            stream["bytes"] += len(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            self.streams[event.stream_id]["trailers"] = pairs(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            path = dict(self.streams[event.stream_id]["fields"])[":path"]
            self.act(event.stream_id, path)
        elif isinstance(event, h2.events.StreamReset):
            say(event="reset", code=int(event.error_code))
        elif isinstance(event, h2.events.WindowUpdated):
            for stream_id in list(self.waiting):
                self.pump(stream_id)

    def act_early(self, stream_id, path):
        what, _, argument = path.partition("?")[0].strip("/").partition("/")
        if what == "reset-at-once":
            self.h2.reset_stream(stream_id, int(argument))

    def act(self, stream_id, path):
        what, _, argument = path.partition("?")[0].strip("/").partition("/")
        if what == "echo":
            stream = self.streams[stream_id]
            told = {"fields": stream["fields"], "bytes": stream["bytes"], "sha256": stream["hash"].hexdigest(),
                    "trailers": stream["trailers"]}
            fields = [(":status", "207"), ("x-repeated", "one"), ("x-between", ""), ("x-repeated", "two"),
                      ("set-cookie", "a=FAKE"), ("set-cookie", "b=FAKE"), ("x-high", b"caf\xe9")]
            self.h2.send_headers(stream_id, fields)
            self.send(stream_id, json.dumps(told).encode(), [("x-checksum", "abc"), ("x-checksum", "def")])
        elif what == "large":
            self.h2.send_headers(stream_id, [(":status", "200")])
            self.send(stream_id, b"x" * int(argument), None)
        elif what == "status":
            self.h2.send_headers(stream_id, [(":status", argument), ("content-length", "5")], end_stream=True)
        elif what == "reset":
            self.h2.send_headers(stream_id, [(":status", "200")])
            self.h2.send_data(stream_id, b"part")
            self.h2.reset_stream(stream_id, int(argument))
        elif what == "goaway":
            self.h2.close_connection(int(argument))
            self.flush()
            self.sock.close()
        elif what == "drain":
            self.h2.send_headers(stream_id, [(":status", "200")])
            self.h2.send_data(stream_id, b"before")
            self.flush()
            # Not by h2, which would not let the stream go on.
            self.sock.sendall(hyperframe.frame.GoAwayFrame(last_stream_id=stream_id).serialize())
            time.sleep(float(argument))
            self.h2.send_data(stream_id, b" and after", end_stream=True)
        elif what == "last":
            self.h2.send_headers(stream_id, [(":status", "200")])
            self.send(stream_id, b"x" * int(argument), None)
            self.flush()
            self.sock.unwrap()
        elif what == "tcp-reset":
            self.h2.send_headers(stream_id, [(":status", "200")])
            self.h2.send_data(stream_id, b"part")
            self.flush()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.detach_and_close()
        elif what == "break-rules":
            # A PING of one byte (RFC 9113 §6.7).
            self.sock.sendall(bytes.fromhex("000001060000000000" "00"))
        elif what == "hang":
            self.h2.send_headers(stream_id, [(":status", "200"), ("content-type", "text/event-stream")])
            self.h2.send_data(stream_id, b"event: ping\ndata: {}\n\n")

    def send(self, stream_id, body, trailers):
        self.waiting[stream_id] = (body, trailers)
        self.pump(stream_id)

    def pump(self, stream_id):
        body, trailers = self.waiting[stream_id]
        while body:
            window = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size, len(body))
            if window <= 0:
                self.waiting[stream_id] = (body, trailers)
                return
            self.h2.send_data(stream_id, body[:window])
            body = body[window:]
            self.flush()
        del self.waiting[stream_id]
        if trailers is None:
            self.h2.end_stream(stream_id)
        else:
            self.h2.send_headers(stream_id, trailers, end_stream=True)


def pairs(fields):
    return [[bytes(name).decode("latin-1"), bytes(value).decode("latin-1")] for name, value in fields]


class Socket(ssl.SSLSocket):
    def detach_and_close(self):
        # Not SSL_shutdown: nothing but the reset is to be sent.
        socket.socket(fileno=self.detach()).close()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = Socket
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(context, sock), daemon=True).start()


def serve(context, sock):
    try:
        sock = context.wrap_socket(sock, server_side=True)
    except OSError:
        return
    say(event="connected")
    Connection(sock).run()


main()
