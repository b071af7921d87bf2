//! Which folders of a route are assets: what a grant may at least narrow down to.

use std::fmt;

use sluicegate_token::ResourcePath;

/// A pattern of leading path segments such as `/videos/{asset}/`.
///
/// A segment in braces stands for any one non-empty segment, every other one for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetPattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any(String),
}

impl AssetPattern {
    /// Reads a pattern; it begins and ends with a slash and has one segment at least.
    ///
    /// # Errors
    /// What is wrong with it, as text for the configuration's reader.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text
            .strip_prefix('/')
            .and_then(|rest| rest.strip_suffix('/'))
            .filter(|inner| !inner.is_empty())
            .ok_or("it must begin and end with '/' and name one folder at least, for example \"/videos/{asset}/\"")?;
        let segments = inner.split('/').map(|segment| {
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match name {
                Some(name) if !name.is_empty() => Ok(Segment::Any(name.to_owned())),
                None if !segment.is_empty() && !segment.contains(['{', '}']) => {
                    Ok(Segment::Literal(segment.to_owned()))
                }
                _ => Err(format!("'{segment}' is neither a name nor a '{{placeholder}}'")),
            }
        });
        segments.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a folder of paths, such as that of a route, is in an asset or has assets below it.
    pub(crate) fn may_be_below(&self, folder: &str) -> bool {
        let folders = folder.split('/').filter(|name| !name.is_empty());
        self.0.iter().zip(folders).all(|(expected, name)| match expected {
            Segment::Literal(literal) => literal == name,
            Segment::Any(_) => true,
        })
    }

    /// How many folders deep an asset is.
    pub(crate) const fn depth(&self) -> usize {
        self.0.len()
    }

    /// Whether `path` lies in a folder that the pattern matches.
    #[must_use]
    pub fn covers(&self, path: &ResourcePath) -> bool {
        let mut segments = path.segments();
        let matches = self.0.iter().all(|expected| match (expected, segments.next()) {
            (Segment::Literal(name), Some(segment)) => segment == name.as_bytes(),
            (Segment::Any(_), Some(segment)) => !segment.is_empty(),
            (_, None) => false,
        });
        // The file's own name comes after the folders.
        matches && segments.next().is_some()
    }

    /// Reports if two paths belong to the same asset: the pattern covers both, and their segments in
    /// the pattern's folders are equal.
    #[must_use]
    pub fn covers_together(&self, one: &ResourcePath, other: &ResourcePath) -> bool {
        let depth = self.0.len();
        self.covers(one)
            && self.covers(other)
            && one.segments().take(depth).eq(other.segments().take(depth))
    }
}

impl fmt::Display for AssetPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| match segment {
            Segment::Literal(name) => write!(f, "/{name}"),
            Segment::Any(name) => write!(f, "/{{{name}}}"),
        })?;
        f.write_str("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_leading_folders() {
        let pattern = AssetPattern::parse("/videos/{asset}/").unwrap();
        assert_eq!(pattern.to_string(), "/videos/{asset}/");
        for (path, covered) in [
            ("/videos/a/master.m3u8", true),
            ("/videos/a/hls/master.m3u8", true),
            ("/videos/a/", true),
            ("/videos/master.m3u8", false),
            ("/videos/a", false),
            ("/other/a/master.m3u8", false),
            ("/", false),
        ] {
            let path = ResourcePath::parse(path.as_bytes()).unwrap();
            assert_eq!(pattern.covers(&path), covered, "{path}");
        }
    }

    #[test]
    fn an_asset_is_told_from_another() {
        let pattern = AssetPattern::parse("/videos/{asset}/").unwrap();
        let together = |one: &str, other: &str| {
            let [one, other] =
                [one, other].map(|path| ResourcePath::parse(path.as_bytes()).unwrap());
            pattern.covers_together(&one, &other)
        };
        assert!(together("/videos/a/i.m3u8", "/videos/a/hls/0.ts"));
        for other in ["/videos/b/0.ts", "/videos/ab/0.ts", "/videos/0.ts", "/other/a/0.ts"] {
            assert!(!together("/videos/a/i.m3u8", other), "{other}");
        }
    }

    #[test]
    fn bad_patterns_are_refused() {
        for bad in ["", "/", "videos/", "/videos", "/a//b/", "/{}/", "/x{y}/"] {
            assert!(AssetPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
