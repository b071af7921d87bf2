//! URLs as messages and reports show them: without a query, and without what looks like a CDN's token in
//! the path. Whose scheme is not known, its tokens can be told by their shape alone.

use url::Url;

/// The whole URL.
pub(super) fn url(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.set_path(&path(url));
    shown.into()
}

/// Its path alone.
pub(super) fn path(url: &Url) -> String {
    let shown =
        url.path().split('/').map(|segment| if is_token(segment) { "***" } else { segment });
    shown.collect::<Vec<_>>().join("/")
}

/// A hash, in base64url or hexadecimal, alone or before an expiry; or parameters as a segment.
fn is_token(segment: &str) -> bool {
    let hash = segment.split(',').next().unwrap_or(segment);
    let has = |kind: fn(&u8) -> bool| hash.as_bytes().iter().any(kind);
    let is_base64 = hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    // Names that people give rarely mix both cases, have no dot, and are so long.
    let is_mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let is_hex = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_base64 && is_mixed && hash.len() >= 20)
        || (is_hex && matches!(hash.len(), 32 | 40 | 64 | 128))
        || segment.contains("token=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_token_is_left_out() {
        for (whole, shown) in [
            ("https://h/a/b.m3u8?md5=x&expires=1#t", "https://h/a/b.m3u8"),
            ("https://h/Vqbb7I2oLJQpA7fLq9Zgkw,1893456000/a.ts", "https://h/***/a.ts"),
            (
                "https://h/202601010000/5d41402abc4b2a76b9719d911017c592/a.ts",
                "https://h/202601010000/***/a.ts",
            ),
            ("https://h/bcdn_token=HS256-x&expires=1/a.ts", "https://h/***/a.ts"),
            (
                "https://h/season-1-of-the-film/segment-1080p-00000001.m4s",
                "https://h/season-1-of-the-film/segment-1080p-00000001.m4s",
            ),
        ] {
            assert_eq!(url(&Url::parse(whole).unwrap()), shown);
        }
    }
}
