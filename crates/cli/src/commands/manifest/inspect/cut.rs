//! References as they may be shown: without anything in them that could be a token.

use sluicegate_token::shown::may_be_token;

/// Stands for what is cut.
const CUT: &str = "…";

/// The reference with the values of its query, its credentials, and segments that may be a token
/// left out. A parameter without a value may be a token as a whole, and is left out, too.
pub(super) fn reference(reference: &[u8]) -> String {
    let text = String::from_utf8_lossy(reference);
    if let Some(scheme) = text.get(..5).filter(|start| start.eq_ignore_ascii_case("data:")) {
        return format!("{scheme}{CUT}");
    }
    let (rest, has_fragment) = split(&text, '#');
    let (path, query) = split(rest, '?');
    let mut shown = path_without_tokens(path);
    if let Some(query) = query {
        let parameters: Vec<_> = query.split('&').map(without_value).collect();
        shown.push('?');
        shown.push_str(&parameters.join("&"));
    }
    if has_fragment.is_some() {
        shown.push('#');
        shown.push_str(CUT);
    }
    shown
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn without_value(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) => format!("{name}={CUT}"),
        None if parameter.is_empty() => String::new(),
        None => CUT.to_owned(),
    }
}

fn path_without_tokens(path: &str) -> String {
    let has_authority = path.starts_with("//") || path.contains("://");
    let mut is_authority = false;
    let segments = path.split('/').enumerate().map(|(index, segment)| {
        // `https:` or nothing, then an empty segment, then the authority.
        let follows_slashes =
            std::mem::replace(&mut is_authority, has_authority && index == 1 && segment.is_empty());
        match segment.rsplit_once('@') {
            Some((_, host)) if follows_slashes => format!("{CUT}@{host}"),
            _ if may_be_token(segment) => CUT.to_owned(),
            _ => segment.to_owned(),
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use sluicegate_token::SessionToken;

    use super::*;

    #[test]
    fn whatever_may_be_a_token_is_cut() {
        let session = "A".repeat(SessionToken::CHARS);
        for (whole, shown) in [
            ("a/b.ts", "a/b.ts"),
            ("a.ts?md5=X&expires=1", "a.ts?md5=…&expires=…"),
            ("a.ts?", "a.ts?"),
            ("a.ts?&X&b=", "a.ts?&…&b=…"),
            ("a.ts?hdnts=exp=1~hmac=X#t=X", "a.ts?hdnts=…#…"),
            ("https://u:X@h/a@b.ts", "https://…@h/a@b.ts"),
            ("//X@h/a.ts", "//…@h/a.ts"),
            (&format!("/s/{session}/a.ts"), "/s/…/a.ts"),
            ("https://h/Vqbb7I2oLJQpA7fLq9Zgkw,1893456000/a.ts", "https://h/…/a.ts"),
            ("DATA:text/plain,X", "DATA:…"),
            ("città.ts", "città.ts"),
            ("", ""),
        ] {
            assert_eq!(reference(whole.as_bytes()), shown);
        }
    }
}
