//! Durations and moments of XML schema in nanoseconds, without floating point: a segment more or
//! less is a URL more or less.

pub(super) const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// `P1DT2H3M4.5S`. A year has 365 days and a month 30, as dash.js and Shaka have it.
pub(super) fn duration(text: &str) -> Result<i128, String> {
    let wrong = || format!("{text:?} is no duration");
    let (sign, unsigned) =
        text.trim().strip_prefix('-').map_or((1, text.trim()), |rest| (-1, rest));
    let unsigned = unsigned.strip_prefix('P').ok_or_else(wrong)?;
    let (days, clock) = unsigned.split_once('T').unwrap_or((unsigned, ""));
    let date = [('Y', 365 * DAY), ('M', 30 * DAY), ('W', 7 * DAY), ('D', DAY)];
    let time = [('H', 3600 * SECOND), ('M', 60 * SECOND), ('S', SECOND)];
    let (Some(days), Some(clock)) = (amounts(days, &date), amounts(clock, &time)) else {
        return Err(wrong());
    };
    Ok(sign * (days + clock))
}

/// A sum of amounts, each with a unit at its end.
fn amounts(mut text: &str, units: &[(char, i128)]) -> Option<i128> {
    let mut sum = 0;
    while !text.is_empty() {
        let at = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (_, unit) = units.iter().find(|(name, _)| text[at..].starts_with(*name))?;
        sum += decimal(&text[..at], *unit)?;
        text = &text[at + 1..];
    }
    Some(sum)
}

/// A decimal number of `unit`s.
fn decimal(text: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || text.len() > 30 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { i128::from(whole.parse::<u32>().ok()?) };
    let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    Some(whole * unit + fraction.parse::<i128>().ok()? * unit / SECOND)
}

/// `2026-01-02T03:04:05.6+07:00` since 1970. What has no zone is UTC.
pub(super) fn moment(text: &str) -> Result<i128, String> {
    parse_moment(text.trim()).ok_or_else(|| format!("{text:?} is no date and time"))
}

fn parse_moment(text: &str) -> Option<i128> {
    let (date, clock) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u32>().map(i128::from).ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let offset = match zone.strip_prefix(['+', '-']) {
        Some(zone_clock) if zone.starts_with('-') => -time_of_day(zone_clock)?,
        Some(zone_clock) => time_of_day(zone_clock)?,
        None => 0,
    };
    Some(days_since_1970(year, month, day) * DAY + time_of_day(clock)? - offset)
}

fn time_of_day(clock: &str) -> Option<i128> {
    let units = [3600 * SECOND, 60 * SECOND, SECOND];
    clock.split(':').zip(units).try_fold(0, |sum, (part, unit)| Some(sum + decimal(part, unit)?))
}

/// In the Gregorian calendar, with years that begin in March so that leap days are at their ends.
fn days_since_1970(year: i128, month: i128, day: i128) -> i128 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}
