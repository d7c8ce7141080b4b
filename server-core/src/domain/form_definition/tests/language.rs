use poem_openapi::types::ToJSON as _;
use serde_json::{Value, json};
use server_shared::value::LanguageTag;

use super::{Library, definition, form, item};

/// Returns a definition in a language, as JSON.
fn localized(body: Value, language: &str, library: &Library) -> Value {
    let language = LanguageTag::parse(language).unwrap();
    definition(body).localized(&language, library).to_json().unwrap()
}

fn text(languages: &[&str]) -> Value {
    let translations: Vec<Value> =
        languages.iter().map(|language| json!({ "language": language, "text": language })).collect();
    form(json!([{ "key": "text", "text": { "text": "own", "translations": translations } }]))
}

#[test]
fn the_nearest_language_is_shown() {
    for (translations, reader, shown) in [
        (&["de", "de-CH", "fr"][..], "de-CH", "de-CH"),
        (&["de-AT", "de"][..], "de-CH", "de"),
        (&["de-AT", "de-LI"][..], "de-CH", "de-AT"),
        (&["de-AT"][..], "de", "de-AT"),
        (&["de", "fr"][..], "it", "own"),
        (&["en-GB", "fr"][..], "en-US", "own"),
        (&["en-GB", "fr"][..], "en-GB", "en-GB"),
        (&[][..], "de", "own"),
    ] {
        let form = localized(text(translations), reader, &Library::default());
        let shown_text = &form["sections"][0]["items"][0]["text"];
        assert_eq!(shown_text["text"], shown, "{translations:?} for {reader}");
        assert_eq!(shown_text["translations"], json!([]));
    }
}

#[test]
fn every_text_is_translated_and_what_is_not_stays() {
    let german = |label: &str| json!([{ "language": "de", "label": label }]);
    let inner = json!({ "field": { "definition": { "translations": german("Innen") } } });
    let body = json!({ "language": "en", "sections": [{
        "key": "main", "label": "Main", "help": "Help",
        "translations": [{ "language": "de", "label": "Haupt" }],
        "items": [
            item("one", "single_choice", json!({ "field": { "definition": { "translations": [
                { "language": "de", "label": "Feld", "options": { "a": "Ah" } },
            ] } } })),
            { "key": "group", "group": {
                "label": "Group", "max_entries": 2, "translations": german("Gruppe"),
                "items": [item("x", "boolean", inner)],
            } },
            { "key": "total", "score": {
                "label": "Total", "formula": "count", "translations": german("Summe"),
                "inputs": [{ "key": "one", "counted_options": ["a"] }],
                "bands": [{ "key": "high", "label": "High", "translations": german("Hoch") }],
            } },
        ],
    }] });
    let shown = localized(body, "de", &Library::default());
    let section = &shown["sections"][0];
    assert_eq!((&section["label"], &section["help"]), (&json!("Haupt"), &json!("Help")));
    let field = &section["items"][0]["field"]["definition"];
    assert_eq!(field["label"], "Feld");
    assert_eq!((&field["options"][0]["label"], &field["options"][1]["label"]), (&json!("Ah"), &json!("b")));
    assert_eq!(section["items"][1]["group"]["label"], "Gruppe");
    assert_eq!(section["items"][1]["group"]["items"][0]["field"]["definition"]["label"], "Innen");
    assert_eq!(section["items"][2]["score"]["label"], "Summe");
    assert_eq!(section["items"][2]["score"]["bands"][0]["label"], "Hoch");
}

#[test]
fn a_pinned_field_is_shown_with_its_definition() {
    use poem_openapi::types::ParseFromJSON as _;
    let pinned = json!({ "field_type": "text", "label": "Camp", "phi": true, "translations": [
        { "language": "en", "label": "Field" },
    ] });
    let pinned = crate::domain::field::FieldDefinition::parse_from_json(Some(pinned)).ok().unwrap();
    let library = Library([((1, 2), pinned)].into());
    let body = form(json!([{ "key": "a", "field": { "custom_field": { "id": 1, "version": 2 } } }]));
    let field = localized(body, "en", &library)["sections"][0]["items"][0]["field"].clone();
    assert_eq!(field["definition"]["label"], "Field", "the form's language is not that of the custom field");
    assert_eq!(field["custom_field"], json!({ "id": 1, "version": 2 }));
}
