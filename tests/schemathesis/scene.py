"""Prepares a visit in progress: an active consultation, a prescription that a
pharmacist approved, a paid order. Without it the lists are empty, and the
operations that follow from their items are never tried.
"""

import uuid

import requests

from people import PEOPLE, STAFF


def call(role, method, path, body=None):
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Authorization": f"Bearer {PEOPLE.token(role)}"}
    answer = requests.request(method, PEOPLE.base + path, json=body, headers=headers, timeout=40)
    if not answer.ok:
        raise RuntimeError(f"{method} {path} as {role}: {answer.status_code} {answer.text}")
    return answer.json()


def pin(role):
    return {"pin": PEOPLE.ready[role]["signing_pin"]}


def open_window(role):
    """Opens the signing window; on a busy machine the code's time step may pass before it arrives."""
    for last in (False, False, True):
        try:
            return call(role, "POST", "/api/v1/session/signing-window", {"totp": PEOPLE.code(role)})
        except RuntimeError:
            if last:
                raise
    return None


def play():
    """Carries out the visit up to the paid order; returns the ids of the staff involved."""
    guests = {call(role, "GET", "/api/v1/session")["staff"]["id"] for role in STAFF}
    complaint = {"complaint": "喉咙痛三天", "lane": "follow_up_with_evidence"}
    consultation = call("worker", "POST", "/api/v1/consultations", complaint)["id"]
    call("doctor", "PUT", "/api/v1/duty", {"presence": "available"})
    offer = next(
        offer
        for _ in range(6)
        for offer in call("doctor", "GET", "/api/v1/offers?wait=10")["items"]
    )
    call("doctor", "POST", f"/api/v1/offers/{offer['id']}/accept", {"fence": offer["fence"], **pin("doctor")})
    call("worker", "POST", f"/api/v1/consultations/{consultation}/messages", {"text": "喉咙痛。"})
    line = {"product_code": "PCM-T500", "dose_units_thousandths": 1000, "times_per_day": 3, "days": 3}
    draft = {"lines": [line], "diagnoses": [{"code": "J00", "name": "普通感冒"}], "kind": "ordinary"}
    drug = call("doctor", "POST", f"/api/v1/consultations/{consultation}/prescriptions", draft)["id"]
    open_window("doctor")
    # In the last hours of a day in Shanghai a longer validity must be given.
    call("doctor", "POST", f"/api/v1/prescriptions/{drug}/sign", {"valid_days": 2, **pin("doctor")})
    open_window("pharmacist")
    call("pharmacist", "POST", f"/api/v1/prescriptions/{drug}/approve", pin("pharmacist"))
    order = call("worker", "POST", "/api/v1/orders", {"prescription_id": drug})["id"]
    call("worker", "POST", f"/api/v1/orders/{order}/pay", {"method": "subsidy"})
    return guests
