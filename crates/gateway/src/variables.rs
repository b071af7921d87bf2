//! Values that a rendition's playlist imports from its multivariant playlist (EXT-X-DEFINE
//! IMPORT): they travel in the rendition's URL, tagged, since they decide what is signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluicegate_manifest::Variables;
use sluicegate_token::{Refusal, SessionKey, SessionKeys, UnixTime};

use crate::Error;
use crate::route::{Place, Route};

/// The query parameter that carries them.
pub(crate) const VARIABLES_PARAMETER: &str = "sgv";

/// More than that is no longer a URL that every player takes.
const MAX_BYTES: usize = 1500;

const LABEL: &str = "variables";
const TAG_BYTES: usize = 16;

/// Writes the values for a document at `place`; none if they are too long.
pub(crate) fn seal(
    signer: &SessionKey,
    route: &Route,
    place: &Place,
    variables: &[(String, String)],
) -> Option<String> {
    let values = serde_json::to_vec(variables).ok().filter(|values| values.len() <= MAX_BYTES)?;
    let tag = signer.tag(LABEL, &[route.config.id.as_bytes(), place.path.as_bytes(), &values]);
    let sealed = [&[signer.id()][..], &tag, &values].concat();
    Some(URL_SAFE_NO_PAD.encode(sealed))
}

/// Reads the values that came with a request for `place`.
pub(crate) fn open(
    keys: &SessionKeys,
    route: &Route,
    place: &Place,
    sealed: Option<&str>,
    now: UnixTime,
) -> Result<Variables, Error> {
    let Some(sealed) = sealed else { return Ok(Variables::default()) };
    let malformed = Refusal::MalformedToken("the variables are not well-formed");
    let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| malformed.clone())?;
    let (&id, rest) = bytes.split_first().ok_or_else(|| malformed.clone())?;
    let (tag, values) = rest.split_first_chunk::<TAG_BYTES>().ok_or_else(|| malformed.clone())?;
    let key = keys.by_id(id, now).ok_or(Refusal::UnknownKey(id))?;
    let parts = [route.config.id.as_bytes(), place.path.as_bytes(), values];
    if !key.has_tagged(LABEL, &parts, tag) {
        return Err(Refusal::WrongToken.into());
    }
    let imported = serde_json::from_slice(values).map_err(|_| malformed)?;
    Ok(Variables { imported })
}
