//! The presets that are part of the program: whole systems, as consumers.

/// Every preset: its name, and its text as a configuration file.
///
/// Three share a Socket.IO namespace, and the first of them speaks for all when a client is refused by each: the order is
/// from the strictest to the one that lets everybody in.
pub const PRESETS: &[(&str, &str)] = &[
    ("feed", include_str!("../../presets/feed.toml")),
    ("parking", include_str!("../../presets/parking.toml")),
    ("attendance", include_str!("../../presets/attendance.toml")),
    ("tracker", include_str!("../../presets/tracker.toml")),
    ("repair-shop", include_str!("../../presets/repair-shop.toml")),
    ("dashboard", include_str!("../../presets/dashboard.toml")),
];

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}
