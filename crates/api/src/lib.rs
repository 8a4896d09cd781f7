//! Request and reply types of the HTTP API, and what a client of it is.
//!
//! Layer 3. Invariant: command line, page and scripts use these and nothing else.
//! Not here: routes (`baraza-server`), sockets (`node`).
//! Spec: docs/OPERATIONS.md, "API".

mod bundle;
mod drafts;
mod error;
mod identity;
mod networks;
mod records;
mod staff;
mod transport;
mod trust;
mod views;

pub use bundle::{Lacking, PlanReply};
pub use drafts::{
    DRAFT_TITLE_CHARS_MAX, DraftState, DraftSummary, DraftView, DraftsReply, EditRequest,
    ImportRequest, ReleaseRequest, RetractionDraft, SubmitReply,
};
pub use error::{ErrorBody, ErrorCode};
pub use identity::{
    BranchView, EventsReply, FeedRecord, FeedView, FeedsReply, IdentifyReply, IdentifyRequest,
};
pub use networks::{
    CreateNetwork, CreatedNetwork, Invitation, InvitationView, NetworkView, NetworksReply,
};
pub use records::{
    AudienceView, DraftBody, ErasureView, Filter, HitView, Holders, ListReply, Problem,
    PublishReply, PublishRequest, Published, RecordSummary, RecordView, RetractRequest,
    RootSignature, RowReport, SearchReply, SeriesView, Standing, VersionView,
};
pub use staff::{LogEntry, MemberView, Person, Role, StaffLogReply, StaffReply};
pub use transport::{BodyKind, Client, Request, Response, TransportError};
pub use trust::{
    AccreditRequest, Explanation, InterestsView, OverrideView, PolicyView, QuarantineRelease,
    QuarantineReply, QuarantinedCentre, QuotasView, Released, StatementView, TrustReply,
    TrustRequest, TrustedNation, UntrustRequest,
};
pub use views::{
    CentreView, CheckReply, DialRequest, EventView, HorizonView, Imported, ListCentres, LogState,
    OperatorView, PeerView, PeersReply, StatusView, SyncReply, SyncRequest, UnlockRequest, Warning,
};

/// Most bytes of a request or reply body (4 MiB).
pub const API_BODY_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// Bytes after which a piece of a bundle ends (1 MiB): one request carries one piece.
pub const BUNDLE_PIECE_BYTES: usize = 1_024 * 1_024;

/// Most records on one page of a list.
pub const PAGE_MAX: usize = 200;
