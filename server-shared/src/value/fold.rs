//! Folding of text for search and uniqueness.

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed, props::CanonicalCombiningClass};

use super::text::{is_invisible, is_white};

const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
const CASES: CaseMapperBorrowed<'static> = CaseMapper::new();
const CLASSES: CodePointMapDataBorrowed<'static, CanonicalCombiningClass> =
    CodePointMapData::<CanonicalCombiningClass>::new();

/// Returns the key by which texts are compared: full case folding, compatibility decomposition, no accents, unified
/// quotes and hyphens, one space between words. `folded(folded(t)) == folded(t)`.
///
/// `Groß` and `GROSS` have one key, as `Σίσυφος` and `ΣΊΣΥΦΟΣ` have, and `O’Connor` and `o'connor`.
pub fn folded(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    let text: String = text.chars().map(as_quote).collect();
    // Decomposed before the case is folded, because NFKD turns symbols such as `ℌ` into capital letters.
    let decomposed = NFKD.normalize(&text);
    let cased = CASES.fold_string(&decomposed);
    let letters = NFKD.normalize(&cased);
    let mut gap = false;
    for letter in letters.chars() {
        if is_white(letter) {
            gap = !key.is_empty();
            continue;
        }
        if is_invisible(letter) || is_accent(letter) {
            continue;
        }
        if gap {
            key.push(' ');
            gap = false;
        }
        push_plain(&mut key, letter);
    }
    key
}

/// Returns the words of [`folded`] text, each once. A search finds texts that contain all of them, in any order.
pub fn folded_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = folded(text).split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Returns `true` if a character is an accent: a mark above, below or across a letter, or a point of Hebrew or Arabic
/// script. Vowel signs, viramas, nuktas and the voicing marks of kana are not: in their scripts they distinguish
/// letters.
fn is_accent(letter: char) -> bool {
    use CanonicalCombiningClass as Class;
    let class = CLASSES.get(letter);
    class == Class::Overlay
        || (Class::CCC10..=Class::CCC36).contains(&class)
        || (Class::AttachedBelowLeft..=Class::IotaSubscript).contains(&class)
}

/// Replaces accents that stand alone, which people type for quotes, and double primes: NFKD would make blanks or two
/// quotes of them.
fn as_quote(letter: char) -> char {
    match letter {
        '\u{00b4}' | '\u{1ffd}' | '\u{0384}' => '\'',
        '\u{2033}' | '\u{2036}' => '"',
        letter => letter,
    }
}

/// Appends `letter` with the differences removed that Unicode does not decompose: strokes, and the shapes of quotes and
/// hyphens.
fn push_plain(key: &mut String, letter: char) {
    let plain = match letter {
        // Letters with a stroke. The root collation also treats the stroke like an accent.
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ŧ' => 't',
        'ı' => 'i',
        'æ' => return key.push_str("ae"),
        'œ' => return key.push_str("oe"),
        'þ' => return key.push_str("th"),
        '\u{2018}'..='\u{201b}'
        | '\u{2032}'
        | '\u{2035}'
        | '\u{02b9}'..='\u{02bc}'
        | '\u{02c8}'
        | '\u{00b4}'
        | '`'
        | '\u{ff07}'
        | '\u{a78c}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{00ab}' | '\u{00bb}' | '\u{ff02}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{058a}' | '\u{05be}' => '-',
        letter => letter,
    };
    key.push(plain);
}
