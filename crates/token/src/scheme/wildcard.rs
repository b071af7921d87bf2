//! Patterns with `*` and `?`, as Akamai's access lists and CloudFront's policies have them.

/// Whether all of `text` fits `pattern`: `*` stands for any number of bytes, `?` for one.
///
/// Takes no longer than the product of both lengths.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The last `*`, and where the text went on behind it.
    let mut last_star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                last_star = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = last_star else { return false };
                last_star = Some((star, from + 1));
                (p, t) = (star + 1, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_take_any_bytes_and_question_marks_one() {
        for (pattern, text, expected) in [
            ("/live/*", "/live/a/b.ts", true),
            ("/live/*", "/live", false),
            ("/live/*", "/vod/live/a", false),
            ("/a?.ts", "/a1.ts", true),
            ("/a?.ts", "/a12.ts", false),
            ("*.m3u8", "/x/y.m3u8", true),
            ("*.m3u8", "/x/y.m3u8x", false),
            ("*a*b*", "xxaxxbxx", true),
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let (pattern, text) = ("a*".repeat(200), "a".repeat(5000));
        assert!(!fits(format!("{pattern}b").as_bytes(), text.as_bytes()));
    }
}
