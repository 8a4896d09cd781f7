//! A feed of ours that forked goes on: one branch is chosen.
//!
//! Spec: docs/OPERATIONS.md, "A feed that forks"; docs/PROTOCOL.md, sections 4.4 and 5.3.

use baraza_api::{BranchView, ErrorCode, FeedRecord, FeedView};
use baraza_identity::{BranchChoice, Changes, IdentityEvent};
use serde_json::json;

use super::{id_prefix, operator::sign_update};
use crate::{
    args::Resume,
    ceremony::{self, Own},
    clock,
    error::{Failure, failure},
    output::{Table, count},
    safe::Safe,
    shell::Shell,
};

/// Chooses the branch of a forked feed that goes on.
pub(super) fn resume(shell: &mut Shell<'_, '_>, args: &Resume) -> Result<(), Failure> {
    let own = Own::load(shell)?;
    own.require_sound()?;
    let feed = forked(&own, args.feed.as_deref())?;
    let seq = feed.fork.unwrap_or_default();
    if args.keep.is_none() || !shell.yes() {
        show(shell, &feed);
    }
    let kept = branch(shell, &feed, args.keep.as_deref())?;
    let choice = BranchChoice { feed: feed.feed, seq, record: kept.record };
    let changes = Changes { branches: vec![choice], ..Changes::default() };
    let event = IdentityEvent::update(own.link(shell.screen.now), changes);
    own.state().would_take(&event).map_err(|error| ceremony::refused(&error))?;
    let others: Vec<_> =
        feed.branches.iter().filter(|branch| branch.record != kept.record).collect();
    let question = format!(
        "Go on with record {} at position {seq}? Nobody shows the other branch any more.",
        kept.record.short()
    );
    if !shell.confirm(&question)? {
        return Ok(());
    }
    if !sign_update(shell, &own, event, args.roots.request.as_deref(), &args.roots)? {
        return Ok(());
    }
    let left: Vec<_> = others.iter().flat_map(|branch| &branch.records).collect();
    if shell.json {
        return shell.print_json(&json!({ "kept": kept.record, "left": left }));
    }
    shell.print(format!("The feed goes on with record {}.\n", kept.record.short()))?;
    if !left.is_empty() {
        shell.print("\nLeft on the other branch:\n")?;
        let mut table = Table::new(&["RECORD", "STATED TIME", "TITLE"], 2);
        for record in left {
            let time = clock::moment(record.created_ms, shell.screen.now);
            table.row([record.id.short(), time, title(record)]);
        }
        shell.print_table(&table)?;
    }
    shell.note(
        "
To publish one of them again: baraza show ID --markdown > again.md, delete the line `revises`,
then: baraza publish again.md
What is not held here is on the other node, where the same commands show it.
Never run two nodes with copies of one home: a second machine joins with its own keys
(baraza init --join-centre).",
    );
    Ok(())
}

/// Returns the feed of ours that forks.
fn forked(own: &Own, wanted: Option<&str>) -> Result<FeedView, Failure> {
    let wanted = wanted.map(id_prefix).transpose()?;
    let mut feeds = own.feeds()?.feeds;
    feeds.retain(|feed| {
        let named = |digits: &String| feed.feed.to_string().starts_with(digits);
        feed.fork.is_some() && wanted.as_ref().is_none_or(named)
    });
    let listed: Vec<_> = feeds.iter().map(|feed| feed.feed.short()).collect();
    match (feeds.pop(), listed.as_slice()) {
        (Some(feed), [_]) => Ok(feed),
        (Some(_), several) => {
            let what = format!("several feeds fork: {}", several.join(", "));
            Err(failure(ErrorCode::Ambiguous, what).hint("name one: --feed FEED"))
        }
        (None, _) => Err(failure(
            ErrorCode::NotFound,
            "no feed of the centre forks, as far as is known here",
        )
        .hint("baraza status")),
    }
}

fn show(shell: &mut Shell<'_, '_>, feed: &FeedView) {
    let mut text = format!(
        "Feed {} forks at position {}: its key signed two records there.\n",
        feed.feed.short(),
        feed.fork.unwrap_or_default()
    );
    for (number, branch) in feed.branches.iter().enumerate() {
        let held = count(branch.held, "record", "records");
        text += &format!("\nBranch {}: {held} held here\n", number + 1);
        for record in &branch.records {
            let time = clock::moment(record.created_ms, shell.screen.now);
            text += &format!("  {}  {time}  {}\n", record.id.short(), title(record));
        }
    }
    shell.tell(text);
}

fn title(record: &FeedRecord) -> String {
    match record.title.as_str() {
        "" => "(its text is not held here)".into(),
        title => Safe(title).to_string(),
    }
}

/// Returns the branch that goes on: named, or asked for.
fn branch<'a>(
    shell: &mut Shell<'_, '_>,
    feed: &'a FeedView,
    keep: Option<&str>,
) -> Result<&'a BranchView, Failure> {
    let answer = match keep {
        Some(keep) => keep.to_owned(),
        None => shell.ask("Which branch goes on (1 or 2)? ")?.ok_or_else(|| {
            let firsts: Vec<_> = feed.branches.iter().map(|branch| branch.record.short()).collect();
            failure(ErrorCode::BadRequest, "it is not said which branch goes on")
                .hint(format!("--keep RECORD, one of {}", firsts.join(" and ")))
        })?,
    };
    if keep.is_none()
        && let Some(branch) =
            answer.parse::<usize>().ok().and_then(|n| feed.branches.get(n.checked_sub(1)?))
    {
        return Ok(branch);
    }
    let digits = id_prefix(&answer)?;
    let mut fit = feed.branches.iter().filter(|branch| {
        branch.records.iter().any(|record| record.id.to_string().starts_with(&digits))
    });
    match (fit.next(), fit.next()) {
        (Some(branch), None) => Ok(branch),
        _ => Err(failure(ErrorCode::NotFound, format!("no branch has a record `{answer}`"))
            .hint("baraza centre resume shows both branches")),
    }
}
