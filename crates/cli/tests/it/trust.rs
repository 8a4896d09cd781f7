//! Nations, trust and policy as people see them.

use baraza_api::{Explanation, Published, TrustReply, TrustedNation};
use baraza_record::{CentreId, RecordId};
use serde_json::{Value, json};

use crate::support::{NOW, Node, Person, Program, run, run_with};

const ID: &str = "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f";

fn nation() -> TrustedNation {
    TrustedNation {
        country: "KE".into(),
        id: CentreId([0x7f; 32]),
        name: Some("Kenya Focal Point".into()),
        since_ms: NOW.0,
        news_ms: None,
        warning: None,
    }
}

/// Returns what was sent in the request with this number.
fn sent(node: &Node, number: usize) -> Value {
    let requests = node.requests.borrow();
    let (_, bytes) = requests[number].body.as_ref().unwrap();
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_nation_is_trusted_after_its_words_were_compared() {
    let twice =
        || Node::default().json("POST /v1/trust", &nation()).json("POST /v1/trust", &nation());
    let program = Program::with(twice());
    let arguments = ["trust", "add", "--country", "KE", "7F7F"];
    let shown = run_with(&program, &arguments, Some(Person(vec!["yes"])), None);
    program.node.assert_done();
    assert_eq!(shown.exit, 0, "{shown:?}");
    let words = "legal winner thank year  wave sausage worth useful";
    assert!(shown.err.contains("Kenya Focal Point for Kenya"), "{}", shown.err);
    assert!(shown.err.contains(words) && shown.err.contains("by telephone"), "{}", shown.err);
    assert_eq!(sent(&program.node, 0)["dry_run"], true);
    let given = sent(&program.node, 1);
    assert_eq!((&given["dry_run"], &given["nation"]), (&json!(false), &json!(ID)));
}

#[test]
fn without_a_yes_nobody_is_trusted() {
    let once = || Program::with(Node::default().json("POST /v1/trust", &nation()));
    let arguments = ["trust", "add", "--country", "KE", ID];
    let (program, person) = (once(), Person(vec!["no"]));
    assert_eq!(run_with(&program, &arguments, Some(person), None).exit, 0);
    program.node.assert_done();
    let program = once();
    let shown = run(&program, &arguments);
    assert_eq!(shown.exit, 2);
    assert!(shown.err.contains("a person who compared the words"), "{}", shown.err);
    program.node.assert_done();
}

#[test]
fn trusted_nations_are_listed_with_their_words() {
    let warned = TrustedNation { warning: Some("no news".into()), ..nation() };
    let reply = TrustReply { nations: vec![warned] };
    let program = || Program::with(Node::default().json("GET /v1/trust", &reply));
    let shown = run(&program(), &["trust", "list"]);
    assert_eq!(
        shown.out,
        format!(
            "Kenya
Name     Kenya Focal Point
Id       {ID}
Words    legal winner thank year  wave sausage worth useful
Trusted  2026-03-01 12:00 UTC (just now)
Warning  no news

"
        )
    );
    let json: Value =
        serde_json::from_str(&run(&program(), &["trust", "list", "--json"]).out).unwrap();
    assert_eq!(json[0]["words"], "legal winner thank year  wave sausage worth useful");
    let nobody = Program::with(Node::default().json("GET /v1/trust", &TrustReply::default()));
    assert!(run(&nobody, &["trust", "list"]).out.contains("No nation is trusted here"));
}

#[test]
fn a_nation_states_what_the_verb_says() {
    let published = Published {
        id: RecordId([0xab; 32]),
        kind: "accreditation".into(),
        title: "suspended: Water Desk".into(),
        source: String::new(),
        holders: baraza_api::Holders::default(),
        waited_ms: 0,
    };
    let stated = |arguments: &[&str]| {
        let program = Program::with(Node::default().json("POST /v1/accreditations", &published));
        let shown = run(&program, arguments);
        assert_eq!(shown.exit, 0, "{shown:?}");
        assert_eq!(shown.out, "Stated by abababababab: suspended: Water Desk\n");
        sent(&program.node, 0)
    };
    let scope = ["--scope", "water", "--scope", "soil", "--review-by", "2027-01-01"];
    let body = stated(&[&["nation", "accredit", "CECE"], &scope[..]].concat());
    let expected = json!({
        "centre": "cece", "status": "accredited", "scope": ["water", "soil"],
        "review_by": "2027-01-01",
    });
    assert_eq!(body, expected);
    for (verb, status) in [("suspend", "suspended"), ("withdraw", "withdrawn")] {
        let body = stated(&["nation", verb, "cece", "--reason", "closed"]);
        let expected =
            json!({ "centre": "cece", "status": status, "scope": [], "reason": "closed" });
        assert_eq!(body, expected);
        let program = Program::with(Node::default());
        assert_eq!(run(&program, &["nation", verb, "cece"]).exit, 2, "a reason is due");
    }
}

#[test]
fn a_nation_has_a_country() {
    let program = Program::with(Node::default());
    let name = ["nation", "init", "--name", "Focal point", "--no-passphrase", "--no-mdns"];
    assert_eq!(run(&program, &name).exit, 2);
    assert_eq!(run(&program, &[&name[..], &["--country", "KE"]].concat()).exit, 0);
    assert!(program.done.borrow()[0].contains("nation: true"), "{:?}", program.done);
}

#[test]
fn an_explanation_is_a_numbered_chain() {
    let explanation = Explanation {
        centre: CentreId([0xce; 32]),
        centre_name: Some("Water Desk".into()),
        record: None,
        verdict: "blocked".into(),
        chain: vec!["block: an override blocks it".into(), "so it is shown nowhere".into()],
        statements: Vec::new(),
    };
    let node = Node::default().json("GET /v1/policy/cece", &explanation);
    let shown = run(&Program::with(node), &["policy", "explain", "cece"]);
    assert_eq!(
        shown.out,
        "Centre  Water Desk (cececececece)\n  1. block: an override blocks it\n  \
         2. so it is shown nowhere\n"
    );
}
