//! Lists of interstitial assets: the JSON behind X-ASSET-LIST (RFC 8216bis appendix D.2).

use crate::hls::carriers::AttributeUse;
use crate::json::{self, Step};
use crate::slot::Slot;
use crate::{CompileError, Options, Role};

/// Finds the URI of each asset.
pub(crate) fn scan(source: &[u8], options: &Options) -> Result<Vec<Slot>, CompileError> {
    json::scan(source, options, |value| {
        Ok(match value.path {
            [assets, Step::Element, uri] if assets.is("ASSETS") && uri.is("URI") => {
                AttributeUse::Carrier(Role::Asset)
            }
            _ => AttributeUse::NeedsLook,
        })
    })
}
