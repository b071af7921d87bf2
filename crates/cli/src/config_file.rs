//! The gateway's configuration as `serve` and `config check` read it.

use std::path::Path;

use anyhow::anyhow;
use sluicegate_gateway::{Config, ConfigError};

use crate::exit::{Exit, Failed};

/// Reads a configuration; what is wrong with it is told with the file's name.
pub(crate) fn load(path: &Path) -> Result<Config, Failed> {
    Config::load(path).map_err(|error| {
        let error = match &error {
            ConfigError::Value { .. } => anyhow!("{}: {error}", path.display()),
            // The parser ends its message with a line end.
            _ => anyhow!("{}", error.to_string().trim_end()),
        };
        Failed { exit: Exit::Refused, error }
    })
}

/// What can be served and is hardly meant so.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.api.is_none() {
        for route in config.routes.iter().filter(|route| route.entry.is_none()) {
            warnings.push(format!(
                "route \"{}\": nobody gets in: add [route.entry] for links or [api] for your backend",
                route.id
            ));
        }
    }
    if config.api.is_some() && config.public_url.is_none() && config.listen.ip().is_unspecified() {
        warnings.push(format!(
            "public_url is not set: POST /v1/sessions gives out URLs that begin with http://{}",
            config.listen
        ));
    }
    warnings
}
