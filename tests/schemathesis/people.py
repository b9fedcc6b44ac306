"""The people and devices of the demonstration: how each signs in and renews its token.

Access tokens live five minutes. Staff sign in with a one-time code, of which
each 30-second step is valid once, and renew with a refresh token. Devices send
an assertion signed with their key. The worker checks in at the station.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import threading
import time
import uuid

import requests
from cryptography.hazmat.primitives.serialization import load_der_private_key

# A token that expires within this many seconds is renewed before use.
EARLY = 60
STAFF = ("operator", "doctor", "pharmacist", "restocker", "employer")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header, payload):
    parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, payload)]
    return ".".join(b64(part) for part in parts)


class People:
    """All people and devices in the ready file."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.ready = json.load(file)
        self.base = self.ready["base_url"].rstrip("/")
        self.tokens = {}
        self.refresh = {}
        self.steps = {}
        self.epochs = {}
        self.check_in = None
        self.lock = threading.RLock()
        self.keys = {
            name: load_der_private_key(base64.b64decode(self.ready[name]["private_key"]), None)
            for name in ("station", "cabinet")
        }

    def post(self, path, body, token=None, signs=None):
        """Sends a POST; `signs` is the device that signs it, where a signature is needed."""
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        sent = json.dumps(body).encode()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if signs:
            headers["Waystation-Signature"] = self.signature(signs, "POST", path, sent, headers)
        answer = requests.post(self.base + path, data=sent, headers=headers, timeout=20)
        if not answer.ok:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
        return answer.json()

    def token(self, role):
        """A token of this role that is valid for at least EARLY seconds."""
        with self.lock:
            token, until = self.tokens.get(role, (None, 0))
            if time.time() + EARLY > until:
                token, life = self.fresh(role)
                self.tokens[role] = (token, time.time() + life)
            return token

    def forget(self, role):
        """Drops the tokens of this role, so that the next one is fresh."""
        with self.lock:
            self.tokens.pop(role, None)
            self.refresh.pop(role, None)

    def fresh(self, role):
        if role in STAFF:
            answer = self.staff(role)
            self.refresh[role] = answer["refresh_token"]
        elif role == "worker":
            answer = self.worker()
        else:
            answer = self.post("/api/v1/tokens/device", {"client_assertion": self.assertion(role)})
            self.epochs[role] = answer["epoch"]
        return answer["access_token"], answer["expires_in"]

    def staff(self, role):
        known = self.refresh.pop(role, None)
        if known:
            try:
                return self.post("/api/v1/tokens/refresh", {"refresh_token": known})
            except RuntimeError:
                pass
        person = self.ready[role]
        for last in (False, False, True):
            body = {"email": person["email"], "password": person["password"], "totp": self.code(role)}
            try:
                return self.post("/api/v1/tokens/staff", body)
            except RuntimeError:
                # On a busy machine the code's time step may pass before it arrives.
                if last:
                    raise
        return None

    def worker(self):
        station = self.token("station")
        if self.check_in and "worker" in self.tokens:
            try:
                return self.post(f"/api/v1/check-ins/{self.check_in}/token", {}, station, "station")
            except RuntimeError:
                pass
        opened = self.post("/api/v1/check-ins", self.ready["worker"], station, "station")
        self.check_in = opened["check_in"]["id"]
        return opened

    def code(self, role, wait=True):
        """A one-time code of an unused time step; None if it would have to wait and may not."""
        with self.lock:
            while True:
                now = int(time.time()) // 30
                step = max(now, self.steps.get(role, 0) + 1)
                if step <= now + 1:
                    self.steps[role] = step
                    return totp(self.ready[role]["totp_secret"], step)
                if not wait:
                    return None
                time.sleep(1)

    def assertion(self, role):
        device = self.ready[role]["device_id"]
        now = int(time.time())
        header = {"alg": "EdDSA", "typ": "client-auth+jwt", "kid": device}
        payload = {
            "iss": device,
            "sub": device,
            "aud": self.base + "/api/v1/tokens/device",
            "iat": now,
            "nbf": now,
            "exp": now + 60,
            "jti": uuid.uuid4().hex,
        }
        text = compact(header, payload)
        return f"{text}.{b64(self.keys[role].sign(text.encode()))}"

    def signature(self, role, method, path, body, headers):
        """The detached JWS over a request with which a device changes something. A screen's
        also covers the access token and the idempotency key of the request."""
        header = {"alg": "EdDSA", "typ": "request+jws", "kid": self.ready[role]["device_id"]}
        head = b64(json.dumps(header, separators=(",", ":")).encode())
        lines = ["waystation-request-v1", method, path, hexed(body)]
        if role == "station":
            token = text_of(headers.get("Authorization")).removeprefix("Bearer ")
            key = text_of(headers.get("Idempotency-Key"))
            lines[0] = "waystation-request-v2"
            lines += [hexed(token.encode()), hexed(key.encode("latin-1", "replace"))]
        signed = self.keys[role].sign(f"{head}.{b64(chr(10).join(lines).encode())}".encode())
        return f"{head}..{b64(signed)}"


def hexed(data):
    return hashlib.sha256(data).hexdigest()


def text_of(value):
    """A header as text; it may be missing, or bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""


def totp(secret, step):
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


PEOPLE = People(os.environ["WAYSTATION_READY_FILE"])
