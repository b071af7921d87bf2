//! What m3u8-rs reads, and the same without the tokens.

use std::collections::HashMap;

use m3u8_rs::{
    ExtTag, Key, KeyMethod, MasterPlaylist, MediaPlaylist, Playlist, QuotedOrUnquoted,
    SessionDataField,
};

use url::Url;

use crate::common::{EXPIRES, lead_to};

/// The text without the tokens that signing adds to it.
fn without_token(text: &mut String) {
    const TOKEN_CHARS: usize = 22;
    let end = format!("&expires={}", EXPIRES);
    while let Some(at) = text.find("md5=") {
        let hash_end = at + "md5=".len() + TOKEN_CHARS;
        assert!(text[hash_end..].starts_with(&end), "{text}");
        text.replace_range(at - 1..hash_end + end.len(), "");
    }
}

fn without_token_of_key(key: &mut Key) {
    key.uri.iter_mut().for_each(without_token);
    // Where a comma is missing, the URI is read as a part of the method.
    if let KeyMethod::Other(method) = &mut key.method {
        without_token(method);
    }
}

fn without_tokens_of_tags(tags: &mut [ExtTag]) {
    tags.iter_mut().filter_map(|tag| tag.rest.as_mut()).for_each(without_token);
}

fn without_tokens_of_master(playlist: &mut MasterPlaylist) {
    playlist.variants.iter_mut().for_each(|variant| without_token(&mut variant.uri));
    for alternative in &mut playlist.alternatives {
        alternative.uri.iter_mut().for_each(without_token);
    }
    for data in &mut playlist.session_data {
        if let SessionDataField::Uri(uri) = &mut data.field {
            without_token(uri);
        }
    }
    playlist.session_key.iter_mut().for_each(|key| without_token_of_key(&mut key.0));
    without_tokens_of_tags(&mut playlist.unknown_tags);
}

fn without_tokens_of_media(playlist: &mut MediaPlaylist) {
    for segment in &mut playlist.segments {
        without_token(&mut segment.uri);
        segment.key.iter_mut().for_each(without_token_of_key);
        if let Some(daterange) = &mut segment.daterange {
            for value in daterange.x_prefixed.iter_mut().flat_map(HashMap::values_mut) {
                let (QuotedOrUnquoted::Quoted(text) | QuotedOrUnquoted::Unquoted(text)) = value;
                without_token(text);
            }
        }
        segment.map.iter_mut().for_each(|map| without_token(&mut map.uri));
        without_tokens_of_tags(&mut segment.unknown_tags);
    }
    without_tokens_of_tags(&mut playlist.unknown_tags);
}

/// The parse, if nothing of the text was left over.
pub(crate) fn parse_fully(text: &[u8]) -> Option<Playlist> {
    match m3u8_rs::parse_playlist(text) {
        Ok(([], playlist)) => Some(playlist),
        _ => None,
    }
}

/// The parse with absolute URLs of interstitial assets, which signing makes of relative ones.
pub(crate) fn with_absolute_assets(mut playlist: Playlist, base: &Url) -> Playlist {
    let Playlist::MediaPlaylist(media) = &mut playlist else { return playlist };
    let tags = media.segments.iter_mut().filter_map(|segment| segment.daterange.as_mut());
    for attributes in tags.filter_map(|tag| tag.x_prefixed.as_mut()) {
        if let Some(QuotedOrUnquoted::Quoted(uri)) = attributes.get_mut("X-ASSET-URI")
            && let Some(url) = lead_to(base, uri.as_bytes())
        {
            *uri = url.into();
        }
    }
    playlist
}

/// The parse without the tokens that signing added.
pub(crate) fn without_tokens(mut playlist: Playlist) -> Playlist {
    match &mut playlist {
        Playlist::MasterPlaylist(master) => without_tokens_of_master(master),
        Playlist::MediaPlaylist(media) => without_tokens_of_media(media),
    }
    playlist
}
