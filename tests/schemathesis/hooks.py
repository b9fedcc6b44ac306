"""What Schemathesis cannot know: who may call what, and what people hold in
their heads and machines in their keys. Only requests that are meant to be
good are helped along; what is meant to be bad goes out as it was made.
"""

import re
import sys
import unicodedata
import uuid
from pathlib import Path

import schemathesis
from requests.auth import AuthBase

sys.path.insert(0, str(Path(__file__).parent))
from people import PEOPLE  # noqa: E402
from scene import play  # noqa: E402

GUESTS = play()

# Where several roles may call, the first of these does. The restocker is last:
# signing out is theirs, so that nobody else is signed out.
GUESTS_STAY = (
    "post_staff_id_disable",
    "put_staff_id",
    "post_staff_id_email",
    "post_staff_id_authenticator_reset_approve",
    "post_devices_id_revoke",
)
ORDER = ("doctor", "worker", "pharmacist", "operator", "station", "cabinet", "employer", "restocker")
# A token of these is good for nothing any more: somebody signed out, or checked in anew.
ENDED = ("session_ended", "check_in_ended", "token_expired", "token_invalid", "device_revoked")
# Operations that only the restocker tries, because they end a session.
ENDS_SESSION = "post_session_sign_out"


def role_of(case):
    """As whom an operation is called; None where anybody may."""
    definition = case.operation.definition.raw
    roles = {name for any_of in definition.get("security", []) for name in any_of}
    if not roles:
        return None
    if definition["operationId"] == ENDS_SESSION:
        return "restocker"
    return next(role for role in ORDER if role in roles)


@schemathesis.auth(cache_by_key=lambda case, context: role_of(case), refresh_interval=None)
class Tokens:
    def get(self, case, context):
        role = role_of(case)
        return PEOPLE.token(role) if role else None

    def set(self, case, data, context):
        if data:
            case.headers["Authorization"] = f"Bearer {data}"


class Signature(AuthBase):
    """Signs a request as the device that sends it, when its bytes are known."""

    def __init__(self, role):
        self.role = role

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        signed = PEOPLE.signature(self.role, request.method, request.path_url, body, request.headers)
        request.headers["Waystation-Signature"] = signed
        return request


def is_meant_well(case):
    """Whether a request is made to be taken."""
    meta = case.meta
    return meta is None or meta.generation.mode.is_positive


# No text may hide anything; which characters do, no schema can say. The Rust tests try them.
HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufffc\ufe00-\ufe0f"
                   "\U00016fe4\U0001d159\U000e0100-\U000e01ef]")


def seen(value):
    """The same without what hides."""
    if isinstance(value, str):
        plain = (char if char == "\n" or unicodedata.category(char) not in HIDDEN else "x" for char in value)
        return BLANK.sub("x", "".join(plain))
    if isinstance(value, list):
        return [seen(item) for item in value]
    if isinstance(value, dict):
        return {name: seen(item) for name, item in value.items()}
    return value


def signing_pin(role):
    return PEOPLE.ready[role]["signing_pin"]


def known_by_heart(case):
    """The card, PIN or code that somebody has in their head or hand."""
    name = case.operation.definition.raw["operationId"]
    body = case.body
    if not isinstance(body, dict):
        return
    if name == "post_check_ins":
        body.update(PEOPLE.ready["worker"])
    elif name in ("post_prescriptions_id_sign", "post_offers_id_accept"):
        body["pin"] = signing_pin("doctor")
    elif name == "post_prescriptions_id_approve":
        body["pin"] = signing_pin("pharmacist")
    elif name in ("post_cabinet_v1_hello", "post_cabinet_v1_events"):
        body["epoch"] = PEOPLE.epochs.get("cabinet", 1)
    elif name == "post_tokens_device":
        body["client_assertion"] = PEOPLE.assertion("station")
    elif name == "post_session_signing_window":
        code = PEOPLE.code("doctor", wait=False)
        if code:
            body["totp"] = code


@schemathesis.hook
def before_call(context, case, kwargs):
    definition = case.operation.definition.raw
    name = definition["operationId"]
    if "Authorization" in case.headers and role_of(case):
        # A token may have been renewed since it was put here.
        if case.headers["Authorization"].startswith("Bearer ey"):
            case.headers["Authorization"] = f"Bearer {PEOPLE.token(role_of(case))}"
    if not is_meant_well(case):
        # Bad input is told before anything is done, but a bad header may come with
        # a good body: nobody is disabled or revoked by one.
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    case.body, case.query = seen(case.body), seen(case.query)
    known_by_heart(case)
    if isinstance(case.query, dict) and isinstance(case.query.get("wait"), int):
        # A long poll is held as long as it asks for: a second is enough here.
        case.query["wait"] = min(case.query["wait"], 1)
    if name in GUESTS_STAY and case.path_parameters:
        # The guests themselves must stay as they are.
        if str(case.path_parameters.get("id")) in protected():
            case.path_parameters["id"] = str(uuid.uuid4())
    if "Waystation-Signature" in case.headers:
        kwargs["auth"] = Signature(role_of(case))


def protected():
    ids = {PEOPLE.ready[device]["device_id"] for device in ("station", "cabinet")}
    return ids | GUESTS


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code != 401:
        return
    try:
        code = response.json().get("code")
    except ValueError:
        return
    sent = response.request.headers.get("Authorization", "")
    role = role_of(case)
    if role and code in ENDED and sent == f"Bearer {PEOPLE.tokens.get(role, ('', 0))[0]}":
        PEOPLE.forget(role)
