//! The gateway's configuration as `serve` and `config check` read it.

use std::path::Path;

use anyhow::anyhow;
use sluicegate_gateway::{CdnConfig, Config, ConfigError, Hosts};

use crate::exit::{Exit, Failed};
use crate::output;

/// Reads a configuration; what is wrong with it is told with the file's name.
pub(crate) fn load(path: &Path) -> Result<Config, Failed> {
    Config::load(path).map_err(|error| not_loaded(path, &error))
}

/// Reads a table of hosts; what should be mended is told at once.
pub(crate) fn load_hosts(path: &Path) -> Result<Vec<CdnConfig>, Failed> {
    let Hosts { hosts, warnings, .. } =
        Hosts::load(path).map_err(|error| not_loaded(path, &error))?;
    for warning in warnings {
        output::warning(&warning);
    }
    Ok(hosts)
}

fn not_loaded(path: &Path, error: &ConfigError) -> Failed {
    let error = match error {
        ConfigError::Value { .. } => anyhow!("{}: {error}", path.display()),
        // The parser ends its message with a line end.
        _ => anyhow!("{}", error.to_string().trim_end()),
    };
    Failed { exit: Exit::Refused, error }
}

/// What can be served and is hardly meant so.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.warnings.clone();
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
