#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;

#[test]
fn a_text_begins_badly_with_a_forbidden_word_unless_it_asks() {
    for word in WORDS {
        assert!(begins_badly(&format!("{word} becomes of it.")), "{word}");
    }
    for text in ["**What** remains is kept.", "`What` is kept.", "What’s kept.", "Whose it is", "What it keeps (a?b)."]
    {
        assert!(begins_badly(text), "{text}");
    }
    for text in
        ["", "Whatever comes.", "Hashes the text.", "Returns what is kept.", "Why is it kept? Nobody knows.", "`hash`"]
    {
        assert!(!begins_badly(text), "{text}");
    }
    assert!(begins_badly("What it keeps. Is that all?"), "only the first sentence counts");
    assert!(!begins_badly("**What is a.b?** An example."), "a dot within a word ends no sentence");
}

#[test]
fn each_paragraph_of_a_doc_comment_is_checked_and_named_by_its_line() {
    // On lines of their own, these would be doc comments of this file to the command itself.
    let source = [
        "//! What the module does,",
        "//! Which is a continuation.",
        "",
        "/// Returns the thing.",
        "///",
        "/// When it is late, waits.",
        "///",
        "/// - How it waits.",
        "///",
        "/// # Errors",
        "/// Where it fails.",
        "// What an ordinary comment says.",
        "//// What a line of slashes says.",
        "fn f() {} /// Who",
    ]
    .join("\n");
    let lines: Vec<String> = check("src/a.rs", &source);
    let expected = [
        "src/a.rs:1: What the module does, Which is a continuation.",
        "src/a.rs:6: When it is late, waits.",
        "src/a.rs:8: How it waits.",
        "src/a.rs:11: Where it fails.",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn code_headings_tables_and_questions_are_exempt() {
    let page = "\
# What it is

| Who | may |
|---|---|
| Who asks | all |

```sh
What is run
```

What is it? A page.

1. Whose it is.
";
    assert_eq!(check("docs/a.md", page), ["docs/a.md:13: Whose it is."]);
    let comment = "/// ```\n/// What is run\n/// ```\n/// # What it is\nfn f() {}\n/// Who asks.\n";
    assert_eq!(check("src/a.rs", comment), ["src/a.rs:6: Who asks."]);
    let unclosed = "/// ```\n/// What is run\nfn f() {}\n/// Who asks.\n";
    assert_eq!(check("src/a.rs", unclosed), ["src/a.rs:4: Who asks."]);
}

#[test]
fn generated_files_are_exempt() {
    assert_eq!(check("src/a.rs", &format!("{GENERATED}; do not edit\n\n/// Who asks.\n")), Vec::<String>::new());
}

#[test]
fn descriptions_and_summaries_are_checked_but_neither_examples_nor_names() {
    let document = json!({
        "paths": {"/a/{id}": {"get": {"summary": "What it gets", "description": "Gets it.\n\nWho may: all."}}},
        "components": {"schemas": {"Thing": {
            "description": "A thing.",
            "example": {"description": "What a patient wrote."},
            "properties": {
                "description": {"type": "string", "description": "Whose words."},
                "example": {"type": "string", "description": "How it is used."},
            },
        }}},
    });
    let expected = [
        "/components/schemas/Thing/properties/description: Whose words.",
        "/components/schemas/Thing/properties/example: How it is used.",
        "/paths/~1a~1{id}/get: What it gets",
        "/paths/~1a~1{id}/get: Who may: all.",
    ];
    let mut faults = specification::faults(&document);
    faults.sort();
    assert_eq!(faults, expected);
}

#[test]
fn the_description_of_an_enum_names_each_of_its_values() {
    let faults = |description: Value| {
        specification::faults(
            &json!({"State": {"type": "string", "enum": ["open", "shut"], "description": description}}),
        )
    };
    assert_eq!(faults(json!("State: `open` or `shut`.")), Vec::<String>::new());
    assert_eq!(faults(json!("State: `open` or shut.")), ["/State: the description does not name `shut`"]);
    assert_eq!(faults(Value::Null).len(), 2);
    let single = json!({"Kind": {"type": "string", "enum": ["call"], "description": "Kind."}});
    assert_eq!(specification::faults(&single), Vec::<String>::new(), "a single value needs no list");
}

#[test]
fn the_committed_specifications_are_plain() {
    for file in SPECIFICATIONS {
        let text = fs::read_to_string(paths::checkout().join(file)).unwrap();
        let faults = specification::faults(&serde_json::from_str(&text).unwrap());
        assert!(faults.is_empty(), "{file}: change the handlers and types it comes from:\n{}", faults.join("\n"));
    }
}
