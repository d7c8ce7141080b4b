//! Configuration: defaults, then an optional `restartix.toml`, then the environment.
