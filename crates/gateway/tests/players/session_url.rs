//! A URL of the gateway taken apart into the session token and the rest.

use sluicegate_testkit::Gateway;
use sluicegate_testkit::http::Client;
use url::Url;

/// Bytes of a session token.
pub(crate) const TOKEN_BYTES: usize = 39;

/// Where in a session token its expiry stands.
pub(crate) const EXPIRY: std::ops::Range<usize> = 5..9;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A URL with a session token in its path or in its query.
#[derive(Clone, Debug)]
pub(crate) struct SessionUrl {
    /// The path without the token.
    pub(crate) path: String,
    /// The token's text.
    pub(crate) token: String,
    in_query: bool,
}

impl SessionUrl {
    /// Takes a URL apart; nothing if it bears no session token.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).unwrap();
        if let Some(rest) = url.path().strip_prefix("/s/") {
            assert_eq!(url.query(), None, "the token in the path is all that a URL bears");
            let (token, path) = rest.split_at(rest.find('/')?);
            return Some(Self { path: path.to_owned(), token: token.to_owned(), in_query: false });
        }
        let token = url.query()?.strip_prefix("sg=")?;
        assert!(!token.contains('&'), "the token is all that the query holds");
        Some(Self { path: url.path().to_owned(), token: token.to_owned(), in_query: true })
    }

    /// The session URL to which an entry link of `path` leads.
    pub(crate) fn enter(gateway: &Gateway, path: &str) -> Self {
        let link = gateway.entry_link(path);
        let target = link.strip_prefix(&gateway.url("")).unwrap();
        let answer = Client::connect(gateway.addr()).unwrap().get(target.as_bytes(), &[]).unwrap();
        assert_eq!(answer.status, 302, "{}", answer.text());
        Self::parse(&gateway.url(answer.header("location").unwrap())).unwrap()
    }

    /// The request target with another token in the same place.
    pub(crate) fn with(&self, token: &str) -> String {
        let Self { path, in_query, .. } = self;
        if *in_query { format!("{path}?sg={token}") } else { format!("/s/{token}{path}") }
    }

    /// The request target with its own token.
    pub(crate) fn target(&self) -> String {
        self.with(&self.token)
    }

    /// Another path with the same token.
    pub(crate) fn elsewhere(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// The token's bytes.
    pub(crate) fn token_bytes(&self) -> [u8; TOKEN_BYTES] {
        assert_eq!(self.token.len(), TOKEN_BYTES / 3 * 4);
        let value = |letter: &u8| ALPHABET.iter().position(|known| known == letter).unwrap();
        let mut bytes = [0; TOKEN_BYTES];
        for (four, three) in self.token.as_bytes().chunks(4).zip(bytes.chunks_mut(3)) {
            let bits = four.iter().fold(0, |bits, letter| bits << 6 | value(letter));
            three.copy_from_slice(&bits.to_be_bytes()[size_of::<usize>() - 3..]);
        }
        bytes
    }
}

/// A token's text.
pub(crate) fn token_text(bytes: &[u8; TOKEN_BYTES]) -> String {
    let letters = bytes.chunks(3).flat_map(|three| {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[bits >> shift & 63]))
    });
    letters.collect()
}

#[test]
fn a_token_is_taken_out_changed_and_put_back() {
    let token = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCX_";
    for url in [format!("http://h/s/{token}/a/b"), format!("http://h/a/b?sg={token}")] {
        let parsed = SessionUrl::parse(&url).unwrap();
        assert_eq!((parsed.path.as_str(), parsed.token.as_str()), ("/a/b", token));
        assert_eq!(format!("http://h{}", parsed.target()), url);
        let bytes = parsed.token_bytes();
        assert_eq!((bytes[1], bytes[37], bytes[38]), (1, 37, 255));
        assert_eq!(token_text(&bytes), token);
    }
    assert!(SessionUrl::parse("http://h/a/b?md5=x&expires=1").is_none());
}
