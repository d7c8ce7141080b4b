"""Reads a recurrence rule, a zone and a first moment from standard input and writes the occurrences as JSON."""

import json
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

question = json.load(sys.stdin)
zone = ZoneInfo(question["timezone"])
first = datetime.fromisoformat(question["first"].replace("Z", "+00:00")).astimezone(zone).replace(tzinfo=None)


def occurrence(shown):
    # The first of two moments for a repeated local time; the earlier offset for a skipped one.
    moment = shown.replace(tzinfo=zone, fold=0).astimezone(timezone.utc)
    skipped = moment.astimezone(zone).replace(tzinfo=None) != shown
    return {"at": moment.isoformat(), "skipped": skipped}


json.dump([occurrence(shown) for shown in rrulestr(question["rule"], dtstart=first)], sys.stdout)
