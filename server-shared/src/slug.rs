//! Slugs: the short name of a thing in a URL.
