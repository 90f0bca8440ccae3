"""A mail server that wants STARTTLS and a password. It says its port, then a line of JSON for
each message, and ends with its standard input."""
import base64, json, ssl, sys
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

cert, key, password = sys.argv[1:]


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        print(json.dumps(dict(
            to=envelope.rcpt_tos, tls=session.ssl is not None, user=session.auth_data.login.decode(),
            data=base64.b64encode(envelope.content).decode())), flush=True)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    return AuthResult(success=data.password.decode() == password, auth_data=data)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(cert, key)


class AnyPort(Controller):
    def _trigger_server(self):  # connects to the port once
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


controller = AnyPort(
    Handler(), hostname="127.0.0.1", port=0, tls_context=context, require_starttls=True, auth_required=True,
    authenticator=authenticate)
controller.start()
print(controller.port, flush=True)
sys.stdin.read()
controller.stop()
