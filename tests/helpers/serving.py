"""A server of files on this machine that can be made to fail, for the tests of downloads."""

import gzip
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """`files` are served by name; the lists are used up, one entry a request.

    Attributes:
        asked: name, Range and If-Range of each request.
        encodings: what each request would accept.
        answers: status codes to answer with instead; 0 for the file.
        cuts: close the connection after so many bytes; None for all.
        etag, ranges: what is sent as ETag, and whether parts can be had.
        pause: s after each 64 KiB.
        length: whether the length of the answer is sent.
        most: the longest part that is sent at once, as a server may.
        shift: how much too late a part begins.
        packing: what is sent as Content-Encoding; "gzip" also packs the files, except those whose
            name ends with .gz.
        kind: what is sent as Content-Type.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.answers, self.cuts = {}, [], [], []
        self.etag, self.modified, self.ranges, self.pause, self.length = (
            '"one"',
            None,
            True,
            0.0,
            True,
        )
        self.encodings, self.most, self.shift = [], None, 0
        self.packing, self.kind = None, None

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def parts(self, name):
        """The ranges asked for of one file, None for all of it."""
        return [begin for asked, begin, _ in self.asked if asked == name]

    def handle_error(self, request, client_address):
        pass  # a client that goes away is what is tested


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.lstrip("/")
        begin, if_range = self.headers.get("Range"), self.headers.get("If-Range")
        server.asked.append((name, begin, if_range))
        server.encodings.append(self.headers.get("Accept-Encoding"))
        status = server.answers.pop(0) if server.answers else 0
        if not status and name not in server.files:
            status = 404
        if status == 202:  # as a server that wants a browser to prove itself
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if status:
            self.send_error(status)
            return
        content = server.files[name]
        if server.packing == "gzip" and not name.endswith(".gz"):
            content = gzip.compress(content, mtime=0)
        start, end = 0, len(content)
        if begin and server.ranges and if_range in (None, server.etag, server.modified):
            start = int(begin.removeprefix("bytes=").removesuffix("-")) + server.shift
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            end = len(content) if server.most is None else min(len(content), start + server.most)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.length:
            self.send_header("Content-Length", str(end - start))
        for header, value in (
            ("ETag", server.etag),
            ("Last-Modified", server.modified),
            ("Content-Encoding", server.packing),
            ("Content-Type", server.kind),
        ):
            if value:
                self.send_header(header, value)
        self.end_headers()
        rest = content[start:end]
        cut = server.cuts.pop(0) if server.cuts else None
        for first in range(0, len(rest[:cut]), 1 << 16):
            self.wfile.write(rest[:cut][first : first + (1 << 16)])
            time.sleep(server.pause)

    def log_message(self, *arguments):
        pass


@contextmanager
def serving():
    with Server() as server:
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        yield server
        server.shutdown()
        thread.join()
