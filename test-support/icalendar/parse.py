"""Reads an iCalendar from standard input and writes the properties of the calendar and its events as JSON."""

import json
import sys

from icalendar import Calendar, vDuration

calendar = Calendar.from_ical(sys.stdin.buffer.read())


def moment(component, name):
    value = component[name].dt
    # A time without a zone would depend on the reader's clock.
    assert value.utcoffset().total_seconds() == 0, f"{name} is not in UTC"
    return value.isoformat()


def event(component):
    return {
        "uid": str(component["UID"]),
        "status": str(component["STATUS"]),
        "summary": str(component["SUMMARY"]),
        "class": str(component["CLASS"]),
        "sequence": int(component["SEQUENCE"]),
        "starts_at": moment(component, "DTSTART"),
        "ends_at": moment(component, "DTEND"),
        "stamped_at": moment(component, "DTSTAMP"),
        "created_at": moment(component, "CREATED"),
        "modified_at": moment(component, "LAST-MODIFIED"),
    }


errors = [str(error) for component in calendar.walk() for error in getattr(component, "errors", [])]
json.dump(
    {
        "errors": errors,
        "version": str(calendar["VERSION"]),
        "refresh_seconds": [
            int(vDuration.from_ical(calendar[name]).total_seconds()) for name in ("REFRESH-INTERVAL", "X-PUBLISHED-TTL")
        ],
        "components": [component.name for component in calendar.subcomponents],
        "events": [event(component) for component in calendar.walk("VEVENT")],
    },
    sys.stdout,
)
