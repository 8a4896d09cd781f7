//! The people on the node's machine.
//!
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use baraza_api::{StaffLogReply, StaffReply};

use crate::{
    args::Staff,
    clock,
    error::Failure,
    output::{Facts, Table},
    safe::Safe,
    shell::Shell,
};

/// Runs a command about the staff.
pub(super) fn run(shell: &mut Shell<'_, '_>, command: &Staff) -> Result<(), Failure> {
    match command {
        Staff::List => list(shell),
        Staff::Log { limit } => log(shell, *limit),
    }
}

fn list(shell: &mut Shell<'_, '_>) -> Result<(), Failure> {
    let reply: StaffReply = shell.client()?.get("/v1/staff")?;
    if shell.json {
        return shell.print_json(&reply);
    }
    let text = |text: &Option<String>| Safe(text.as_deref().unwrap_or_default()).to_string();
    let mut facts = Facts::default();
    facts.add("You", format!("{}, {}", Safe(&reply.you.user), reply.you.role.name()));
    facts.add("Two persons", if reply.two_person { "needed to publish" } else { "not needed" });
    facts.add("Socket", text(&reply.socket));
    facts.add("Group", text(&reply.group));
    shell.print(facts.render())?;
    if reply.members.is_empty() {
        return shell.print("Nobody but the owner of the node may use it.\n");
    }
    let mut table = Table::new(&["USER", "ROLE"], 0);
    for member in &reply.members {
        table.row([Safe(&member.user).to_string(), member.role.name().to_owned()]);
    }
    shell.print("\n")?;
    shell.print_table(&table)
}

fn log(shell: &mut Shell<'_, '_>, limit: u16) -> Result<(), Failure> {
    let reply: StaffLogReply = shell.client()?.get(format!("/v1/staff/log?limit={limit}"))?;
    if shell.json {
        return shell.print_json(&reply.entries);
    }
    if reply.entries.is_empty() {
        return shell.print("Nothing has been done yet.\n");
    }
    let mut table = Table::new(&["TIME", "USER", "ACTION", "OBJECT", "OUTCOME"], 3);
    for entry in &reply.entries {
        let objects = entry.objects.iter().map(|object| short(object)).collect::<Vec<_>>();
        let more = match entry.more {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        table.row([
            clock::moment(entry.time_ms, shell.screen.now),
            Safe(&entry.person.user).to_string(),
            Safe(&entry.action).to_string(),
            objects.join(" ") + &more,
            Safe(&entry.outcome).to_string(),
        ]);
    }
    shell.print_table(&table)
}

/// Returns as much of an id as people need to recognise it.
fn short(id: &str) -> String {
    let start: String = id.chars().take(baraza_record::SHORT_DIGITS).collect();
    Safe(&start).to_string()
}
