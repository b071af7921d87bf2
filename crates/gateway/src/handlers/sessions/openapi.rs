//! `/v1/openapi.json`: the API, for those who make clients of it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi, SecurityRequirement, Server};
use utoipa::{OpenApi as _, ToSchema};

use crate::Error;
use crate::app::App;

/// What went wrong.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failed {
    /// A name that does not change.
    code: String,
    /// Finds the line of the log.
    request_id: String,
    /// What to do, if the call can be mended.
    message: Option<String>,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Sluicegate", description = "Sessions of viewers"),
    paths(super::create, super::list, super::show, super::end)
)]
struct Api;

/// The document; as open as the API's being there.
pub(crate) async fn document(State(app): State<App>) -> Result<Json<OpenApi>, Error> {
    app.api().ok_or(Error::NoRoute)?;
    let mut document = Api::openapi();
    document.servers =
        Some(vec![Server::new(format!("{}{}", app.public_host(), app.public_path()))]);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    document.security = Some(vec![SecurityRequirement::new("bearer", [""; 0])]);
    Ok(Json(document))
}
