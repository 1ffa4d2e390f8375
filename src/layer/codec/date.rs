//! Dates of msgpack as text.
//!
//! In: what Python's `Timestamp` and JavaScript's `Date` become there. Out: text as JavaScript writes a `Date`.

use crate::event::Value;

/// The timestamp extension of msgpack in its three lengths (its specification, "Timestamp extension type"); `None`
/// for other bytes.
pub(super) fn of_timestamp(data: &[u8]) -> Option<Value> {
    let (seconds, nanos) = if let Ok(data) = <[u8; 4]>::try_from(data) {
        (i64::from(u32::from_be_bytes(data)), 0)
    } else if let Ok(data) = <[u8; 8]>::try_from(data) {
        let packed = u64::from_be_bytes(data);
        ((packed & 0x3_FFFF_FFFF).cast_signed(), packed >> 34)
    } else if let Some((nanos, seconds)) = data.split_first_chunk::<4>() {
        let seconds = <[u8; 8]>::try_from(seconds).ok()?;
        (i64::from_be_bytes(seconds), u64::from(u32::from_be_bytes(*nanos)))
    } else {
        return None;
    };
    if nanos >= 1_000_000_000 {
        return None;
    }
    Some(of_nanos(i128::from(seconds) * 1_000_000_000 + i128::from(nanos)))
}

/// A `Date` of notepack.io 2: milliseconds since 1970.
pub(super) fn of_millis(millis: i64) -> Value {
    of_nanos(i128::from(millis) * 1_000_000)
}

/// A time since 1970 in nanoseconds as JavaScript writes a `Date` (`toISOString`), with more digits if it is not in whole
/// milliseconds. Outside the range of `Date` it is null, as in JavaScript.
fn of_nanos(nanos: i128) -> Value {
    const DAY: i128 = 86_400_000_000_000;
    // 100 million days in each direction.
    if nanos.abs() > 100_000_000 * DAY {
        return Value::Null;
    }
    let (days, time) = (nanos.div_euclid(DAY), nanos.rem_euclid(DAY));
    // Days from 0000-03-01 in eras of 400 years; a year begins in March, so that the leap day is its last.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("{year:+07}") };
    let (seconds, nanos) = (time / 1_000_000_000, time % 1_000_000_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hour, minute) = (minutes / 60, minutes % 60);
    let fraction = format!("{nanos:09}");
    let length = fraction.trim_end_matches('0').len().max(3);
    let fraction = &fraction[..length];
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction}Z").into()
}
