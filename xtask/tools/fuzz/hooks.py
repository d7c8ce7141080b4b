"""Hooks for schemathesis: credentials for each operation, and ids that exist.

Loaded by schemathesis for `cargo xtask fuzz`, which names the stack and the service in the environment. Only
values that were generated as valid are changed: to an id that exists, the current version of a row, a free slot.
"""

import base64
import datetime
import hmac
import itertools
import json
import os
import subprocess
import threading
import time
import uuid

import requests
import schemathesis
from hypothesis import strategies

with open(os.environ["RESTARTIX_STACK"], encoding="utf-8") as file:
    STACK = json.load(file)
SERVICE = os.environ["RESTARTIX_SERVICE"]
CLINIC = STACK["organizations"][0]
SUPERADMIN = STACK["superadmin"]
CORE = STACK["core"]
TELEMETRY = STACK["telemetry"]

# An admin calls every operation that admins may call.
TOKENS = {
    "core": {
        "": CLINIC["tokens"]["admin"],
        # A person that no other case needs: the first call deletes the account.
        "me_delete": STACK["organizations"][1]["tokens"]["patient"],
        "organization_create": STACK["superadmin"],
        # Administrators sign and amend nothing.
        "form_amend": CLINIC["tokens"]["specialist"],
        "form_sign": CLINIC["tokens"]["specialist"],
        "me_form_list": CLINIC["tokens"]["patient"],
        # Only participants can join.
        "video_token_create": CLINIC["tokens"]["patient"],
    },
    "telemetry": {
        "": CLINIC["telemetry_tokens"]["admin"],
        "access_revocation_create": STACK["telemetry_internal_token"],
        "audit_ingest": STACK["telemetry_internal_token"],
        "organization_settings_put": STACK["telemetry_internal_token"],
        "privacy_job_get": STACK["telemetry_internal_token"],
        "privacy_subject_consent_put": STACK["telemetry_internal_token"],
        "privacy_subject_erase": STACK["telemetry_internal_token"],
        "privacy_subject_export": STACK["telemetry_internal_token"],
        "privacy_subject_join": STACK["telemetry_internal_token"],
    },
}[SERVICE]

# Formats that JSON Schema does not know: texts that have the form already.
WORDS = strategies.lists(strategies.text("abcxyzÄéłſßΣж", min_size=1, max_size=12), min_size=1, max_size=6)
for name in ("name", "line", "text"):
    schemathesis.openapi.format(name, WORDS.map(" ".join))
schemathesis.openapi.format("phone", strategies.from_regex(r"\A\+4930[1-9][0-9]{6}\Z"))
schemathesis.openapi.format("idn-email", strategies.from_regex(r"\A[a-zé]{1,20}@[a-z]{1,20}\.example\Z"))

_number = itertools.count(1)
# Reentrant, because creating a shared row may need another one.
_lock = threading.RLock()
_calls: dict[str, int] = {}


def operation_id(case) -> str:
    return case.operation.definition.raw["operationId"]


@schemathesis.auth(refresh_interval=None)
class Caller:
    """The token an operation is called with."""

    def get(self, case, ctx):
        return TOKENS.get(operation_id(case), TOKENS[""])

    def set(self, case, data, ctx):
        case.headers["Authorization"] = f"Bearer {data}"


def call(base: str, token: str, method: str, path: str, **arguments):
    """Make a call that must succeed, because the cases depend on its result."""
    response = requests.request(
        method, base + path, headers={"Authorization": f"Bearer {token}"}, timeout=30, **arguments
    )
    if not response.ok:
        raise RuntimeError(f"{method} {path} answered {response.status_code}: {response.text[:500]}")
    return response.json()


def core(method: str, path: str, body=None):
    return call(CORE, CLINIC["tokens"]["admin"], method, path, json=body)


def slot() -> dict:
    """Return a quarter of an hour without a booking, years ahead."""
    start = datetime.datetime(2031, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=next(_number))
    return {"started_at": start.isoformat(), "ended_at": (start + datetime.timedelta(minutes=15)).isoformat()}


def specialty() -> dict:
    return core("POST", "/v1/specialties", {"name": f"Fuzzed {uuid.uuid4()}"})


def specialist() -> dict:
    return core("POST", "/v1/specialists", {"name": "Dr. Fuzz", "timezone": "Europe/Berlin"})


def patient() -> dict:
    return core("POST", "/v1/patients", {"first_name": "Fuzz", "last_name": f"No {next(_number)}"})


class Once:
    """Rows that many cases share, created when the first case needs them."""

    def __init__(self):
        self.rows: dict[str, dict] = {}

    def __call__(self, make) -> dict:
        with _lock:
            if make.__name__ not in self.rows:
                self.rows[make.__name__] = make()
            return self.rows[make.__name__]


shared = Once()


def appointment() -> dict:
    body = {**slot(), "specialist_id": shared(specialist)["id"], "patient_id": shared(patient)["id"]}
    return core("POST", "/v1/appointments", body)


def video_appointment() -> dict:
    """Create an appointment by video of a patient with a login, in progress during the run."""
    start = datetime.datetime.now(datetime.timezone.utc)
    body = {"started_at": start.isoformat(), "ended_at": (start + datetime.timedelta(hours=3)).isoformat()}
    body |= {"specialist_id": specialist()["id"], "patient_id": shared(own_patient)["id"]}
    made = core("POST", "/v1/appointments", body)
    sql(f"update appointments set modality = 'video' where id = {made['id']}")
    return made


def sql(statements: str) -> str:
    """Run statements as the owner of the database, for states that need another person's consent through the API."""
    psql = [os.path.join(STACK["pg_bin"], "psql"), "-qXAtd", STACK["database_url"], "-v", "ON_ERROR_STOP=1", "-c"]
    return subprocess.run([*psql, statements], check=True, timeout=30, capture_output=True, text=True).stdout.strip()


def worker() -> dict:
    """A specialist who can be booked at any time."""
    row = specialist()
    hours = [{"weekday": day, "starts_at": "00:00", "ends_at": "00:00"} for day in range(1, 8)]
    schedule = {"version": 1, "slot_minutes": 15, "horizon_days": 366, "hours": hours, "exceptions": []}
    core("PUT", f"/v1/specialists/{row['id']}/schedule", schedule)
    return row


def open_slot() -> dict:
    """Return a free slot of the worker, from tomorrow on."""
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today + datetime.timedelta(days=1, minutes=15 * next(_number))
    people = {"specialist_id": shared(worker)["id"], "patient_id": shared(patient)["id"]}
    return {**people, "started_at": start.isoformat()}


def holds_end() -> None:
    """Ends the holds of earlier cases: one person holds fifty slots at most."""
    sql("update appointments set hold_expires_at = now() - interval '1 second' where status = 'held'")


def hold() -> dict:
    holds_end()
    return core("POST", "/v1/appointments/hold", open_slot())


def waiting() -> dict:
    """Create an entry of the waitlist for a slot that never becomes open."""
    return core("POST", "/v1/waitlist", {"specialist_id": shared(specialist)["id"], "patient_id": patient()["id"]})


def offered() -> dict:
    """Create an entry of the waitlist that is offered a slot of the worker, on a day without other bookings."""
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    start = today + datetime.timedelta(days=200, minutes=15 * next(_number))
    who, end = patient()["id"], start + datetime.timedelta(minutes=15)
    body = {"specialist_id": shared(worker)["id"], "patient_id": who}
    core("POST", "/v1/waitlist", {**body, "requested_from": start.isoformat(), "requested_to": end.isoformat()})
    for _ in range(100):
        entry = core("GET", f"/v1/waitlist?patient_id={who}")["data"][0]
        if entry["status"] == "offered":
            return entry
        time.sleep(0.1)
    raise RuntimeError("the open slot was not offered within ten seconds")


def confirmed() -> dict:
    return core("POST", f"/v1/appointments/{appointment()['id']}/confirm")


def started() -> dict:
    return core("POST", f"/v1/appointments/{confirmed()['id']}/start")


def series_body() -> dict:
    """Return two appointments, a week apart, that overlap no others."""
    start = datetime.datetime(2032, 1, 5, tzinfo=datetime.timezone.utc) + datetime.timedelta(minutes=5 * next(_number))
    times = {"started_at": start.isoformat(), "ended_at": (start + datetime.timedelta(minutes=5)).isoformat()}
    people = {"specialist_id": specialist()["id"], "patient_id": patient()["id"]}
    return {**times, **people, "recurrence": {"frequency": "weekly", "count": 2}}


def series() -> dict:
    return core("POST", "/v1/appointment-series", series_body())["series"]


# These change the state of an appointment, of an entry of the waitlist, of a form or of its template, so each call
# needs its own.
ADVANCE = (
    "appointment_cancel",
    "appointment_confirm",
    "appointment_start",
    "appointment_complete",
    "appointment_no_show",
    "appointment_reschedule",
    "appointment_series_cancel",
    "waitlist_entry_accept",
    "form_template_publish",
    "form_submit",
    "form_sign",
    "form_amend",
    "form_void",
    "form_migrate",
)


def appointment_template() -> dict:
    body = {"name": f"Fuzzed {uuid.uuid4()}", "duration_minutes": 45, "modality": "in_person"}
    return core("POST", "/v1/appointment-templates", body)


def form_definition(label: str) -> dict:
    """Return a definition of one optional field."""
    field = {"field_type": "scale", "label": label, "phi": True}
    section = {"key": "today", "label": "Today", "items": [{"key": "pain", "field": {"definition": field}}]}
    return {"language": "en", "sections": [section]}


def form_template() -> dict:
    """Create a form template whose draft can be published."""
    body = {"name": f"Fuzzed {uuid.uuid4()}", "definition": form_definition("Pain")}
    return core("POST", "/v1/form-templates", body)


def published_form_template() -> dict:
    """Create a form template with one version."""
    row = form_template()
    core("POST", f"/v1/form-templates/{row['id']}/publish", {"version": row["version"]})
    return row


def treated() -> dict:
    """Create a patient whom the clinic's specialist treats."""
    row, me = patient(), call(CORE, CLINIC["tokens"]["specialist"], "GET", "/v1/me")
    core("POST", "/v1/appointments", {**slot(), "specialist_id": me["specialist_id"], "patient_id": row["id"]})
    return row


def form_of(template: dict) -> dict:
    body = {"form_template_id": template["id"], "patient_id": shared(treated)["id"]}
    return core("POST", "/v1/forms", body)


def form() -> dict:
    """Create a draft of a form, which can be submitted as it is."""
    return form_of(shared(published_form_template))


def submitted_form() -> dict:
    row = form()
    return core("POST", f"/v1/forms/{row['id']}/submit", {"version": row["version"]})


def signed_form() -> dict:
    row, token = submitted_form(), CLINIC["tokens"]["specialist"]
    body = {"version": row["version"], "meaning": "completion"}
    return call(CORE, token, "POST", f"/v1/forms/{row['id']}/sign", json=body)


def outdated_form() -> dict:
    """Create a draft of a form whose template has a later version."""
    template = published_form_template()
    row, path = form_of(template), f"/v1/form-templates/{template['id']}"
    body = {"version": template["version"], "name": template["name"], "definition": form_definition("Pain today")}
    core("POST", f"{path}/publish", {"version": core("PUT", path, body)["version"]})
    return row


# States that operations need of the resource in their path.
APPOINTMENTS = {
    "appointment_hold_delete": hold,
    "appointment_start": confirmed,
    "appointment_complete": started,
    "waitlist_entry_accept": offered,
    "form_sign": submitted_form,
    "form_amend": signed_form,
    "form_migrate": outdated_form,
}


ROLES = ["admin", "specialist", "staff", "patient"]


def field_body(entity: str, key: str) -> dict:
    definition = {"field_type": "text", "label": "Fuzzed", "phi": False}
    return {"entity": entity, "key": key, "definition": definition, "readable_by": ROLES, "writable_by": ROLES}


def fields_end() -> None:
    """Delete the fields of earlier cases: an entity has two hundred at most."""
    kept = shared.rows.get("custom_field", {}).get("id", 0)
    old = "f.key like 'fuzzed\\_%' and f.created_at < now() - interval '5 seconds'"
    # Those in use stay.
    unused = " and ".join(
        f"not exists (select from {table} u where u.organization_id = f.organization_id and u.custom_field_id = f.id)"
        for table in ("profile_values", "form_template_draft_fields", "form_template_version_fields")
    )
    sql(f"delete from custom_fields f where {old} and f.id <> {kept} and {unused}")


# Rules at random name nothing that exists.
RULE = {"op": "or", "rules": [{"op": "equals", "attribute": "has_email", "value": truth} for truth in (True, False)]}


def segments_end() -> None:
    """Delete the segments of earlier cases: a clinic has two hundred at most."""
    kept = shared.rows.get("segment", {}).get("id", 0)
    sql(f"delete from segments where name like 'Fuzzed %' and created_at < now() - interval '5 seconds' and id <> {kept}")


def segment() -> dict:
    segments_end()
    return core("POST", "/v1/segments", {"name": f"Fuzzed {uuid.uuid4()}", "rule": RULE})


def custom_field() -> dict:
    fields_end()
    return core("POST", "/v1/custom-fields", field_body("patient", f"fuzzed_{uuid.uuid4().hex}"))


_fields: set[str] = set()


def profile_fill(case, body: dict) -> None:
    """Write one field of the profile, based on its current version."""
    if not is_valid(case, "path"):
        # There is no such profile.
        return
    entity = operation_id(case).split("_")[0]
    with _lock:
        if entity not in _fields:
            core("POST", "/v1/custom-fields", field_body(entity, "fuzzed"))
            _fields.add(entity)
    place = f"/v1/{entity}s/{case.path_parameters[f'{entity}_id']}/profile"
    body["version"] = core("GET", place)["version"]
    body["values"] = {"fuzzed": f"Number {next(_number)}"}


def feed() -> dict:
    """Create a feed of a person without another one."""
    return call(CORE, STACK["organizations"][1]["tokens"]["staff"], "POST", "/v1/calendar/feeds")


def audit_log() -> dict:
    """Return an entry of the trail; Core forwards its own within about a second."""
    specialty()
    for _ in range(100):
        entries = call(TELEMETRY, CLINIC["telemetry_tokens"]["admin"], "GET", "/v1/audit/logs")["data"]
        if entries:
            return entries[0]
        time.sleep(0.1)
    raise RuntimeError("Telemetry shows no audit entry although Core changed something ten seconds ago")


def member(role: str) -> dict:
    """Make a person of the other clinic a member here, by an invitation. Only a superadmin finds people by id who have
    never been members."""
    token = STACK["organizations"][1]["tokens"][role]
    user = call(CORE, token, "GET", "/v1/me")
    path = f"/v1/organizations/{CLINIC['id']}/connect-user"
    headers = {"Authorization": f"Bearer {SUPERADMIN}"}
    answer = requests.post(CORE + path, json={"user_id": user["id"], "role": "staff"}, headers=headers, timeout=30)
    if answer.ok:
        call(CORE, token, "POST", f"/v1/me/invitations/{answer.json()['id']}/accept")
    # The person may still be a member because of another case.
    elif answer.json()["error"]["code"] != "already_member":
        raise RuntimeError(f"POST {path} answered {answer.status_code}: {answer.text[:500]}")
    return user


def invitation() -> dict:
    """Create an invitation without an answer."""
    path = f"/v1/organizations/{CLINIC['id']}/connect-user"
    return core("POST", path, {"email": f"{next(_number)}@fuzz.test", "role": "staff"})


def own_invitation() -> dict:
    """Create an invitation of the other clinic to the caller of the run."""
    me, there = core("GET", "/v1/me")["id"], STACK["organizations"][1]["id"]
    made = sql(
        f"delete from memberships where organization_id = {there} and user_id = {me};"
        f"delete from invitations where organization_id = {there} and user_id = {me};"
        "insert into invitations (organization_id, uid, kind, role, user_id)"
        f" values ({there}, gen_random_uuid(), 'membership', 'staff', {me}) returning id"
    )
    return {"id": int(made)}


def linked(table: str, make) -> dict:
    """Create a record and link it to a colleague, whose other link is removed."""
    row, user = make(), shared(colleague)["id"]
    sql(f"update {table} set user_id = null where user_id = {user}; "
        f"insert into memberships values ({CLINIC['id']}, {user}, 'staff') on conflict do nothing; "
        f"update {table} set user_id = {user} where id = {row['id']}")
    return row


def colleague() -> dict:
    """Return a person of the other clinic who is a member here as well."""
    return member("staff")


def stranger() -> dict:
    """Return a person of the other clinic who was a member here."""
    return member("specialist")


def core_delete(path: str) -> None:
    headers = {"Authorization": f"Bearer {CLINIC['tokens']['admin']}"}
    requests.delete(CORE + path, headers=headers, timeout=30)


def api_key() -> dict:
    body = {"name": "Fuzzed", "scopes": ["patients:read"]}
    return core("POST", f"/v1/organizations/{CLINIC['id']}/api-keys", body)["api_key"]


def own_patient() -> dict:
    """Return the record of a person with a login."""
    me = call(CORE, CLINIC["tokens"]["patient"], "GET", "/v1/me")
    return {"id": me["patient_id"]}


def impersonation() -> dict:
    path = f"/v1/patients/{shared(own_patient)['id']}/impersonate"
    return core("POST", path, {"reason": "Fuzzed"})["impersonation"]


def erasure() -> dict:
    """Create a job that changes nothing."""
    if SERVICE == "core":
        answer = core("POST", f"/v1/gdpr/patients/{shared(patient)['id']}/anonymize?dry_run=true")
    else:
        path = f"/v1/privacy/subjects/1?dry_run=true&request_id={uuid.uuid4()}"
        answer = call(TELEMETRY, STACK["telemetry_internal_token"], "DELETE", path)
    return {"id": answer["job_id"]}


def export() -> dict:
    """Create a file of no patient."""
    return core("POST", "/v1/export/jobs", {"patients": {"columns": ["id"], "national_id": "0"}})


def exclusion() -> dict:
    path, token = "/v1/privacy/exclusions", CLINIC["telemetry_tokens"]["admin"]
    return {"id": call(TELEMETRY, token, "POST", path, json={"subject_id": 1_000_000 + next(_number)})["subject_id"]}


MAKERS = {
    "api_key_id": api_key,
    "custom_field_id": custom_field,
    "impersonation_id": impersonation,
    "invitation_id": invitation,
    "job_id": erasure,
    "user_id": colleague,
    "segment_id": segment,
    "specialty_id": specialty,
    "specialist_id": specialist,
    "patient_id": patient,
    "appointment_id": appointment,
    "appointment_template_id": appointment_template,
    "form_template_id": form_template,
    "form_id": form,
    "appointment_series_id": series,
    "waitlist_entry_id": waiting,
}


def path_fill(case, fresh: bool) -> dict | None:
    """Put existing ids into the path; return the row of the path, if it was created for this case."""
    row = None
    for name in list(case.path_parameters or {}):
        if operation_id(case) == "patient_impersonate" and name == "patient_id":
            case.path_parameters[name] = shared(own_patient)["id"]
        elif operation_id(case) == "patient_merge":
            row = patient()
            case.path_parameters[name] = row["id"]
        elif operation_id(case) == "patient_unlink":
            case.path_parameters[name] = linked("patients", patient)["id"]
        elif operation_id(case) == "specialist_unlink":
            case.path_parameters[name] = linked("specialists", specialist)["id"]
        elif operation_id(case) in ("me_invitation_accept", "me_invitation_decline"):
            case.path_parameters[name] = own_invitation()["id"]
        elif operation_id(case) == "video_token_create":
            case.path_parameters[name] = shared(video_appointment)["id"]
        elif operation_id(case) == "export_job_get":
            case.path_parameters[name] = shared(export)["id"]
        elif operation_id(case) == "exclusion_delete":
            case.path_parameters[name] = exclusion()["id"]
        elif name == "form_template_id" and operation_id(case).startswith("form_template_version_"):
            case.path_parameters[name] = shared(published_form_template)["id"]
        elif name == "version":
            case.path_parameters[name] = 1
        elif name in MAKERS:
            make = APPOINTMENTS.get(operation_id(case), MAKERS[name])
            row = make() if fresh else shared(make)
            case.path_parameters[name] = row["id"]
        elif name == "organization_id":
            case.path_parameters[name] = CLINIC["id"]
        elif name == "slug" and operation_id(case) == "appointment_template_find":
            case.path_parameters[name] = shared(appointment_template)["slug"]
        elif name == "slug":
            case.path_parameters[name] = CLINIC["slug"]
        elif name == "uid":
            case.path_parameters[name] = shared(appointment)["uid"]
        elif name == "audit_id":
            case.path_parameters[name] = shared(audit_log)["id"]
    return row


def unique(record: dict) -> None:
    """Replace the e-mail address and the national id of a patient, which nobody else in the clinic may have."""
    if "email" in record:
        record["email"] = f"{next(_number)}@fuzz.test"
    if "national_id" in record:
        record["national_id"] = f"F{next(_number)}"


def export_fill(body: dict) -> None:
    """Leave one entity, and no range that ends before it begins."""
    known = ("patients", "appointments", "forms", "segment_members", "audit")
    entities = [name for name in known if isinstance(body.get(name), dict)]
    for name in entities[1:]:
        del body[name]
    if not entities:
        body["patients"] = {}
        return
    table = body[entities[0]]
    table.pop("to", None)
    if entities[0] == "forms":
        table["form_template_id"] = shared(published_form_template)["id"]
    if entities[0] == "segment_members":
        table["segment_id"] = shared(segment)["id"]


def body_fill(case, row: dict | None) -> None:
    """Put existing ids, a free slot and the current version into the body."""
    body, name = case.body, operation_id(case)
    if not isinstance(body, dict):
        return
    if row is not None and "version" in body:
        body["version"] = row.get("version", 1)
    if name in ("csv_export", "export_job_create"):
        export_fill(body)
    if name in ("custom_field_create", "custom_field_update"):
        # Types have rules about options and bounds that a schema can't express.
        if name == "custom_field_create":
            fields_end()
        valid = field_body("patient", f"fuzzed_{uuid.uuid4().hex}")
        body |= {part: value for part, value in valid.items() if part in body}
    if name.endswith("_profile_update"):
        profile_fill(case, body)
    if name in ("segment_create", "segment_update", "segment_preview"):
        segments_end()
        body["rule"] = RULE
        if "name" in body:
            body["name"] = f"Fuzzed {uuid.uuid4()}"
        body.pop("segment_id", None)
    if name in ("appointment_create", "appointment_update"):
        body |= slot()
        body["specialist_id"] = shared(specialist)["id"]
        body["patient_id"] = shared(patient)["id"]
        body.pop("specialty_id", None)
    if name == "appointment_from_template":
        body |= {"started_at": slot()["started_at"], "appointment_template_id": shared(appointment_template)["id"]}
        body |= {"specialist_id": shared(specialist)["id"], "patient_id": shared(patient)["id"]}
    if name == "appointment_forms_attach":
        body["form_template_ids"] = [shared(published_form_template)["id"]]
    if name in ("appointment_hold_create", "appointment_book"):
        holds_end()
        body |= open_slot()
        body.pop("template_id", None)
        body.pop("hold_id", None)
    if name == "appointment_series_create":
        body |= series_body()
        body.pop("specialty_id", None)
        body.pop("template_id", None)
    if name == "appointment_series_update" and row is not None:
        first = row["appointments"][0]
        body |= {key: first[key] for key in ("started_at", "ended_at", "specialist_id")}
        body["appointment_id"] = first["id"]
        body.pop("specialty_id", None)
    if name == "appointment_series_cancel" and row is not None:
        body["appointment_id"] = row["appointments"][0]["id"]
    if name == "waitlist_entry_create":
        # Each time a patient without an entry, and the default range.
        body |= {"specialist_id": shared(specialist)["id"], "patient_id": patient()["id"]}
        for field in ("template_id", "requested_from", "requested_to"):
            body.pop(field, None)
    if name == "appointment_reschedule":
        body["started_at"] = slot()["started_at"]
        body.pop("specialist_id", None)
    if name in ("appointment_template_create", "appointment_template_update"):
        body.pop("specialty_id", None)
        if body.get("form_template_ids"):
            body["form_template_ids"] = [shared(published_form_template)["id"]]
        if "slug" in body:
            body["slug"] = f"fuzz-{uuid.uuid4().hex[:12]}"
    if name in ("form_template_create", "form_template_update"):
        body["name"] = f"Fuzzed {uuid.uuid4()}"
        if "slug" in body:
            body["slug"] = f"fuzz-{uuid.uuid4().hex[:12]}"
    if name == "form_template_publish":
        body.pop("clear_phi", None)
    if name == "form_create":
        body |= {"form_template_id": shared(published_form_template)["id"], "patient_id": shared(patient)["id"]}
        body.pop("due_at", None)
    if name == "form_update":
        # No field of the form has a key at random.
        body["values"] = {"pain": next(_number) % 11}
    if name == "form_sign":
        body["meaning"] = "completion"
    if name == "form_migrate":
        body.pop("form_template_version", None)
    if name == "form_template_preview":
        # The draft: no version of it is published.
        body.pop("version", None)
    if name == "specialist_schedule_update":
        # Windows and exceptions at random overlap.
        body["hours"], body["exceptions"] = body["hours"][:1], body.get("exceptions", [])[:1]
        for part in body["exceptions"]:
            part["starts_at"], part["ends_at"] = "2031-01-01T00:00", "2031-01-02T00:00"
    if name == "calendar_search":
        body |= {"from": "2031-01-01T00:00:00Z", "to": "2031-02-01T00:00:00Z", "timezone": "Europe/Berlin"}
    if name == "specialist_create" or name == "specialist_update":
        body["timezone"] = "Europe/Berlin"
        if body.get("specialty_ids"):
            body["specialty_ids"] = [shared(specialty)["id"]]
    if name in ("patient_create", "patient_update"):
        unique(body)
    if name == "patient_onboard":
        unique(body.get("patient", {}))
        if body.get("login") is not None:
            body["login"] = {"email": f"{next(_number)}@fuzz.test"}
        # No custom field has a key at random.
        body.pop("values", None)
        # Each purpose at most once.
        body["consents"] = body.get("consents", [])[:1]
    if name == "patient_merge":
        twin = patient()
        body |= {"merged_patient_id": twin["id"], "merged_version": twin["version"]}
    if name in ("organization_create", "organization_update"):
        body["timezone"] = "Europe/Berlin"
        # Not every two letters are a country with telephone numbers.
        if "country" in body:
            body["country"] = "DE"
        body.pop("clerk_organization_id", None)
        if "slug" in body:
            body["slug"] = f"fuzz-{uuid.uuid4().hex[:12]}"
    if name == "member_connect":
        body.pop("email", None)
        body["user_id"] = shared(stranger)["id"]
        core_delete(f"/v1/organizations/{CLINIC['id']}/members/{body['user_id']}")
    if name in ("patient_link", "specialist_link"):
        body.pop("user_id", None)
        body["email"] = f"{next(_number)}@fuzz.test"
    if name == "me_organization_switch":
        body["organization_id"] = CLINIC["id"]


class ClerkSignature(requests.auth.AuthBase):
    """Turn the request into a message of Clerk, signed by the scheme of Svix over its bytes, valid or not."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        identifier, timestamp = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
        secret = base64.b64decode(STACK["env"]["core"]["CLERK_WEBHOOK_SECRET"].removeprefix("whsec_"))
        signed = hmac.digest(secret, f"{identifier}.{timestamp}.".encode() + body, "sha256")
        request.headers["svix-id"] = identifier
        request.headers["svix-timestamp"] = timestamp
        request.headers["svix-signature"] = "v1," + base64.b64encode(signed).decode()
        return request


def query_fill(case) -> None:
    """Put plausible ranges and existing secrets into the query."""
    query, name = dict(case.query or {}), operation_id(case)
    if str(query.get("from", "")) > str(query.get("to", "~")):
        query["from"], query["to"] = query["to"], query["from"]
        case.query = query
    if name == "specialist_availability_get":
        for part in ("from", "to", "template_id"):
            query.pop(part, None)
    elif name == "patient_prefill_get":
        query["form_template_id"] = shared(published_form_template)["id"]
    elif name == "segment_explain":
        query["patient_id"] = shared(patient)["id"]
    elif name == "waitlist_entry_accept":
        # The parameter is optional, so any offer can be accepted.
        query.pop("appointment_id", None)
    elif name == "calendar_get":
        query |= {"from": "2031-01-01T00:00:00Z", "to": "2031-02-01T00:00:00Z"}
        if "timezone" in query:
            query["timezone"] = "Europe/Berlin"
    elif name == "calendar_feed_get":
        query["token"] = shared(feed)["token"]
    else:
        return
    case.query = query


def is_valid(case, location: str) -> bool:
    """Return True if this part of the case was generated as valid."""
    if case.meta is None:
        return True
    return all(
        info.mode.is_positive for place, info in case.meta.components.items() if place.value == location
    )


@schemathesis.hook
def before_call(context, case, kwargs):
    name = operation_id(case)
    with _lock:
        _calls[name] = _calls.get(name, 0) + 1
        count = _calls[name]
    # On these the path names the organization, and a header may not name another one.
    if "organization_id" in (case.path_parameters or {}) and case.headers:
        case.headers.pop("X-Organization-Id", None)
    # An additional header is no fault, so the hook makes it an invalid one.
    if SERVICE == "core" and case.headers is not None and not is_valid(case, "header"):
        case.headers["X-Organization-Id"] = "no number"
    # The hooks send a token, and two kinds of credentials at once are refused.
    if case.headers:
        case.headers.pop("X-Api-Key", None)
    if name == "clerk_webhook_receive" and count % 2 == 0 and is_valid(case, "header"):
        kwargs["auth"] = ClerkSignature()
        return
    # Only people who were created for it are erased, because the run needs the others.
    erases = name in ("gdpr_user_erase", "gdpr_user_anonymize", "gdpr_patient_erase", "gdpr_patient_anonymize")
    if erases and is_valid(case, "query"):
        case.query = {**(case.query or {}), "dry_run": "true"}
    # No schema can express that one moment is after another.
    if is_valid(case, "query"):
        query_fill(case)
    # Every fifth case keeps its generated values, so that ids and values that don't exist are tried as well.
    # Except in operations that could delete people whom other cases need.
    takes = name in ("patient_update", "patient_delete", "patient_merge") or name.startswith("member_")
    if count % 5 == 0 and not takes:
        return
    if name == "calendar_feed_delete":
        core("POST", "/v1/calendar/feeds")
    row = None
    if is_valid(case, "path"):
        row = path_fill(case, fresh=case.method in ("PUT", "DELETE") or name in ADVANCE)
    if is_valid(case, "body"):
        body_fill(case, row)
    if is_valid(case, "header") and "X-Organization-Id" in (case.headers or {}):
        case.headers["X-Organization-Id"] = str(CLINIC["id"])
    if is_valid(case, "header") and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
