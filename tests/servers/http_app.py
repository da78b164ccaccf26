"""A server for the tests, as source text."""

#: a server of the standard library alone, which starts in a tenth of the time that Flask takes
SERVER = """\
import json, os, signal, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer(self, json.loads(body) if self.path == "/event-invoke" else body.decode())

    def do_GET(self):
        answer(self, None)

    def reply(self, status, body, kind="application/json", headers=()):
        data = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

def answer(request, event):
    request.reply(200, json.dumps({"event": event, "path": request.path, "headers": dict(request.headers)}))

"""
RUN = """
if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 9000), Handler).serve_forever()
"""
