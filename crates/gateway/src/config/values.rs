//! What single values of the file must be.

use url::Url;

use super::ConfigError;

/// A year: beyond it a window is surely a mistake, and every expiry still fits 32 bits.
const MAX_WINDOW_SECS: u64 = 366 * 86_400;

pub(super) fn wrong(place: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError::Value { place: place.into(), message: message.into() }
}

pub(super) fn window(secs: u64, place: &str) -> Result<u64, ConfigError> {
    if (1..=MAX_WINDOW_SECS).contains(&secs) {
        Ok(secs)
    } else {
        Err(wrong(place, format!("it must be 1 to {MAX_WINDOW_SECS} seconds")))
    }
}

/// An HTTP URL that stands for a folder: no query, no fragment, no user, a slash at the end.
pub(super) fn folder_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("\"{text}\" is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("\"{text}\" is not an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user or a password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("\"{text}\" has a query or a fragment"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}
