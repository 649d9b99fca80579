"""A client as plain as can be, so that what a test sees is what the emulator sent."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from urllib.parse import urlencode, urlsplit

KEYS = {"messaging": "demo-key", "dixa": "demo-token"}
FORM = "application/x-www-form-urlencoded"


class Plain:
    """Asks an emulator over connections of its own, with the right credentials unless told."""

    def __init__(self, server, credential=None):
        self.origin = server.url
        self.credential = credential or KEYS.get(server.name) or self._token()

    def _token(self):
        status, _, body = post_token(self.origin)
        assert status == 200
        return json.loads(body)["access_token"]

    def raw(self, url, **headers):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc or urlsplit(self.origin).netloc)
        try:
            named = {"Authorization": f"Bearer {self.credential}", **headers}
            path = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request("GET", path, headers=named)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path, **query):
        url = f"{path}?{urlencode(query)}" if query else path
        status, _, body = self.raw(url)
        assert status == 200, (status, body)
        return json.loads(body)

    def linked(self, path, key, **query):
        """Walk pages by `links.next_page.href`."""
        found, link = [], f"{path}?{urlencode(query)}"
        while link:
            page = self.get(link)
            found += page[key]
            link = ((page["links"].get("next_page")) or {}).get("href")
        return found

    def numbered(self, path, key, limit):
        """Walk pages by number until one is empty."""
        found, number = [], 1
        while page := self.get(path, page=number, limit=limit)[key]:
            found += page
            number += 1
        return found

    def offsets(self, path, key, limit, **query):
        """Walk pages by offset until one is empty."""
        found = []
        while page := self.get(path, offset=len(found), limit=limit, **query)[key]:
            found += page
        return found


def post(origin, path, body="", **headers):
    connection = http.client.HTTPConnection(urlsplit(origin).netloc)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def post_token(origin, ident="demo-client", secret="demo-secret", *, basic=False):
    """Ask for a token, with the client's credentials in the form or in the header."""
    form = {"grant_type": "client_credentials"}
    headers = {"Content-Type": FORM}
    if basic:
        headers["Authorization"] = f"Basic {b64encode(f'{ident}:{secret}'.encode()).decode()}"
    else:
        form |= {"client_id": ident, "client_secret": secret}
    return post(origin, "/oauth/token", urlencode(form), **headers)
