//! Profiles: one word for settings that belong together.
//!
//! Invariant: a profile is nothing but its values; each can be set by itself.
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use super::{Allowance, Terms};

const MIB: u64 = 1_024 * 1_024;

/// A kind of link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// One that costs nothing more when it is used.
    #[default]
    Normal,
    /// One that is paid by the byte, such as a mobile one.
    Metered,
    /// One by satellite: paid by the byte, slow, with a long delay.
    Satellite,
    /// A local network; nothing goes beyond it.
    LanOnly,
    /// A node that many call, on a good link.
    Seed,
}

impl Profile {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Normal, "normal"),
        (Self::Metered, "metered"),
        (Self::Satellite, "satellite"),
        (Self::LanOnly, "lan-only"),
        (Self::Seed, "seed"),
    ];

    /// Returns its name in the configuration.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or("", |(_, name)| name)
    }

    /// Returns the profile of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(profile, _)| *profile)
    }

    /// Returns its values.
    pub fn terms(self) -> Terms {
        let most = |day: u64, month: u64| Allowance {
            day_bytes: Some(day * MIB),
            month_bytes: Some(month * MIB),
        };
        let normal = Terms {
            profile: self,
            background: Allowance::default(),
            asked: Allowance::default(),
            reserve_day_bytes: MIB / 4,
            kbit_s: None,
            windows: Vec::new(),
            utc_offset_minutes: 0,
            compare_every_ms: 60_000,
            connections: 4,
            ping_every_s: 30,
            private_only: false,
        };
        match self {
            Self::Normal => normal,
            // At rest, ten such nodes use less than 1 MiB a day each.
            Self::Metered => Terms {
                background: most(20, 300),
                compare_every_ms: 1_800_000,
                connections: 2,
                ping_every_s: 300,
                ..normal
            },
            Self::Satellite => Terms {
                background: most(50, 1_000),
                compare_every_ms: 900_000,
                connections: 2,
                ping_every_s: 120,
                ..normal
            },
            Self::LanOnly => Terms { private_only: true, ..normal },
            Self::Seed => Terms { connections: 16, ..normal },
        }
    }
}
