//! Profiles, and what goes with them.

use super::values::wrong;
use super::{CdnConfig, ConfigError, ProfileConfig, RouteConfig, raw};
use crate::profile_scope::{ProfileScope, signs_all_alike};
use crate::route::Segments;
use crate::session;

pub(super) fn profiles(raw: Vec<raw::Profile>) -> Result<Vec<ProfileConfig>, ConfigError> {
    let mut profiles: Vec<ProfileConfig> = Vec::new();
    for raw in raw {
        let place = format!("profile \"{}\"", raw.name);
        if !(1..=session::MAX_PROFILE).contains(&raw.id) {
            let problem = format!("a number from 1 to {}", session::MAX_PROFILE);
            return Err(wrong(format!("{place}: id"), problem));
        }
        if raw.name.is_empty()
            || profiles.iter().any(|known| known.id == raw.id || known.name == raw.name)
        {
            return Err(wrong(place, "names and ids are not empty, and no two are alike"));
        }
        if raw.max_height.is_none() && raw.max_bitrate.is_none() {
            return Err(wrong(place, "it leaves nothing out: give max_height or max_bitrate"));
        }
        let zero = [
            ("max_height", raw.max_height == Some(0)),
            ("max_bitrate", raw.max_bitrate == Some(0)),
        ]
        .into_iter()
        .find(|(_, is_zero)| *is_zero);
        if let Some((key, _)) = zero {
            let problem =
                "0 leaves no variant; it must be 1 or more, and without it there is no bound";
            return Err(wrong(format!("{place}: {key}"), problem));
        }
        let profile = sluicegate_manifest::Profile {
            max_height: raw.max_height,
            max_bitrate: raw.max_bitrate,
        };
        let scope = raw.profile_scope;
        profiles.push(ProfileConfig { id: raw.id, name: raw.name, profile, scope });
    }
    Ok(profiles)
}

/// Refuses a CDN whose tokens open all alike for links of a profile that keeps something shut.
pub(super) fn refuse_tokens_that_open_all(
    route: &RouteConfig,
    profiles: &[ProfileConfig],
) -> Result<(), ConfigError> {
    let id = route.entry.as_ref().map_or(0, |entry| entry.profile);
    let profile = profiles.iter().find(|profile| profile.id == id);
    let Some(profile) = profile.filter(|profile| profile.scope == ProfileScope::Enforced) else {
        return Ok(());
    };
    let delivers = route.segments != Segments::Gateway;
    // The folder of an asset holds its manifest, and so what the manifest names.
    let root = route.path.split('/').filter(|name| !name.is_empty()).count();
    let depth = route.asset.as_ref().map_or(1, |asset| asset.depth().saturating_sub(root));
    let signs_alike = |cdn: &&CdnConfig| signs_all_alike(cdn, 0) || signs_all_alike(cdn, depth);
    let Some(_) = route.cdn.as_ref().filter(|cdn| delivers && signs_alike(cdn)) else {
        return Ok(());
    };
    let problem = format!(
        "one token of this CDN opens all of an asset, so also what the profile \"{}\" of [route.entry] \
         leaves out: use a scheme that has scope = \"file\", \
         or give the profile profile_scope = \"advisory\", which cuts manifests alone",
        profile.name
    );
    Err(wrong(format!("route \"{}\": cdn.scope", route.id), problem))
}
