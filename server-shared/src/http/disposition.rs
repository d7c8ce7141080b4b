//! `Content-Disposition`: the name under which a browser stores an answer.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters of an extended value that need no encoding: `attr-char` of RFC 8187.
const ATTRIBUTE: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Name of a file if its requested name has no allowed character.
const UNNAMED: &str = "download";

/// Returns the value for a file that is stored as `name` (RFC 6266): in the characters of ASCII for old clients,
/// and as it is for all others. Characters that separate folders, that a file system refuses or that hide the
/// extension of a name are replaced or left out, so that the file stays in the folder that the user chose.
pub fn attachment(name: &str) -> HeaderValue {
    let name = safe(name);
    // Some clients decode percent signs in the plain form.
    let plain = safe(&deunicode::deunicode(&name)).replace(|c: char| c == '%' || !c.is_ascii(), "_");
    let extended = utf8_percent_encode(&name, &ATTRIBUTE);
    HeaderValue::try_from(format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{extended}"))
        .unwrap_or(HeaderValue::from_static("attachment"))
}

fn safe(name: &str) -> String {
    let kept = name.chars().filter(|c| !c.is_control() && !turns_text(*c));
    let replaced = kept.map(|c| if r#"/\:*?"<>|"#.contains(c) { '_' } else { c });
    let name: String = replaced.collect();
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    if name.is_empty() { UNNAMED.to_owned() } else { name.to_owned() }
}

/// Returns true for marks that change the direction of writing: with them `gpj.exe` is shown as `exe.jpg`.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    /// Reads a value as a client does: the plain name, and the extended one.
    fn read(value: &HeaderValue) -> (String, String) {
        let (plain, extended) = value
            .to_str()
            .unwrap()
            .strip_prefix("attachment; filename=\"")
            .and_then(|rest| rest.split_once("\"; filename*=UTF-8''"))
            .unwrap();
        (plain.to_owned(), percent_decode_str(extended).decode_utf8().unwrap().into_owned())
    }

    #[test]
    fn names_stay_as_they_are_where_they_can() {
        for (name, plain, extended) in [
            ("patients.csv", "patients.csv", "patients.csv"),
            ("Fișă D’Arcy, v2.pdf", "Fisa D'Arcy, v2.pdf", "Fișă D’Arcy, v2.pdf"),
            ("100 % 北京.csv", "100 _ Bei Jing .csv", "100 % 北京.csv"),
            ("../../etc/passwd", "_.._etc_passwd", "_.._etc_passwd"),
            ("C:\\con.csv", "C__con.csv", "C__con.csv"),
            ("a\"; filename=b.exe", "a_; filename=b.exe", "a_; filename=b.exe"),
            ("a\r\nSet-Cookie: b=c", "aSet-Cookie_ b=c", "aSet-Cookie_ b=c"),
            ("x\u{202e}vsc.exe", "xvsc.exe", "xvsc.exe"),
            ("½.csv", "1_2.csv", "½.csv"),
            (" ... ", UNNAMED, UNNAMED),
            ("", UNNAMED, UNNAMED),
        ] {
            assert_eq!(read(&attachment(name)), (plain.to_owned(), extended.to_owned()), "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_makes_a_header(
            name in vec(prop_oneof![any::<char>(), select(vec!['"', '\\', '/', '\r', '\n', '%', ';', '\'', '.'])], 0..20)
        ) {
            let name: String = name.into_iter().collect();
            let value = attachment(&name);
            let (plain, extended) = read(&value);
            prop_assert!(plain.chars().all(|c| (' '..='~').contains(&c) && !r#""\/%"#.contains(c)), "{plain:?}");
            prop_assert_eq!(extended, safe(&name));
        }
    }
}
