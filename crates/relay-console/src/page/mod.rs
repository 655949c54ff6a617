//! The operator page.
use crate::console::Console;
use axum::Router;
pub(crate) fn routes(_console: Console) -> Router {
    Router::new()
}
