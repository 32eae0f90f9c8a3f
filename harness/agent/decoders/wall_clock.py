"""Wall-clock stamps as seconds. One without a zone is taken as UTC: the clock offset of an import must hold the rest.

Worked out by hand, for the agent's short list of modules has no calendar in it.
"""

NAN = float("nan")
_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def seconds(date, time_of_day, ahead_s=0.0):
    """Seconds since 1970-01-01 UTC of (year, month, day) and (hour, minute, second); `ahead_s`: the zone's lead on UTC.

    Numbers or their texts, the seconds with a fraction if need be; NaN where the calendar has no such moment.
    """
    year, month, day = (int(part) for part in date)
    hour, minute, second = int(time_of_day[0]), int(time_of_day[1]), float(time_of_day[2])
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 61.0):
        return NAN  # 60 is a leap second
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS_IN_MONTH[month - 1] + (leap and month == 2):
        return NAN
    before = year - 1  # 719162 days lie between 0001-01-01 and 1970-01-01
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += _DAYS_BEFORE_MONTH[month - 1] + (leap and month > 2) + day - 1
    return days * 86400.0 + hour * 3600.0 + minute * 60.0 + second - ahead_s
