//! Lists and searches.
//!
//! Spec: docs/OPERATIONS.md, "Search".

use baraza_api::{ErrorCode, HitView, ListReply, PAGE_MAX, RecordSummary, SearchReply, Standing};

use super::{centre::country_name, network::Names};
use crate::{
    args::{List, Narrow, Search},
    clock,
    error::{Failure, failure},
    output::{Table, count, cut, number},
    safe::Safe,
    shell::Shell,
};

/// Country codes shown in a row of a table; the others are counted.
const COUNTRIES_SHOWN: usize = 3;

/// Members of a query, in the order in which they are sent.
struct Query(Vec<(&'static str, String)>);

impl Query {
    fn new(narrow: &Narrow) -> Self {
        let mut query = Self(Vec::new());
        query.values("kind", &narrow.kind);
        query.values("sdg", &narrow.sdg);
        query.values("language", &narrow.language);
        query.values("centre", &narrow.centre);
        query.values("accredited_by", narrow.accredited_by.as_slice());
        query.values("since", narrow.since.as_slice());
        query.values("until", narrow.until.as_slice());
        query
    }

    /// Adds alternatives; nothing if there are none.
    fn values(&mut self, name: &'static str, values: &[String]) {
        if !values.is_empty() {
            self.0.push((name, values.join(",")));
        }
    }

    fn path(&self, path: &str) -> Result<String, Failure> {
        let query = serde_urlencoded::to_string(&self.0)
            .map_err(|error| failure(ErrorCode::Internal, error.to_string()))?;
        Ok(format!("{path}?{query}"))
    }
}

/// Lists records, the latest arrival first.
pub(super) fn list(shell: &mut Shell<'_, '_>, args: &List) -> Result<(), Failure> {
    let client = shell.client()?;
    let mut records: Vec<RecordSummary> = Vec::new();
    let mut before = None;
    while records.len() < args.limit {
        let mut query = Query::new(&args.narrow);
        query.values("before", before.as_slice());
        query.values("audience", args.audience.as_slice());
        query.0.push(("limit", PAGE_MAX.min(args.limit - records.len()).to_string()));
        let page: ListReply = client.get(query.path("/v1/records")?)?;
        records.extend(page.records);
        // A position that does not fall would never end.
        let next =
            page.next.map(|next| next.to_string()).filter(|next| before.as_ref() != Some(next));
        match next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    records.truncate(args.limit);
    if shell.json {
        return shell.print_json(&records);
    }
    if records.is_empty() {
        return shell.print("There are no such records.\n");
    }
    let names = Names::of(&*client, &records)?;
    let mut table =
        Table::new(&["ID", "KIND", "LANG", "TITLE", "CENTRE", "COUNTRIES", "ARRIVED"], 3);
    for record in &records {
        table.row([
            record.id.short(),
            Safe(&record.kind).to_string(),
            Safe(&record.language).to_string(),
            with_audience(title(record), &names, record),
            cut(&centre_name(record), 24),
            codes(&record.countries),
            clock::day(record.arrived_ms),
        ]);
    }
    shell.print_table(&table)
}

/// Finds records by their words.
pub(super) fn search(shell: &mut Shell<'_, '_>, args: &Search) -> Result<(), Failure> {
    let words = args.words.join(" ");
    let mut query = Query::new(&args.narrow);
    query.0.insert(0, ("q", words.clone()));
    query.values("country", &args.country);
    query.values("region", &args.region);
    if args.offset != 0 {
        query.0.push(("offset", args.offset.to_string()));
    }
    query.0.push(("limit", args.limit.to_string()));
    let client = shell.client()?;
    let reply: SearchReply = client.get(query.path("/v1/search")?)?;
    if shell.json {
        return shell.print_json(&reply.hits);
    }
    if reply.hits.is_empty() {
        shell.print(format!("Nothing found for `{}`.\n", Safe(&words)))?;
        shell.note(
            "Fewer or other words may help; words are searched in the language of each record.",
        );
    }
    let names = Names::of(&*client, reply.hits.iter().map(|hit| &hit.summary))?;
    for hit in &reply.hits {
        print_hit(shell, hit, &names)?;
    }
    if !reply.hits.is_empty() {
        let (from, shown) = (u64::from(args.offset), reply.hits.len() as u64);
        let total = number(reply.total as u64);
        shell.note(format!("{} to {} of {total}", number(from + 1), number(from + shown)));
    }
    if reply.behind != 0 {
        let changes = count(reply.behind, "change", "changes");
        shell.note(format!("The search does not cover the latest {changes} yet."));
    }
    Ok(())
}

fn print_hit(shell: &mut Shell<'_, '_>, hit: &HitView, names: &Names) -> Result<(), Failure> {
    let record = &hit.summary;
    let title = shell.heading(title(record));
    let countries: Vec<_> = record.countries.iter().map(|code| country_name(code)).collect();
    let facts = [
        Safe(&record.kind).to_string(),
        Safe(&record.language).to_string(),
        countries.join(", "),
        centre_name(record),
        Safe(&record.accreditation).to_string(),
        names.audience(&record.audience),
        clock::day(record.created_ms),
    ];
    let facts: Vec<_> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    let mut text = format!("{}  {title}\n  {}\n", record.id.short(), facts.join(", "));
    if !hit.excerpt.is_empty() {
        text += &format!("  {}\n", Safe(&hit.excerpt.replace('\n', " ")));
    }
    shell.print(text + "\n")
}

/// Returns the title, and what people must know before they rely on it.
pub(super) fn title(record: &RecordSummary) -> String {
    let title = match record.title.is_empty() {
        true => "(no title)".to_owned(),
        false => Safe(&record.title).to_string(),
    };
    match standing(record.standing) {
        "" => title,
        standing => format!("{title} [{standing}]"),
    }
}

/// Adds to a title for whom the record is, if that is not everybody.
fn with_audience(title: String, names: &Names, record: &RecordSummary) -> String {
    match names.audience(&record.audience) {
        audience if audience.is_empty() => title,
        audience => format!("{title} [{audience}]"),
    }
}

/// Returns what a record is worth here, in words; nothing for the usual case.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Current => "",
        Standing::Blocked => "blocked on this node",
        Standing::Quarantined => "in quarantine on this node",
        Standing::Superseded => "a newer version is held",
        Standing::Retracted => "retracted by its publisher",
        Standing::Held => "the signer's authority is not known yet",
        Standing::Forked => "its feed forks here",
        Standing::BodyMissing => "the body has not arrived yet",
        Standing::BodyLeftOut => "the body is not fetched: outside [interests]",
        Standing::Unreadable => "not readable by this version",
    }
}

/// Returns the name of the publisher, or the short id where that is not known.
pub(super) fn centre_name(record: &RecordSummary) -> String {
    let name = record.centre_name.as_deref().map(|name| Safe(name).to_string());
    name.unwrap_or_else(|| record.centre.short())
}

fn codes(countries: &[String]) -> String {
    let mut codes: Vec<_> = countries.iter().map(|code| Safe(code).to_string()).collect();
    let more = codes.len().saturating_sub(COUNTRIES_SHOWN);
    codes.truncate(COUNTRIES_SHOWN);
    if more != 0 {
        codes.push(format!("+{more}"));
    }
    codes.join(" ")
}
