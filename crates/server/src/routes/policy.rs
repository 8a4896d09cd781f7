//! The policy in force, and why it shows or hides something.
//!
//! Spec: docs/OPERATIONS.md, "Policy" and "API".

use axum::{Json, extract::State};
use baraza_api::{
    AttachmentsView, Explanation, InterestsView, OverrideView, PolicyView, QuotasView,
};
use baraza_protocol::{
    attachments::AttachmentRules,
    command::ServiceStatus,
    effective::Effective,
    interests::Interests,
    policy::{Action, Unaccredited, Verdict},
    quota::QuotaUse,
};

use super::{Node, Reply, node::service_status, trust::nations};
use crate::{
    input::{Id, Params},
    resolve,
    view::statements,
};

pub(crate) async fn policy(State(app): Node, params: Params) -> Reply<PolicyView> {
    params.finish()?;
    let ServiceStatus { declined_feeds, quotas, .. } = service_status(&app).await?;
    let read = app.read(move |app| {
        let (rules, errors) = (app.rules()?, app.node.rules.loaded().errors);
        let overrides = rules.policy.overrides.iter().map(|one| OverrideView {
            id: baraza_record::RecordId(one.id),
            action: match one.action {
                Action::Block => "block".to_owned(),
                Action::Trust => "trust".to_owned(),
            },
            reason: one.reason.clone(),
            until: one.until.clone(),
        });
        Ok(PolicyView {
            unaccredited: match rules.policy.unaccredited {
                Unaccredited::Carry => "carry".to_owned(),
                Unaccredited::Quarantine => "quarantine".to_owned(),
                Unaccredited::Drop => "drop".to_owned(),
            },
            stale_mark_days: rules.policy.stale_mark_days,
            overrides: overrides.collect(),
            nations: nations(app, &rules)?,
            released: rules.trust.released.len(),
            declined_feeds,
            quotas: quotas_view(quotas),
            interests: interests_view(&rules.policy.interests),
            attachments: attachments_view(&rules.policy.attachments),
            errors: errors.into_iter().map(|error| error.message).collect(),
        })
    });
    read.await.map(Json)
}

fn interests_view(interests: &Interests) -> InterestsView {
    InterestsView {
        kinds: interests.kinds.iter().map(ToString::to_string).collect(),
        goals: interests.goals.iter().collect(),
        regions: interests.regions.iter().map(|code| format!("{code:03}")).collect(),
    }
}

fn attachments_view(rules: &AttachmentRules) -> AttachmentsView {
    AttachmentsView {
        fetch_bytes: rules.fetch_bytes,
        types: rules.types.clone(),
        quota_bytes: rules.quota_bytes,
    }
}

fn quotas_view(used: QuotaUse) -> QuotasView {
    QuotasView {
        centres: used.centres,
        centres_max: used.centres_max,
        new_centres_per_day: used.new_centres_per_day,
        bytes: used.bytes,
        bytes_max: used.bytes_max,
        deferred_centres: used.deferred_centres,
        deferred_feeds: used.deferred_feeds,
    }
}

pub(crate) async fn explain(State(app): Node, Id(text): Id) -> Reply<Explanation> {
    let read = app.read(move |app| {
        let (reader, rules) = (&*app.reader, app.rules()?);
        let (centre, record) = resolve::record_or_centre(reader, &text)?;
        let mut effective = Effective::new(reader);
        let centre_name = effective.log(&centre)?.map(|log| log.state().name.clone());
        let verdict = match rules.judge(&centre, record.as_ref()).0 {
            Verdict::Shown => "shown",
            Verdict::Quarantined => "quarantined",
            Verdict::Blocked => "blocked",
        };
        Ok(Explanation {
            centre,
            centre_name,
            record,
            verdict: verdict.to_owned(),
            chain: rules.explain(&centre, record.as_ref()),
            statements: statements(app, &rules, &centre)?,
        })
    });
    read.await.map(Json)
}
