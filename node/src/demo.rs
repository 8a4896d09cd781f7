//! `baraza demo`: four centres on this machine, from nothing to the same set everywhere.
//!
//! Invariant: every sentence that it prints was checked; what differs from it ends the
//! demonstration with an error. Its nodes are separate processes that listen on loopback
//! alone, and end with it.
//! Spec: README.md; the records are described in `node/demo/SOURCES.md`.

mod data;
mod nodes;

use std::{fmt::Write, path::Path};

use baraza_api::{ErrorBody, ErrorCode, RecordView, SearchReply, StatusView};
use baraza_cli::{DemoOptions, DemoStep};

use self::{
    data::{CENTRES, Example, LATE},
    nodes::{DemoNode, until},
};

/// How many steps are told.
const STEPS: usize = 7;

/// Hits that are looked at and shown of each search.
const HITS: usize = 10;

/// Runs the demonstration in a folder of its own.
pub(crate) fn run(options: DemoOptions, tell: &mut dyn FnMut(&DemoStep)) -> Result<(), ErrorBody> {
    let folder = tempfile::Builder::new()
        .prefix("baraza-demo-")
        .tempdir()
        .map_err(|error| failed(format!("cannot make a temporary folder: {error}")))?;
    let mut story = Story { number: 0, tell };
    let nodes = play(folder.path(), &mut story)?;
    let record = nodes.1;
    let homes: Vec<_> = nodes.0.iter().map(|node| node.home.clone()).collect();
    drop(nodes.0);
    let mut text = String::new();
    if options.keep {
        let kept = folder.keep();
        let _ =
            writeln!(text, "The nodes are stopped; their folders are kept in {}.", kept.display());
        for home in homes {
            let _ = writeln!(text, "  baraza --home {} status", home.display());
        }
    } else {
        let path = folder.path().to_owned();
        folder
            .close()
            .map_err(|error| failed(format!("cannot remove {}: {error}", path.display())))?;
        text.push_str("The nodes are stopped and their folders removed (keep them with: baraza demo --keep).\n");
    }
    let _ = write!(
        text,
        "To go on with a centre of your own:\n  \
         baraza init --name \"Your centre\" --country KE --language en\n  \
         baraza new practice > practice.md\n  \
         baraza publish practice.md\n  \
         baraza start\n\
         A record of the demonstration was {record}."
    );
    story.step(text);
    Ok(())
}

/// What is told, step by step.
struct Story<'a> {
    number: usize,
    tell: &'a mut dyn FnMut(&DemoStep),
}

impl Story<'_> {
    fn step(&mut self, text: String) {
        self.number += 1;
        (self.tell)(&DemoStep { number: self.number, of: STEPS, text });
    }
}

/// Plays all but the last step; returns the nodes that still run, and the id of a record.
fn play(folder: &Path, story: &mut Story<'_>) -> Result<(Vec<DemoNode>, String), ErrorBody> {
    let mut nodes = Vec::new();
    for centre in &CENTRES[..3] {
        let bootstrap: Option<&str> = nodes.first().map(|first: &DemoNode| first.address.as_str());
        nodes.push(DemoNode::start(folder, centre, bootstrap)?);
    }
    let mut text = String::from("Three centres, each a process of its own on this machine:\n");
    nodes.iter().for_each(|node| {
        let _ = writeln!(text, "  {:28} {}", node.name, node.address);
    });
    text.push_str(
        "Each made its own keys; the second and third only know the first one's address.",
    );
    story.step(text);

    let published = publish(&nodes, story)?;
    let total = published.len() as u64;
    let digest = agree(&nodes, total, 3)?;
    story.step(format!(
        "All three hold the same {total} records, bodies included.\n  set digest {digest}"
    ));

    let first = nodes.remove(0);
    let stopped = first.name.clone();
    first.stop()?;
    let late = nodes[1].publish(&[LATE])?;
    let through = (nodes[0].address.clone(), nodes[0].name.clone());
    nodes.push(DemoNode::start(folder, &CENTRES[3], Some(&through.0))?);
    let digest = agree(&nodes, total + 1, 4)?;
    story.step(format!(
        "{stopped}, through which the others had met, was stopped.\n\
         {} published one more lesson all the same, and {} joined through {}:\n\
         the three that run hold the same {} records.\n  set digest {digest}",
        nodes[1].name,
        CENTRES[3].name,
        through.1,
        total + 1,
    ));
    let newcomer = nodes.last().expect("it was just started");
    search(newcomer, &published, story)?;
    let id = late[0].1.clone();
    show(newcomer, &id, story)?;
    Ok((nodes, id[..12].to_owned()))
}

/// Publishes every centre's examples; returns file names and record ids.
fn publish(nodes: &[DemoNode], story: &mut Story<'_>) -> Result<Vec<(String, String)>, ErrorBody> {
    let mut published = Vec::new();
    let mut text = String::from("Each centre published its records, signed with its own key:\n");
    for (node, centre) in nodes.iter().zip(&CENTRES) {
        let examples = Example::of(centre)?;
        let languages = centre.languages.join(" and ");
        let _ = writeln!(
            text,
            "  {:28} {} invented examples in {languages}",
            node.name,
            examples.len()
        );
        published.extend(node.publish_examples(examples)?);
    }
    let references = nodes[0].publish_initiatives()?;
    let _ = write!(
        text,
        "  {:28} {} initiatives that A/RES/64/222 names, as references",
        nodes[0].name,
        references.len()
    );
    published.extend(references);
    story.step(text);
    Ok(published)
}

/// Waits until all nodes hold the same `records` and every body; returns their digest.
fn agree(nodes: &[DemoNode], records: u64, centres: u64) -> Result<String, ErrorBody> {
    let progress = nodes::Progress::new(records * nodes.len() as u64);
    until("the nodes to hold the same records", || {
        let statuses: Vec<StatusView> =
            nodes.iter().map(DemoNode::status).collect::<Result<_, _>>()?;
        let bodies = |status: &StatusView| status.records.saturating_sub(status.bodies_missing);
        progress.set(statuses.iter().map(bodies).sum());
        let digest = &statuses[0].set_digest;
        let same = statuses.iter().all(|status| {
            status.set_digest == *digest
                && status.records == records
                && status.centres == centres
                && status.bodies_missing == 0
        });
        Ok(same.then(|| digest.clone()))
    })
}

/// Searches in several languages and checks that what should be found is found.
fn search(
    node: &DemoNode,
    published: &[(String, String)],
    story: &mut Story<'_>,
) -> Result<(), ErrorBody> {
    let mut text = format!("{} searches what the others wrote:\n", node.name);
    for query in data::queries() {
        let expected: Vec<_> =
            query.files.iter().map(|file| id_of(published, file)).collect::<Result<_, _>>()?;
        let reply: SearchReply = until("the records to be searchable", || {
            let reply = node.search(query.words, HITS)?;
            Ok((reply.behind == 0).then_some(reply))
        })?;
        let found = |id: &&String| reply.hits.iter().any(|hit| hit.summary.id.to_string() == **id);
        if let Some(missing) = expected.iter().find(|id| !found(id)) {
            return Err(failed(format!(
                "searching `{}` did not find record {missing}",
                query.words
            )));
        }
        let hit = reply
            .hits
            .iter()
            .find(|hit| Some(&hit.summary.id.to_string()) == expected.first().copied());
        let title = hit.map(|hit| hit.summary.title.clone()).unwrap_or_default();
        let _ = writeln!(
            text,
            "  {}  {:24} {:2} found: {title}",
            query.language, query.words, reply.total
        );
    }
    story.step(text.trim_end().to_owned());
    Ok(())
}

/// Shows who holds a record, and that its signature can be checked.
fn show(node: &DemoNode, id: &str, story: &mut Story<'_>) -> Result<(), ErrorBody> {
    let view: RecordView = node.get(&format!("/v1/records/{id}"))?;
    let name = view.summary.centre_name.unwrap_or_default();
    let raw = node.raw(id)?;
    let record =
        baraza_record::SignedRecord::decode(&raw).and_then(baraza_record::SignedRecord::verify);
    let record = record.map_err(|error| failed(format!("record {id} does not verify: {error}")))?;
    story.step(format!(
        "The lesson that came late, on {}'s disk:\n  {}\n  by {name}, signed {}, {} bytes, the signature is valid",
        node.name,
        view.summary.title,
        record.header().signer.short(),
        raw.len(),
    ));
    Ok(())
}

fn id_of<'a>(published: &'a [(String, String)], file: &str) -> Result<&'a String, ErrorBody> {
    let found = published.iter().find(|(source, _)| source == file);
    found.map(|(_, id)| id).ok_or_else(|| failed(format!("{file} was not published")))
}

fn failed(what: String) -> ErrorBody {
    ErrorBody::new(ErrorCode::Internal, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_valid_record() {
        for centre in &CENTRES {
            for example in Example::of(centre).expect("the examples parse") {
                let kind = example.draft.kind;
                let problems = baraza_record::body::validate(kind, &example.draft.body);
                assert!(problems.is_empty(), "{}: {problems:?}", example.file);
            }
        }
    }
}
