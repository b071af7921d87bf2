//! Secrets from files and environment variables.

use std::path::Path;

use secrecy::SecretSlice;

use super::{ConfigError, raw};

/// Reads the secret's text as it stands; the caller cuts a line end where that is the rule.
/// `keygen` is the command that makes such a key.
pub(super) fn read(
    key: &raw::Key,
    folder: &Path,
    place: &str,
    keygen: &str,
) -> Result<SecretSlice<u8>, ConfigError> {
    let wrong = |message: String| ConfigError::Value { place: place.to_owned(), message };
    let text = match (&key.file, &key.env) {
        (Some(file), None) => {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|error| {
                wrong(format!(
                    "cannot read {}: {error}; `{keygen} --out FILE` makes a key",
                    path.display()
                ))
            })?
        }
        (None, Some(variable)) => std::env::var_os(variable)
            .ok_or_else(|| wrong(format!("the environment variable {variable} is not set")))?
            .into_encoded_bytes(),
        _ => {
            return Err(wrong(raw::KEY_SHAPE.to_owned()));
        }
    };
    if text.trim_ascii().is_empty() {
        return Err(wrong("the key is empty".to_owned()));
    }
    Ok(text.into())
}
