//! Care of the store.
//!
//! Spec: docs/OPERATIONS.md, "Check and repair".

use baraza_api::{ErrorCode, Problem};

use crate::{
    args::Check,
    error::{Failure, failure},
    output::{Table, bytes, count},
    safe::Safe,
    shell::Shell,
};

/// Reads the store and reports what is wrong.
pub(super) fn check(shell: &mut Shell<'_, '_>, args: &Check) -> Result<(), Failure> {
    let reply = shell.host.check(&shell.home, args.full)?;
    if shell.json {
        shell.print_json(&reply)?;
    } else {
        let records = count(reply.records, "record", "records");
        let frames = count(reply.frames, "frame", "frames");
        shell.print(format!("{records} sound, in {frames} ({})\n", bytes(reply.bytes)))?;
        if reply.attachments != 0 {
            let files = count(reply.attachments, "attachment", "attachments");
            shell.print(format!("{files} read\n"))?;
        }
        print_problems(shell, &reply.problems)?;
    }
    if reply.problems.is_empty() {
        return Ok(());
    }
    let problems = count(reply.problems.len() as u64, "problem", "problems");
    Err(failure(ErrorCode::Store, format!("the store has {problems}"))
        .hint("stop the daemon, then: baraza repair; what is lost comes back from peers"))
}

/// Rebuilds what can be rebuilt from the ledger.
pub(super) fn repair(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let home = shell.home.display().to_string();
    if !shell.confirm(&format!("Rebuild the store in {home}?"))? {
        return Ok(());
    }
    let report = shell.host.repair(&shell.home)?;
    if shell.json {
        shell.print_json(&report)?;
    } else {
        for step in &report.steps {
            shell.print(format!("- {}\n", Safe(step)))?;
        }
        shell.print(format!("{} in the store\n", count(report.records, "record", "records")))?;
        print_problems(shell, &report.lost)?;
    }
    if report.lost.is_empty() {
        return Ok(());
    }
    let lost = count(report.lost.len() as u64, "part", "parts");
    let what = format!("{lost} of the store could not be repaired");
    Err(failure(ErrorCode::Store, what).partly().hint("baraza start: peers have what is lost"))
}

fn print_problems(shell: &mut Shell<'_, '_>, problems: &[Problem]) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["WHERE", "WHAT IS WRONG", "FOUND"], 1);
    for Problem { field, rule, value } in problems {
        table.row([field, rule, value].map(|text| Safe(text).to_string()));
    }
    shell.print("\n")?;
    shell.print_table(&table)
}
