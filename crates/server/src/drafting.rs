//! Rules about drafts: who may release or discard one, and what writing in it changes.
//!
//! Invariant: under the two-person rule nobody who wrote in a draft or handed it in releases it;
//! every change of a draft takes it back from being handed in. Nothing here does IO.
//! Not here: roles (`roles`), where drafts are kept (`node`).
//! Spec: docs/OPERATIONS.md, "Drafts and staff".

use baraza_api::{DraftBody, DraftState, DraftView, ErrorCode, Person, Role};
use baraza_record::Kind;

use crate::failure::Failure;

/// Most people who may write in one draft: as many as still know what it says.
pub const AUTHORS_MAX: usize = 16;

/// Refuses what one person may not do alone.
pub(crate) fn direct(two_person: bool) -> Result<(), Failure> {
    if !two_person {
        return Ok(());
    }
    let message = "this node publishes nothing that only one person has seen";
    Err(Failure::new(ErrorCode::SecondPerson, message).hint(
        "baraza draft import FILE, then baraza draft submit ID; another person: baraza draft release ID",
    ))
}

/// Checks whether `by` may release the draft.
pub(crate) fn may_release(two_person: bool, draft: &DraftView, by: &Person) -> Result<(), Failure> {
    if !two_person {
        return Ok(());
    }
    let refused = |message: String| Failure::new(ErrorCode::SecondPerson, message);
    let submitter = draft.submitted_by.as_ref().filter(|_| draft.state == DraftState::Submitted);
    let Some(submitter) = submitter else {
        return Err(refused(format!("draft {} has not been submitted", draft.id))
            .hint(format!("baraza draft submit {}", draft.id)));
    };
    let done = match (draft.authors.iter().any(|author| same(author, by)), same(submitter, by)) {
        (false, false) => return Ok(()),
        (true, _) => "wrote",
        (false, true) => "submitted",
    };
    let message = format!("{} {done} draft {}: another person releases it", by.user, draft.id);
    Err(refused(message).hint("ask a colleague with the role publisher to look at it"))
}

/// Checks whether `by` may discard the draft: its authors, and those who could release it.
pub(crate) fn may_discard(draft: &DraftView, by: &Person, role: Role) -> Result<(), Failure> {
    if Role::Publisher <= role || draft.authors.iter().any(|author| same(author, by)) {
        return Ok(());
    }
    let message = format!("draft {} was written by others", draft.id);
    Err(Failure::new(ErrorCode::NoRole, message).hint("its authors or a publisher can discard it"))
}

/// Returns whether two accounts count as one person: an account that was renamed or numbered
/// anew does not make a second one.
fn same(one: &Person, other: &Person) -> bool {
    one.uid == other.uid || one.user == other.user
}

/// Returns a new draft by `author`.
pub(crate) fn new(from: DraftBody, author: &Person) -> Result<DraftView, Failure> {
    let DraftBody { kind, language, revises, audience, body, source } = from;
    drafted_kind(&kind).map_err(|failure| failure.about(&source))?;
    let authors = vec![author.clone()];
    Ok(DraftView { kind, language, revises, audience, body, authors, ..DraftView::default() })
}

/// Puts what `by` wrote in place of what the draft said.
pub(crate) fn edit(draft: &mut DraftView, to: DraftBody, by: &Person) -> Result<(), Failure> {
    if draft.target.is_some() {
        let message = format!("draft {} is a retraction, which is not edited", draft.id);
        return Err(Failure::invalid(message)
            .hint(format!("baraza draft discard {}, then make another", draft.id)));
    }
    drafted_kind(&to.kind)?;
    if !draft.authors.iter().any(|author| same(author, by)) {
        if AUTHORS_MAX <= draft.authors.len() {
            let message =
                format!("draft {} has {AUTHORS_MAX} authors, which is the limit", draft.id);
            return Err(Failure::invalid(message).hint("import it anew"));
        }
        draft.authors.push(by.clone());
    }
    draft.kind = to.kind;
    draft.language = to.language;
    draft.revises = to.revises;
    draft.audience = to.audience;
    draft.body = to.body;
    draft.state = DraftState::Draft;
    draft.submitted_by = None;
    Ok(())
}

/// Hands the draft in.
pub(crate) fn submit(draft: &mut DraftView, by: &Person) {
    draft.state = DraftState::Submitted;
    draft.submitted_by = Some(by.clone());
}

/// Checks that the draft is still the version that was looked at.
pub(crate) fn is_version(draft: &DraftView, version: Option<u64>) -> Result<(), Failure> {
    match version {
        Some(version) if version != draft.version => {
            let message = format!(
                "draft {} was changed meanwhile: it is at version {}, you saw {version}",
                draft.id, draft.version
            );
            Err(Failure::invalid(message).hint(format!("baraza draft show {}", draft.id)))
        }
        _ => Ok(()),
    }
}

/// Returns what publishing takes.
pub(crate) fn body_of(draft: &DraftView) -> DraftBody {
    DraftBody {
        kind: draft.kind.clone(),
        language: draft.language.clone(),
        revises: draft.revises.clone(),
        audience: draft.audience.clone(),
        body: draft.body.clone(),
        source: format!("draft {}", draft.id),
    }
}

fn drafted_kind(name: &str) -> Result<(), Failure> {
    match Kind::from_name(name) {
        Some(Kind::RETRACTION) => Err(Failure::invalid("a retraction is no draft of a file")
            .hint("baraza draft retract ID --reason REASON")),
        Some(Kind::ACCREDITATION) => {
            Err(Failure::invalid("an accreditation is no draft of a file")
                .hint("baraza nation accredit CENTRE"))
        }
        Some(_) => Ok(()),
        None => {
            let short: String = name.chars().take(60).collect();
            Err(Failure::invalid(format!("`{short}` is no kind of record")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn person(uid: u32, user: &str) -> Person {
        Person { uid, user: user.into() }
    }

    fn text(kind: &str) -> DraftBody {
        DraftBody {
            kind: kind.into(),
            language: None,
            revises: None,
            audience: None,
            body: Map::new(),
            source: "a.md".into(),
        }
    }

    #[test]
    fn the_second_person_is_neither_author_nor_submitter() {
        let [amina, brian, chen] =
            [(1, "amina"), (2, "brian"), (3, "chen")].map(|(uid, user)| person(uid, user));
        let mut draft = new(text("lesson"), &amina).unwrap();
        let may = |draft: &DraftView, by: &Person| may_release(true, draft, by).is_ok();

        assert!(![&amina, &brian].iter().any(|by| may(&draft, by)), "not yet submitted");
        submit(&mut draft, &amina);
        assert!(!may(&draft, &amina) && may(&draft, &brian));
        submit(&mut draft, &brian);
        assert!(!may(&draft, &brian) && !may(&draft, &amina) && may(&draft, &chen));

        edit(&mut draft, text("lesson"), &chen).unwrap();
        assert!(![&amina, &brian, &chen].iter().any(|by| may(&draft, by)), "taken back by an edit");
        submit(&mut draft, &amina);
        assert!(may(&draft, &brian) && !may(&draft, &chen), "who wrote in it is an author");

        assert!(!may(&draft, &person(1, "renamed")), "the same account under another name");
        assert!(!may(&draft, &person(9, "amina")), "the same name under another number");
        assert!(may_release(false, &draft, &amina).is_ok(), "without the rule anybody");
        assert!(direct(false).is_ok());
        assert_eq!(direct(true).unwrap_err().0.code, ErrorCode::SecondPerson);
    }

    #[test]
    fn a_drafter_discards_only_what_is_theirs() {
        let (amina, brian) = (person(1, "amina"), person(2, "brian"));
        let draft = new(text("lesson"), &amina).unwrap();
        assert!(may_discard(&draft, &amina, Role::Drafter).is_ok());
        let refused = may_discard(&draft, &brian, Role::Drafter).unwrap_err().0;
        assert_eq!(refused.code, ErrorCode::NoRole);
        assert!(may_discard(&draft, &brian, Role::Publisher).is_ok());
    }

    #[test]
    fn drafts_have_a_kind_of_which_people_write() {
        let amina = person(1, "amina");
        for kind in ["retraction", "poem", ""] {
            assert_eq!(new(text(kind), &amina).unwrap_err().0.code, ErrorCode::Invalid, "{kind}");
        }
        let mut draft = new(text("practice"), &amina).unwrap();
        for uid in 2..=AUTHORS_MAX as u32 {
            edit(&mut draft, text("practice"), &person(uid, &format!("user {uid}"))).unwrap();
        }
        assert!(edit(&mut draft, text("practice"), &person(99, "late")).is_err());
        assert!(edit(&mut draft, text("practice"), &amina).is_ok(), "an author may always");
        assert_eq!(draft.authors.len(), AUTHORS_MAX);
    }
}
