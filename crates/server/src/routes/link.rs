//! The link: pausing it, and what went over it.
//!
//! Spec: docs/OPERATIONS.md, "Budgets, windows and profiles".

use axum::{Json, extract::State};
use baraza_api::{HoldView, HoldWhy, LinkView, PauseRequest, SpentView};
use baraza_protocol::{
    budget::{Allowance, Hold, HoldReason, PAUSE_MAX_MS},
    command::{BudgetStatus, Command, Reply as Answer},
};
use baraza_record::Timestamp;

use super::{Node, Reply};
use crate::{
    failure::Failure,
    input::{JsonBody, Params},
    state::App,
};

pub(crate) async fn pause(
    State(app): Node,
    JsonBody(request): JsonBody<PauseRequest>,
) -> Reply<LinkView> {
    match request.for_ms {
        Some(0) => return Err(Failure::invalid("a pause of no time is none")),
        Some(for_ms) if PAUSE_MAX_MS < for_ms => {
            let what = format!("a pause of {for_ms} ms, the limit is {PAUSE_MAX_MS} (a year)");
            return Err(Failure::invalid(what).hint("leave the time out, and resume by hand"));
        }
        _ => (),
    }
    change(&app, Command::Pause { for_ms: request.for_ms }).await
}

pub(crate) async fn resume(State(app): Node, params: Params) -> Reply<LinkView> {
    params.finish()?;
    change(&app, Command::Resume).await
}

async fn change(app: &App, command: Command) -> Reply<LinkView> {
    match app.service.call(command).await? {
        Answer::Budget(status) => Ok(Json(link_view(&status))),
        _ => Err(Failure::odd_reply()),
    }
}

/// Returns a budget as people are shown it.
pub(crate) fn link_view(status: &BudgetStatus) -> LinkView {
    let terms = &status.terms;
    let spent = |day_bytes, month_bytes, most: Allowance, held| SpentView {
        day_bytes,
        day_left_bytes: most.day_bytes.map(|most| most.saturating_sub(day_bytes)),
        month_bytes,
        month_left_bytes: most.month_bytes.map(|most| most.saturating_sub(month_bytes)),
        held,
    };
    let (day, month, since) = (status.day, status.month, status.background_since);
    let background = status.background.map(|hold| hold_view(hold, since));
    let asked = status.asked.map(|hold| hold_view(hold, None));
    LinkView {
        profile: terms.profile.name().to_owned(),
        background: spent(day.background, month.background, terms.background, background),
        asked: spent(day.asked, month.asked, terms.asked, asked),
        reserve_left_bytes: status.reserve_left,
        windows: terms.windows.iter().map(ToString::to_string).collect(),
        utc_offset_minutes: terms.utc_offset_minutes,
        kbit_s: terms.kbit_s,
        private_only: terms.private_only,
        paused_since_ms: status.pause.map(|pause| pause.since.0),
    }
}

pub(crate) fn hold_view(hold: Hold, since: Option<Timestamp>) -> HoldView {
    let why = match hold.why {
        HoldReason::Paused => HoldWhy::Paused,
        HoldReason::Window => HoldWhy::Window,
        HoldReason::Day => HoldWhy::Day,
        HoldReason::Month => HoldWhy::Month,
    };
    let ms = |time: Option<Timestamp>| time.map(|time| time.0);
    HoldView { why, since_ms: ms(since), until_ms: ms(hold.until) }
}
