//! The nodes of a cluster, for administrators.

use atomik_ports::cluster::Node;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::AdminUser;
use crate::error::{ApiResult, ErrorBody};
use crate::extract::ListOf;

/// The routes under `/api/v1/admin/nodes`.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_nodes))
}

/// One run of the program among those that share the database.
#[derive(Serialize, ToSchema)]
#[schema(as = Node)]
struct NodeView {
    /// What people call it: its machine's name.
    name: String,
    /// The program's version.
    version: String,
    /// What its build must have in common with others: nodes work together with the generation before and after.
    generation: i64,
    /// Where other nodes reach it.
    address: String,
    /// When it began.
    started_at: String,
    /// Whether it says that it lives.
    alive: bool,
    /// How many broker accounts it works on.
    broker_accounts: usize,
    /// Which: the first hundred.
    works_on: Vec<i64>,
}

/// How many accounts of a node are named.
const NAMED: usize = 100;

impl From<Node> for NodeView {
    fn from(node: Node) -> Self {
        Self {
            name: node.card.name,
            version: node.card.version,
            generation: node.generation,
            address: node.card.address,
            started_at: node.card.started_at.to_rfc3339(),
            alive: node.is_alive,
            broker_accounts: node.accounts.len(),
            works_on: node.accounts.iter().take(NAMED).map(|id| id.0).collect(),
        }
    }
}

/// The nodes of the cluster, oldest first
///
/// Those that live or did within the last hour. Empty where the program runs alone, on a database of its own.
#[utoipa::path(
    get,
    path = "/admin/nodes",
    tag = "administration",
    responses(
        (status = OK, description = "Nodes.", body = ListOf<NodeView>),
        (status = UNAUTHORIZED, description = "Nobody is signed in (`unauthenticated`).", body = ErrorBody),
        (status = FORBIDDEN, description = "Not an administrator (`forbidden`).", body = ErrorBody),
        (status = SERVICE_UNAVAILABLE, description = "The store cannot be reached (`store_unavailable`).", body = ErrorBody),
    )
)]
async fn list_nodes(_admin: AdminUser, State(state): State<AppState>) -> ApiResult<Json<ListOf<NodeView>>> {
    let nodes = state.engine.nodes().await?;
    Ok(Json(ListOf::whole(nodes.into_iter().map(NodeView::from).collect())))
}
