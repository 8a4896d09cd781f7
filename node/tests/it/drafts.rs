//! Drafts, good and bad, and what people see of them.

use crate::harness::{Scene, lesson};

#[test]
fn a_draft_with_faults_is_refused_with_field_rule_and_value() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let good = lesson("Title", "It worked.");
    let cases = [
        (good.replace("title: Title\n", ""), "title"),
        (good.replace("countries: [KE]", "countries: [Kenja]"), "Kenja"),
        (good.replace("sdg: [6.2]", "sdg: [6.99]"), "6.99"),
        (good.replace("polarity: worked", "polarity: perhaps"), "perhaps"),
        (good.replace("language: en", "language: not a language"), "language"),
        (good.replace("## lesson", "## lessson"), "lesson"),
    ];
    for (draft, word) in cases {
        let run = alice.run(&["publish", &scene.file("bad.md", draft)]);
        assert_eq!(run.code, 3, "{word}: {}{}", run.out, run.err);
        assert!(format!("{}{}", run.out, run.err).contains(word), "{word}: {}{}", run.out, run.err);
    }
    assert_eq!(alice.json(&["status"])["records"], 0);
}

#[test]
fn limits_count_characters_not_bytes() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let draft = |letters: usize| {
        lesson("हिन्दी", "It worked.")
            .replace("language: en", "language: hi")
            .replace("Ask first.", &"क".repeat(letters))
    };
    assert_eq!(alice.publish(&scene.file("limit.md", draft(1_500))).len(), 1);
    let run = alice.run(&["publish", &scene.file("above.md", draft(1_501))]);
    assert_eq!(run.code, 3, "{}{}", run.out, run.err);
    assert!(format!("{}{}", run.out, run.err).contains("1500"), "{}{}", run.out, run.err);
}

#[test]
fn one_bad_row_in_a_hundred_is_named_and_nothing_is_published_unless_asked() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let mut table = String::from(
        "kind,language,title,polarity,sdg,countries,sensitivity_checked,context,event,lesson,recommendation,applies_when\n",
    );
    for row in 0..100 {
        let country = if row == 56 { "Atlantis" } else { "KE" };
        table +=
            &format!("lesson,en,Row {row},worked,6.2,{country},true,Where,What,Why,How,When\n");
    }
    let file = scene.file("hundred.csv", table);
    let run = alice.run(&["publish", &file]);
    assert_eq!(run.code, 3, "{}{}", run.out, run.err);
    let said = format!("{}{}", run.out, run.err);
    assert!(said.contains("58") && said.contains("Atlantis"), "the header is row 1: {said}");
    assert_eq!(alice.json(&["status"])["records"], 0);
    let run = alice.run(&["publish", &file, "--skip-invalid"]);
    assert_eq!(run.code, 9, "{}{}", run.out, run.err);
    assert_eq!(alice.json(&["status"])["records"], 99);
}

#[test]
fn hostile_strings_reach_nobodys_terminal() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/blns/blns.json");
    let strings: Vec<String> =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let drafts: Vec<_> = strings
        .iter()
        .map(|text| {
            serde_json::json!({
                "kind": "lesson", "language": "en", "title": text, "polarity": "worked",
                "sdg": ["6.2"], "countries": ["KE"], "sensitivity_checked": true, "context": text,
                "event": text, "lesson": text, "recommendation": text, "applies_when": text,
            })
        })
        .collect();
    let file = scene.file("naughty.json", serde_json::to_vec(&drafts).unwrap());
    let run = alice.run(&["publish", &file, "--skip-invalid", "--allow-personal-data"]);
    assert!([0, 9].contains(&run.code), "{}{}", run.out, run.err);
    let records = alice.json(&["status"])["records"].as_u64().unwrap();
    assert!(300 < records, "{records} of {} were fit to publish", strings.len());
    let list = alice.run(&["list", "--limit", "200"]);
    let search = alice.run(&["search", "script", "--limit", "200"]);
    let ids = alice.json(&["list", "--limit", "20"]);
    let shown = ids.as_array().unwrap().iter();
    let shown = shown.map(|one| alice.run(&["show", one["id"].as_str().unwrap()]));
    for run in [run, list, search].into_iter().chain(shown) {
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        let said = format!("{}{}", run.out, run.err);
        assert_eq!(said.chars().find(|c| bad(*c)), None, "{said}");
    }
}

#[test]
fn numbers_stay_as_they_were_written() {
    let scene = Scene::new();
    let alice = scene.centre("alice");
    let draft = lesson("No", "It worked.").replace("[6.2]", "[17.10]").replace("[KE]", "[NO]");
    let id = alice.publish(&scene.file("n.md", draft)).remove(0);
    let shown = alice.json(&["show", &id]);
    assert_eq!(shown["body"]["sdg"], serde_json::json!(["17.10"]));
    assert_eq!((&shown["title"], &shown["countries"]), (&"No".into(), &serde_json::json!(["NO"])));
}
