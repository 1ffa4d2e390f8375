//! The presets that are part of the program: whole systems, as consumers.

/// Every preset: its name, and its text as a configuration file.
pub const PRESETS: &[(&str, &str)] = &[
    ("feed", include_str!("../../presets/feed.toml")),
    ("parking", include_str!("../../presets/parking.toml")),
    ("attendance", include_str!("../../presets/attendance.toml")),
];

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}
