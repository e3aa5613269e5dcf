//! The routes. [`api`] is the only list of them: from it come the router and the OpenAPI document.

mod agents;
mod backups;
mod channels;
mod events;
mod host;
mod plugins;
mod reports;
mod rollouts;
mod runs;
mod tickets;
mod tree;
mod workspaces;

use crate::app::App;
use crate::openapi::Document;
use serde::Deserialize;
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// All routes, with their documentation.
pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(host::health))
        .routes(routes!(host::openapi))
        .routes(routes!(host::problem))
        .routes(routes!(host::status))
        .routes(routes!(workspaces::list))
        .routes(routes!(workspaces::get))
        .routes(routes!(workspaces::apply))
        .routes(routes!(agents::list))
        .routes(routes!(agents::tree))
        .routes(routes!(agents::get))
        .routes(routes!(agents::choose))
        .routes(routes!(tickets::list, tickets::create))
        .routes(routes!(tickets::get))
        .routes(routes!(tickets::assign))
        .routes(routes!(tickets::set_status))
        .routes(routes!(tickets::cancel))
        .routes(routes!(tickets::add_collaborator))
        .routes(routes!(tree::tree))
        .routes(routes!(tree::runs))
        .routes(routes!(channels::list, channels::post))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::resume))
        .routes(routes!(runs::recording))
        .routes(routes!(runs::recorded_journal))
        .routes(routes!(runs::journal))
        .routes(routes!(runs::log))
        .routes(routes!(plugins::list, plugins::add))
        .routes(routes!(plugins::get, plugins::remove))
        .routes(routes!(plugins::component))
        .routes(routes!(plugins::watched))
        .routes(routes!(rollouts::get))
        .routes(routes!(rollouts::activate))
        .routes(routes!(rollouts::pin))
        .routes(routes!(rollouts::unpin))
        .routes(routes!(rollouts::canary))
        .routes(routes!(rollouts::promote))
        .routes(routes!(rollouts::rollback))
        .routes(routes!(rollouts::drain))
        .routes(routes!(events::follow))
        .routes(routes!(backups::make))
        .routes(routes!(reports::report_task))
}

/// The query of routes that only need to know the workspace.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InWorkspace {
    /// The workspace, by id or name; `default` where none is given.
    workspace: Option<String>,
}

/// The query of pages that begin at an index.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FromIndex {
    /// The index to begin at: 0, or the `next` of the page before.
    from: Option<u64>,
    /// Items of a page, 1 to 200; 50 where none is given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// The query of routes that take none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoQuery {}
