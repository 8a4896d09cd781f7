//! What nations say of a centre, from signed bytes.
//!
//! Spec: docs/PROTOCOL.md, section 4.5.

use baraza_protocol::{
    accreditation::{Accreditations, Pin},
    ingest::{ingest_identity, ingest_range},
    model::MemoryStore,
};
use baraza_record::{CentreId, SignedRecord, Timestamp};
use serde_json::{Value, json};

use super::input;

/// Returns the statements that decide about the centre of a case.
///
/// Records come last first and again, so that the answer cannot rest on their order.
pub(super) fn deciding(case: &Value) -> Value {
    let mut store = MemoryStore::new(1);
    let records = input::list(&case["records"], |record| {
        let record = SignedRecord::decode(&input::bytes(record)).expect("a record");
        record.verify().expect("its signature is right")
    });
    for _ in &records {
        for record in records.iter().rev() {
            ingest_range(&mut store, std::slice::from_ref(record), Timestamp(1)).unwrap();
        }
    }
    for event in input::list(&case["identities"], input::bytes) {
        ingest_identity(&mut store, &event).expect("an inception");
    }
    let pins = input::list(&case["pins"], |pin| Pin {
        nation: CentreId(input::array(&pin["nation"])),
        country: input::text(&pin["country"]).to_owned(),
        since: Timestamp(0),
    });
    let all = Accreditations::compute(&store, &pins).unwrap();
    let centre = CentreId(input::array(&case["centre"]));
    let state = |statement: &baraza_protocol::accreditation::Statement| {
        json!({
            "nation": statement.nation,
            "country": statement.country,
            "record": statement.id,
            "status": statement.status.to_string(),
            "since_ms": statement.since.0,
        })
    };
    json!({
        "statements": all.of(&centre).iter().map(state).collect::<Vec<_>>(),
        "accredited": all.accredits(&centre).is_some(),
    })
}
