//! Slugs: short names in URLs.

use deunicode::deunicode_char;

/// The longest slug, in characters.
pub const SLUG_MAX: usize = 60;

/// Makes a slug of a name: lower-case ASCII letters and digits in words joined by single hyphens, at most [`SLUG_MAX`]
/// characters. Other scripts are transliterated. A name that leaves no character gets `fallback`, the noun of the
/// entity, e.g. `organization`.
///
/// Two names can give one slug; the caller that stores it ensures uniqueness.
pub fn slugify(name: &str, fallback: &str) -> String {
    let ascii: String = name
        .chars()
        // Apostrophes belong into the word: "St. Mary's" is st-marys.
        .filter(|letter| !matches!(letter, '\'' | '\u{2019}' | '\u{02bc}'))
        .map(|letter| deunicode_char(letter).unwrap_or(" "))
        .collect();
    let mut slug = String::new();
    for word in ascii.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let separator = usize::from(!slug.is_empty());
        let room = SLUG_MAX - slug.len();
        if separator + word.len() > room {
            // Only a first word is cut; later ones are left out whole.
            if slug.is_empty() {
                slug.push_str(&word[..room]);
            }
            break;
        }
        if separator == 1 {
            slug.push('-');
        }
        slug.push_str(word);
    }
    slug.make_ascii_lowercase();
    if slug.is_empty() { fallback.to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_slugs() {
        for (name, slug) in [
            ("Clinica Sfântul Andrei", "clinica-sfantul-andrei"),
            ("  St. Mary's — Physio & Rehab  ", "st-marys-physio-rehab"),
            ("Größe/Übung", "grosse-ubung"),
            ("Реабилитация", "reabilitatsiia"),
            ("--", "organization"),
            ("", "organization"),
            ("\u{200b}", "organization"),
        ] {
            assert_eq!(slugify(name, "organization"), slug, "{name:?}");
        }
    }

    #[test]
    fn long_names_end_after_a_whole_word() {
        let slug = slugify("The Very Long Name of the Rehabilitation Clinic of the Western Region", "clinic");
        assert_eq!(slug, "the-very-long-name-of-the-rehabilitation-clinic-of-the");
        assert_eq!(slugify(&"x".repeat(80), "clinic"), "x".repeat(SLUG_MAX));
    }

    proptest! {
        #[test]
        fn every_slug_has_the_form(name: String) {
            let slug = slugify(&name, "clinic");
            prop_assert!(!slug.is_empty() && slug.len() <= SLUG_MAX);
            prop_assert!(slug.split('-').all(|word| {
                !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            }), "{slug}");
            prop_assert_eq!(slugify(&slug, "other"), slug.clone());
        }
    }
}
