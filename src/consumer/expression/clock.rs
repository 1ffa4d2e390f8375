//! The time of `now`, in the spellings that Python and JavaScript print.
//!
//! In: a moment, and the name of a form. Out: text, or a number. Always UTC: a node does not know Django's `TIME_ZONE`.

use jiff::Timestamp;
use minijinja::Value as Jinja;

/// A spelling of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JavaScript's `toISOString()`, and Django's JSON encoder: milliseconds and `Z`.
    Iso,
    /// `datetime.isoformat()`, with the offset or, `naive`, without it.
    IsoFormat { naive: bool },
    /// `str()` of a datetime.
    Str { naive: bool },
    /// Whole seconds.
    Epoch,
    /// Whole milliseconds.
    EpochMillis,
    /// `datetime.timestamp()`: seconds with their fraction.
    Timestamp,
}

/// The forms by name.
const FORMS: [(&str, Form); 8] = [
    ("iso", Form::Iso),
    ("isoformat", Form::IsoFormat { naive: false }),
    ("isoformat_naive", Form::IsoFormat { naive: true }),
    ("str", Form::Str { naive: false }),
    ("str_naive", Form::Str { naive: true }),
    ("epoch", Form::Epoch),
    ("epoch_ms", Form::EpochMillis),
    ("timestamp", Form::Timestamp),
];

impl Form {
    /// The form with this name, or an error with those that are known.
    pub fn parse(name: &str) -> Result<Self, String> {
        FORMS.iter().find(|(known, _)| *known == name).map(|(_, form)| *form).ok_or_else(|| {
            let known: Vec<String> = FORMS.iter().map(|(known, _)| format!("'{known}'")).collect();
            format!("now({name:?}) is unknown; known: {}", known.join(", "))
        })
    }

    /// A moment in this form.
    pub fn write(self, now: Timestamp) -> Jinja {
        match self {
            Self::Iso => format!("{now:.3}").into(),
            Self::IsoFormat { naive } => python(now, naive).into(),
            Self::Str { naive } => python(now, naive).replacen('T', " ", 1).into(),
            Self::Epoch => now.as_second().into(),
            Self::EpochMillis => now.as_millisecond().into(),
            Self::Timestamp => seconds(now).into(),
        }
    }
}

/// `isoformat()`: microseconds, or no fraction at all if they are 0.
fn python(now: Timestamp, naive: bool) -> String {
    let text = match now.as_microsecond() % 1_000_000 {
        0 => format!("{now:.0}"),
        _ => format!("{now:.6}"),
    };
    let offset = if naive { "" } else { "+00:00" };
    format!("{}{offset}", text.trim_end_matches('Z'))
}

/// The division is exact in Python, and as exact here: today's microseconds are below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn seconds(now: Timestamp) -> f64 {
    now.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.13 prints for datetimes of these microseconds since 1970.
    #[test]
    fn times_are_spelled_as_python_spells_them() {
        for (micros, iso, text, timestamp) in [
            (
                1_772_442_900_123_456_i64,
                "2026-03-02T09:15:00.123456",
                "2026-03-02 09:15:00.123456",
                "1772442900.123456",
            ),
            (1_772_442_900_000_000, "2026-03-02T09:15:00", "2026-03-02 09:15:00", "1772442900.0"),
            (1_772_442_900_120_000, "2026-03-02T09:15:00.120000", "2026-03-02 09:15:00.120000", "1772442900.12"),
            (1_772_442_900_000_001, "2026-03-02T09:15:00.000001", "2026-03-02 09:15:00.000001", "1772442900.000001"),
            (1_772_442_900_999_999, "2026-03-02T09:15:00.999999", "2026-03-02 09:15:00.999999", "1772442900.999999"),
            (951_782_400_000_000, "2000-02-29T00:00:00", "2000-02-29 00:00:00", "951782400.0"),
        ] {
            // A clock has nanoseconds, which Python cuts off.
            let now = Timestamp::from_nanosecond(i128::from(micros) * 1000 + 999).unwrap();
            let written = |name: &str| Form::parse(name).unwrap().write(now).to_string();
            assert_eq!(written("isoformat"), format!("{iso}+00:00"));
            assert_eq!(written("isoformat_naive"), iso);
            assert_eq!(written("str"), format!("{text}+00:00"));
            assert_eq!(written("str_naive"), text);
            assert_eq!(written("timestamp"), timestamp);
            assert_eq!(written("iso").len(), "2026-03-02T09:15:00.123Z".len());
        }
    }
}
