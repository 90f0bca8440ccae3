"""Reads messages (a JSON list of base64) from standard input and says what it found, as JSON."""
import base64, email, email.policy, html.parser, json, sys


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.hrefs, self.tags, self.shown = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.hrefs += [v for k, v in attrs if k in ("href", "src", "action")]

    def handle_data(self, data):
        self.shown += data


out = []
for raw in json.load(sys.stdin):
    m = email.message_from_bytes(base64.b64decode(raw), policy=email.policy.default)
    defects = [repr(d) for part in m.walk() for d in part.defects]
    defects += [f"{k}: {d!r}" for k, v in m.items() for d in getattr(v, "defects", [])]
    if m.get_body(("plain",)) is None:
        sys.exit(f"there is no text in {base64.b64decode(raw)!r}")
    text = m.get_body(("plain",)).get_content().replace("\r\n", "\n")
    page = Page()
    page.feed(m.get_body(("html",)).get_content())
    out.append(dict(
        headers=[[k, str(v).strip()] for k, v in m.items()], text=text, html=m.get_body(("html",)).get_content(),
        parts=[p.get_content_type() for p in m.walk()], defects=defects, names=[a.display_name for a in m["From"].addresses],
        hrefs=page.hrefs, tags=page.tags, shown=page.shown))
json.dump(out, sys.stdout)
