"""A server on a free port, which it prints: endless, plain, or secure (DIRECTORY's key.pem and cert.pem)."""
import http.server
import ssl
import sys

kind, directory = sys.argv[1:]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/plain":
            port = open(f"{directory}/target").read().strip()
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{port}/data.tar.gz")
            self.end_headers()
            return
        self.send_response(200)
        if kind == "endless":
            self.end_headers()
            while True:
                self.wfile.write(bytes(1 << 20))
        data = open(f"{directory}/data.tar.gz", "rb").read()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("localhost", 0), Handler)
if kind == "secure":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
