//! Who is at the other end of the socket: the system says so, the configuration says what for.
//!
//! Invariant: the kernel's word (`SO_PEERCRED`) is the only proof of who calls. The account that
//! runs the node and root may everything; who is not listed may nothing.
//! Not here: what a role allows (`baraza_server`), the log (`staff_log`), drafts (`drafts`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use std::{collections::BTreeSet, fs, path::PathBuf};

use axum::{
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    middleware::Next,
    response::Response,
    serve::IncomingStream,
};
use baraza_api::{MemberView, Person, Role};
use baraza_server::Caller;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;

/// Accounts of the system.
const PASSWD: &str = "/etc/passwd";
/// Groups of the system.
const GROUP: &str = "/etc/group";

/// Number of root.
const ROOT: u32 = 0;

/// The section `[staff]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Staff {
    /// Whether another person than its authors must release a draft.
    pub(crate) two_person: bool,
    /// Path of a second socket, outside the home, for the staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) socket: Option<PathBuf>,
    /// Group that may use it, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// Who may use the node, and for what.
    #[serde(rename = "member", skip_serializing_if = "Vec::is_empty")]
    pub(crate) members: Vec<Member>,
}

/// A member of the staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    /// Name of the account; its number where the system has no name for it.
    pub(crate) user: String,
    /// What it may do.
    pub(crate) role: Role,
}

impl Staff {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Says what is wrong with the section.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (&self.socket, &self.group) {
            (Some(_), None) => {
                return Err("staff.socket needs staff.group, whose members may use it".into());
            }
            (None, Some(_)) => {
                return Err("staff.group needs staff.socket: a path outside the home, which is \
                            closed to everybody else"
                    .into());
            }
            (Some(path), _) if !path.is_absolute() => {
                return Err(format!("staff.socket: `{}` is not absolute", path.display()));
            }
            _ => (),
        }
        let mut seen = BTreeSet::new();
        for Member { user, role } in &self.members {
            if user.trim().is_empty() {
                return Err("a staff.member has no user".into());
            }
            if *role == Role::Owner {
                return Err(format!(
                    "staff.member {user}: owner is no role to give; it is the account that runs \
                     the node"
                ));
            }
            if !seen.insert(user) {
                return Err(format!("staff.member {user} is listed twice"));
            }
        }
        Ok(())
    }

    /// Returns the members as the API shows them.
    pub(crate) fn views(&self) -> Vec<MemberView> {
        let view = |member: &Member| MemberView { user: member.user.clone(), role: member.role };
        self.members.iter().map(view).collect()
    }

    /// Returns what an account may do at a node that runs as `owner`.
    fn role(&self, account: &Account, owner: u32) -> Option<Role> {
        if account.uid == owner || account.uid == ROOT {
            return Some(Role::Owner);
        }
        let member = self.members.iter().find(|member| account.is(&member.user))?;
        Some(member.role)
    }
}

/// An account as the system knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    name: Option<String>,
}

impl Account {
    fn of(uid: u32) -> Self {
        let passwd = fs::read_to_string(PASSWD).unwrap_or_default();
        Self { uid, name: name_of(&passwd, uid) }
    }

    /// Returns whether the configuration means this account. Digits mean a number, and only of
    /// an account without a name: an account may be called anything.
    fn is(&self, user: &str) -> bool {
        match (&self.name, user.bytes().all(|byte| byte.is_ascii_digit())) {
            (Some(name), false) => name == user,
            (None, true) => user == self.uid.to_string(),
            _ => false,
        }
    }

    fn person(&self) -> Person {
        let user = self.name.clone().unwrap_or_else(|| self.uid.to_string());
        Person { uid: self.uid, user }
    }
}

/// The other end of a connection; none if the kernel did not say.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Option<Account>);

impl Connected<IncomingStream<'_, UnixListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| Account::of(peer.uid())))
    }
}

/// Adds who calls to a request that came over a socket.
pub(crate) async fn identify(
    State(staff): State<std::sync::Arc<Staff>>,
    ConnectInfo(Connection(account)): ConnectInfo<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(account) = account {
        let role = staff.role(&account, own_uid());
        request.extensions_mut().insert(Caller::new(account.person(), role));
    }
    next.run(request).await
}

/// Returns the account of this process, which has its own node in hand.
pub(crate) fn this_process() -> Caller {
    Caller::new(Account::of(own_uid()).person(), Some(Role::Owner))
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the number of a group, given by name or number.
pub(crate) fn group_id(group: &str) -> Option<u32> {
    if let Ok(number) = group.parse() {
        return Some(number);
    }
    let text = fs::read_to_string(GROUP).ok()?;
    let mut lines = text.lines().map(|line| line.split(':'));
    lines.find_map(|mut parts| {
        (parts.next() == Some(group)).then(|| parts.nth(1)?.parse().ok()).flatten()
    })
}

/// Returns the name of an account; the first one, as the system does.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let mut lines = passwd.lines().map(|line| line.split(':'));
    lines.find_map(|mut parts| {
        let name = parts.next().filter(|name| !name.is_empty())?;
        let number: u32 = parts.nth(1)?.parse().ok()?;
        (number == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken line\n\
                        amina:x:1001:1001::/home/amina:/bin/sh\nsecond:x:1001:1:::\n\
                        1005:x:2000:1:::\n";

    fn staff() -> Staff {
        let text = "two_person = true\nsocket = \"/run/baraza/api.sock\"\ngroup = \"baraza\"\n\
                    [[member]]\nuser = \"amina\"\nrole = \"drafter\"\n\
                    [[member]]\nuser = \"1005\"\nrole = \"publisher\"\n";
        toml::from_str(text).unwrap()
    }

    fn account(uid: u32) -> Account {
        Account { uid, name: name_of(TEXT, uid) }
    }

    #[test]
    fn names_come_from_the_system() {
        let names = [0, 1001, 2000, 7].map(|uid| name_of(TEXT, uid));
        let expected = [Some("root"), Some("amina"), Some("1005"), None];
        assert_eq!(names, expected.map(|name| name.map(str::to_owned)));
        assert_eq!(account(7).person(), Person { uid: 7, user: "7".into() });
    }

    #[test]
    fn the_configuration_gives_roles_and_the_system_the_owner() {
        let role = |uid| staff().role(&account(uid), 500);
        assert_eq!(role(500), Some(Role::Owner), "who runs the node");
        assert_eq!(role(0), Some(Role::Owner));
        assert_eq!(role(1001), Some(Role::Drafter));
        assert_eq!(role(1005), Some(Role::Publisher), "a number without a name");
        assert_eq!(role(2000), None, "an account that is called like the number of another");
        assert_eq!(role(7), None);
    }

    #[test]
    fn a_section_that_cannot_work_is_refused() {
        assert_eq!(staff().check(), Ok(()));
        assert_eq!(Staff::default().check(), Ok(()));
        let broken = |change: fn(&mut Staff)| {
            let mut staff = staff();
            change(&mut staff);
            staff.check().unwrap_err()
        };
        assert!(broken(|staff| staff.group = None).contains("group"));
        assert!(broken(|staff| staff.socket = None).contains("socket"));
        assert!(broken(|staff| staff.socket = Some("run/api.sock".into())).contains("absolute"));
        assert!(broken(|staff| staff.members[0].role = Role::Owner).contains("owner"));
        assert!(broken(|staff| staff.members[1].user = "amina".into()).contains("twice"));
        assert!(broken(|staff| staff.members[1].user = " ".into()).contains("no user"));
        assert!(toml::from_str::<Staff>("two_persons = true").is_err(), "a misspelt member");
    }
}
