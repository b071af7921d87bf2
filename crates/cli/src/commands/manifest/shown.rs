//! URLs as messages and reports show them: without a query, and without what may be a token in the path.

use sluicegate_token::shown::{MASK, may_be_token};
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
        url.path().split('/').map(|segment| if may_be_token(segment) { MASK } else { segment });
    shown.collect::<Vec<_>>().join("/")
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
            ("https://h/a;x=Vqbb7I2oLJQpA7fLq9Zgkw/a.ts", "https://h/***/a.ts"),
            ("https://h/%56qbb7I2oLJQpA7fLq9Zgkw/a.ts", "https://h/***/a.ts"),
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
