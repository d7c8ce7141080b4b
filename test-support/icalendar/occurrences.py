"""Reads a rule, a zone and a first moment on standard input and writes when the rule has something happen, as JSON."""

import json
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

question = json.load(sys.stdin)
zone = ZoneInfo(question["timezone"])
first = datetime.fromisoformat(question["first"].replace("Z", "+00:00")).astimezone(zone).replace(tzinfo=None)


def occurrence(shown):
    # Of two moments the first; where clocks leave the time out, as they went before.
    moment = shown.replace(tzinfo=zone, fold=0).astimezone(timezone.utc)
    skipped = moment.astimezone(zone).replace(tzinfo=None) != shown
    return {"at": moment.isoformat(), "skipped": skipped}


json.dump([occurrence(shown) for shown in rrulestr(question["rule"], dtstart=first)], sys.stdout)
