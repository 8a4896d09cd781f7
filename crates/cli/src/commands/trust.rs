//! Whom this node trusts, and what it shows: nations, policy, quarantine.
//!
//! Spec: docs/OPERATIONS.md, "Policy".

use baraza_api::{
    AttachmentsView, ErrorCode, Explanation, InterestsView, ListReply, PolicyView,
    QuarantineRelease, QuarantineReply, QuotasView, Released, StatementView, TrustReply,
    TrustRequest, TrustedNation, UntrustRequest,
};
use baraza_formats::words::fingerprint;
use baraza_record::CentreId;
use serde::Serialize;

use super::{centre::country_name, id_prefix, query::title};
use crate::{
    args::{Policy, Quarantine, Trust},
    clock,
    error::{Failure, failure},
    output::{Facts, Table, bytes, count, number},
    safe::Safe,
    shell::Shell,
};

/// A nation with the words that people compare.
#[derive(Serialize)]
struct Nation<'a> {
    #[serde(flatten)]
    nation: &'a TrustedNation,
    words: String,
}

/// Returns the words of an id, in two groups that are easy to read out.
pub(super) fn words(id: &CentreId) -> String {
    let words = fingerprint(id);
    let (first, second) = words.split_at(words.len() / 2);
    format!("{}  {}", first.join(" "), second.join(" "))
}

/// Runs a command about the nations that are trusted.
pub(super) fn trust(shell: &mut Shell<'_, '_>, command: Trust) -> Result<(), Failure> {
    match command {
        Trust::Add { country, id } => add(shell, country, &id),
        Trust::Rm { country } => {
            let request = UntrustRequest { country };
            let left: TrustReply = shell.client()?.post("/v1/trust/remove", &request)?;
            list(shell, &left)
        }
        Trust::List => {
            let reply: TrustReply = shell.client()?.get("/v1/trust")?;
            list(shell, &reply)
        }
    }
}

fn add(shell: &mut Shell<'_, '_>, country: String, id: &str) -> Result<(), Failure> {
    let client = shell.client()?;
    let mut request = TrustRequest { country, nation: id_prefix(id)?, dry_run: true };
    let nation: TrustedNation = client.post("/v1/trust", &request)?;
    let name = nation.name.as_deref().unwrap_or("(its log is not held yet)");
    shell.note(format!(
        "{} for {}\n{}\n\n    {}\n\n\
         Compare these eight words with the nation's focal point by telephone; they run:\n\
         baraza centre show",
        Safe(name),
        country_name(&nation.country),
        nation.id,
        words(&nation.id)
    ));
    let what = "trust is given by a person who compared the words, and there is no terminal to \
                ask on";
    if !shell.confirm_or("Are the words the same?", what)? {
        return Ok(());
    }
    // The id that was shown, whatever the prefix fits by now.
    request = TrustRequest { nation: nation.id.to_string(), dry_run: false, ..request };
    let nation: TrustedNation = client.post("/v1/trust", &request)?;
    if shell.json {
        let words = words(&nation.id);
        return shell.print_json(&Nation { nation: &nation, words });
    }
    shell.print(format!(
        "{} is trusted to speak for {} from now on.\n",
        nation.id.short(),
        country_name(&nation.country)
    ))?;
    if let Some(warning) = &nation.warning {
        shell.note(Safe(warning));
    }
    Ok(())
}

fn list(shell: &mut Shell<'_, '_>, reply: &TrustReply) -> Result<(), Failure> {
    if shell.json {
        let with_words = |nation| Nation { nation, words: words(&nation.id) };
        return shell.print_json(&reply.nations.iter().map(with_words).collect::<Vec<_>>());
    }
    if reply.nations.is_empty() {
        shell.print("No nation is trusted here.\n")?;
        shell.note("Trust one: baraza trust add --country CODE ID");
        return Ok(());
    }
    for nation in &reply.nations {
        let name = nation.name.as_deref().map(|name| Safe(name).to_string());
        let heading = shell.heading(country_name(&nation.country));
        let mut facts = Facts::default();
        facts.add("Name", name.unwrap_or_default());
        facts.add("Id", nation.id.to_string());
        facts.add("Words", words(&nation.id));
        facts.add("Trusted", clock::moment(nation.since_ms, shell.screen.now));
        let news = nation.news_ms.map(|ms| clock::moment(ms, shell.screen.now));
        facts.add("News", news.unwrap_or_default());
        facts.add(
            "Warning",
            nation
                .warning
                .as_deref()
                .map(Safe)
                .map_or_else(String::new, |warning| warning.to_string()),
        );
        shell.print(format!("{heading}\n{}\n", facts.render()))?;
    }
    Ok(())
}

/// Runs a command about the policy.
pub(super) fn policy(shell: &mut Shell<'_, '_>, command: &Policy) -> Result<(), Failure> {
    match command {
        Policy::Show => {
            let policy: PolicyView = shell.client()?.get("/v1/policy")?;
            show(shell, &policy)
        }
        Policy::Explain { id } => {
            let path = format!("/v1/policy/{}", id_prefix(id)?);
            let explanation: Explanation = shell.client()?.get(path)?;
            explain(shell, &explanation)
        }
    }
}

fn show(shell: &mut Shell<'_, '_>, policy: &PolicyView) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(policy);
    }
    let countries: Vec<_> =
        policy.nations.iter().map(|nation| country_name(&nation.country)).collect();
    let mut facts = Facts::default();
    facts.add("Unaccredited", unaccredited(policy));
    facts.add("Old news", format!("marked after {} days", number(policy.stale_mark_days)));
    facts.add(
        "Trusted",
        if countries.is_empty() { "no nation".into() } else { countries.join(", ") },
    );
    facts.add("Released", number(policy.released as u64));
    facts.add("Overrides", number(policy.overrides.len() as u64));
    facts.add("Interests", interests(&policy.interests));
    facts.add("Attachments", attachments(&policy.attachments));
    quotas(&mut facts, &policy.quotas);
    shell.print(facts.render())?;
    for error in &policy.errors {
        shell.print(format!("Error: {}\n", Safe(error)))?;
    }
    if policy.overrides.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["ID", "ACTION", "UNTIL", "REASON"], 3);
    for one in &policy.overrides {
        table.row([
            one.id.short(),
            Safe(&one.action).to_string(),
            one.until.as_deref().map(|day| Safe(day).to_string()).unwrap_or_default(),
            Safe(&one.reason).to_string(),
        ]);
    }
    shell.print("\n")?;
    shell.print_table(&table)
}

/// Says of which records bodies are fetched.
fn interests(interests: &InterestsView) -> String {
    let InterestsView { kinds, goals, regions } = interests;
    let goals: Vec<_> = goals.iter().map(u8::to_string).collect();
    let parts = [("kinds", kinds), ("goals", &goals), ("regions", regions)];
    let parts = parts.into_iter().filter(|(_, list)| !list.is_empty());
    let parts: Vec<_> = parts.map(|(name, list)| format!("{name} {}", list.join(", "))).collect();
    match parts.is_empty() {
        true => "everything".to_owned(),
        false => format!("bodies of {}", Safe(&parts.join("; "))),
    }
}

/// Says which files come by themselves, and how much room there is for files.
fn attachments(rules: &AttachmentsView) -> String {
    let types = match rules.types.is_empty() {
        true => String::new(),
        false => format!(" of type {}", Safe(&rules.types.join(", "))),
    };
    let come = match rules.fetch_bytes {
        0 => "none comes by itself".to_owned(),
        most => format!("those up to {}{types} come by themselves", bytes(most)),
    };
    format!("{come}; {} for fetched ones that are not pinned", bytes(rules.quota_bytes))
}

/// Says how much of the quotas is used.
fn quotas(facts: &mut Facts, used: &QuotasView) {
    let QuotasView { centres, centres_max, new_centres_per_day, .. } = *used;
    let (centres, most) = (number(centres), number(centres_max));
    let a_day = number(u64::from(new_centres_per_day));
    facts.add(
        "Quota: centres",
        format!("{centres} of {most} without accreditation, {a_day} new ones a day of each peer"),
    );
    if let Some(max) = used.bytes_max {
        let used = bytes(used.bytes);
        facts.add("Quota: disk", format!("at most {used} of {}", bytes(max)));
    }
    let (centres, feeds) = (used.deferred_centres as u64, used.deferred_feeds as u64);
    if centres + feeds != 0 {
        let centres = count(centres, "centre", "centres");
        facts.add("Deferred", format!("{centres}, {}", count(feeds, "feed", "feeds")));
    }
}

/// Says what becomes of records for which nobody vouches.
fn unaccredited(policy: &PolicyView) -> String {
    let word = Safe(&policy.unaccredited);
    match (policy.unaccredited.as_str(), policy.declined_feeds as u64) {
        ("drop", feeds) => format!(
            "{word}: nothing more of them is taken ({} kept out so far); what is held is hidden",
            count(feeds, "feed", "feeds")
        ),
        _ => word.to_string(),
    }
}

fn explain(shell: &mut Shell<'_, '_>, explanation: &Explanation) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(explanation);
    }
    let name = explanation.centre_name.as_deref().unwrap_or("(its identity is not held)");
    let mut facts = Facts::default();
    facts.add("Record", explanation.record.map(|id| id.to_string()).unwrap_or_default());
    facts.add("Centre", format!("{} ({})", Safe(name), explanation.centre.short()));
    shell.print(facts.render())?;
    for (number, step) in explanation.chain.iter().enumerate() {
        shell.print(format!("  {}. {}\n", number + 1, Safe(step)))?;
    }
    statements(shell, &explanation.statements)
}

/// Prints what nations say of a centre.
pub(super) fn statements(
    shell: &mut Shell<'_, '_>,
    statements: &[StatementView],
) -> Result<(), Failure> {
    if statements.is_empty() {
        return Ok(());
    }
    let heading = shell.heading("What nations say");
    shell.print(format!("\n{heading}\n"))?;
    for one in statements {
        let scope = match one.scope.is_empty() {
            true => String::new(),
            false => format!("; for {}", Safe(&one.scope.join(", "))),
        };
        let review = one.review_by.as_deref().map(|day| format!("; review by {}", Safe(day)));
        let reason = match one.reason.is_empty() {
            true => String::new(),
            false => format!("; reason: {}", Safe(&one.reason.replace('\n', " "))),
        };
        let (words, by) = (Safe(&one.words), review.unwrap_or_default());
        shell.print(format!("  {words}{scope}{by}{reason} ({})\n", one.id.short()))?;
    }
    Ok(())
}

/// Runs a command about the quarantine.
pub(super) fn quarantine(shell: &mut Shell<'_, '_>, command: &Quarantine) -> Result<(), Failure> {
    match command {
        Quarantine::List { centre: None } => {
            let reply: QuarantineReply = shell.client()?.get("/v1/quarantine")?;
            held(shell, &reply)
        }
        Quarantine::List { centre: Some(id) } => {
            let path = format!("/v1/quarantine/{}", id_prefix(id)?);
            let reply: ListReply = shell.client()?.get(path)?;
            records(shell, &reply)
        }
        Quarantine::Release { id } => {
            let request = QuarantineRelease { id: id_prefix(id)? };
            let released: Released = shell.client()?.post("/v1/quarantine/release", &request)?;
            if shell.json {
                return shell.print_json(&released);
            }
            match released.record {
                Some(record) => shell.print(format!("Record {} is shown now.\n", record.short())),
                None => shell.print(format!(
                    "Records of centre {} are shown from now on.\n",
                    released.centre.short()
                )),
            }
        }
    }
}

fn held(shell: &mut Shell<'_, '_>, reply: &QuarantineReply) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(reply);
    }
    if reply.records == 0 {
        return shell.print("Nothing is in quarantine.\n");
    }
    let mut table = Table::new(&["ID", "CENTRE", "RECORDS"], 1);
    for centre in &reply.centres {
        let name = centre.name.as_deref().map(|name| Safe(name).to_string());
        table.row([centre.id.short(), name.unwrap_or_default(), number(centre.records)]);
    }
    shell.print_table(&table)?;
    if reply.omitted != 0 {
        let centres = count(reply.omitted as u64, "centre is", "centres are");
        shell.note(format!("{centres} not listed."));
    }
    shell.note(format!(
        "{} in all. Look at them: baraza quarantine list ID; show them: baraza quarantine release ID",
        count(reply.records, "record", "records")
    ));
    Ok(())
}

fn records(shell: &mut Shell<'_, '_>, reply: &ListReply) -> Result<(), Failure> {
    if shell.json {
        return shell.print_json(&reply.records);
    }
    if reply.records.is_empty() {
        return Err(failure(ErrorCode::NotFound, "no record of this centre is in quarantine"));
    }
    let mut table = Table::new(&["ID", "KIND", "LANG", "TITLE", "ARRIVED"], 3);
    for record in &reply.records {
        table.row([
            record.id.short(),
            Safe(&record.kind).to_string(),
            Safe(&record.language).to_string(),
            title(record),
            clock::day(record.arrived_ms),
        ]);
    }
    shell.print_table(&table)
}
