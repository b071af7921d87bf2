//! What the tests share: the modes in which a manifest is rendered, and an own look at its URIs.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::ops::Range;
use std::path::{Path, PathBuf};

use sluicegate_manifest::{
    CdnPaths, Decision, Edit, ExistingToken, KeepReason, Kept, Options, Place, RenderError,
    SignHost, Template, TokenAt, TokenRef, Uri, UriPolicy, Variables,
};
use sluicegate_token::{ByteList, CdnKey, Gcore, Scope, UnixTime};
use url::{Position, Url};

/// Where the manifests of these tests come from.
pub(crate) const BASE: &str = "https://cdn.example.com/vod/movie/master.m3u8";
/// The expiry of every token.
pub(crate) const EXPIRES: UnixTime = UnixTime(2_147_483_647);
/// The moment at which live manifests are rendered: 2026-01-01.
pub(crate) const NOW: UnixTime = UnixTime(1_767_225_600);

pub(crate) fn url(text: &str) -> Url {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn compile(source: &[u8]) -> Template {
    Template::compile(source.to_vec().into(), &Options::default()).unwrap()
}

pub(crate) fn gcore(scope: Scope) -> Gcore {
    Gcore::new(CdnKey::plain("test", b"golden-test-key"), scope)
}

/// A rendered manifest with everything that is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) edits: Vec<Edit>,
    pub(crate) kept: Vec<Kept>,
}

/// Plans and renders with the tokens that `tokens` makes once everything is decided.
pub(crate) fn render<P: UriPolicy>(
    template: &Template,
    place: &Place,
    policy: &mut P,
    tokens: impl FnOnce(&P) -> Vec<ByteList>,
) -> Result<Rendered, RenderError> {
    let plan = template.plan(place, policy)?;
    let tokens = tokens(policy);
    let sluicegate_manifest::Rendered { bytes, edits } = plan.render(&tokens);
    Ok(Rendered { bytes, edits, kept: plan.kept().to_vec() })
}

/// Signs what is on the manifest's own host.
pub(crate) fn sign_with(
    gcore: &Gcore,
    template: &Template,
    place: &Place,
) -> Result<Rendered, RenderError> {
    let mut policy = SignHost::new(&place.base, gcore);
    render(template, place, &mut policy, |policy| policy.sign(EXPIRES, None).unwrap())
}

/// Signs, per directory, what is on the manifest's own host.
pub(crate) fn sign(source: &[u8], base: &str) -> Result<Rendered, RenderError> {
    sign_with(&gcore(Scope::Directory), &compile(source), &Place::at(url(base)))
}

/// The signed text, which must be UTF-8.
pub(crate) fn signed(source: &str, base: &str) -> String {
    String::from_utf8(sign(source.as_bytes(), base).unwrap().bytes).unwrap()
}

/// The workspace's folder of fixtures.
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// Every file below `folder`, in order of name.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// A playlist's file, by its name.
pub(crate) fn is_playlist(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "m3u8" || extension == "m3u")
}

// === Modes ===

/// The ways in which manifests are rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing changes.
    Identity,
    /// A token per directory, on the manifest's own host.
    SignDirectory,
    /// A token per file, on the manifest's own host.
    SignFile,
    /// The same, and tokens that are there already are dropped.
    SignAnew,
    /// A gateway that serves the playlists and sends players to a CDN for the rest.
    CdnBehindGateway,
    /// A gateway that serves everything below a path that holds the session.
    PathGateway,
}

impl Mode {
    pub(crate) const ALL: [Self; 6] = [
        Self::Identity,
        Self::SignDirectory,
        Self::SignFile,
        Self::SignAnew,
        Self::CdnBehindGateway,
        Self::PathGateway,
    ];

    /// The scope of the CDN tokens, if there are any.
    pub(crate) const fn scope(self) -> Option<Scope> {
        match self {
            Self::Identity | Self::PathGateway => None,
            Self::SignDirectory | Self::CdnBehindGateway => Some(Scope::Directory),
            Self::SignFile | Self::SignAnew => Some(Scope::File),
        }
    }

    /// Where the manifest came from and where players see it.
    pub(crate) fn place(self) -> Place {
        let base = url(BASE);
        let path = &base[Position::BeforePath..];
        let served = match self {
            Self::CdnBehindGateway => url(&format!("https://gateway.invalid{path}")),
            Self::PathGateway => url(&format!("{GATEWAY}/{SESSION}{path}")),
            _ => base.clone(),
        };
        Place { base, served, variables: Variables::default(), now: Some(NOW), max_steps: None }
    }

    /// Renders with the mode's policy, and tells each URL that it delivered, token and all.
    pub(crate) fn render(self, template: &Template) -> Result<(Rendered, Vec<Url>), RenderError> {
        self.render_at(template, self.place())
    }

    /// The same where `place`, the mode's own, has got a query or variables.
    pub(crate) fn render_at(
        self,
        template: &Template,
        mut place: Place,
    ) -> Result<(Rendered, Vec<Url>), RenderError> {
        let gcore = gcore(self.scope().unwrap_or(Scope::File));
        let base = url(BASE);
        let policy: Box<dyn ModePolicy + '_> = match self {
            Self::Identity => Box::new(KeepAll),
            Self::SignDirectory | Self::SignFile => Box::new(SignHost::new(&base, &gcore)),
            Self::SignAnew => {
                Box::new(SignHost::new(&base, &gcore).existing(ExistingToken::Replace))
            }
            Self::CdnBehindGateway => Box::new(ToCdn { base, paths: CdnPaths::new(0, &gcore) }),
            Self::PathGateway => Box::new(ToGateway { base }),
        };
        // A plan knows no session yet.
        let session = TokenRef { list: 0, index: 0 }.placeholder();
        place.served = url(&place.served.as_str().replace(SESSION, &session));
        let mut policy = Recording { policy, delivered: Vec::new() };
        let mut tokens = Vec::new();
        let rendered = render(template, &place, &mut policy, |policy| {
            tokens = policy.policy.tokens();
            tokens.clone()
        })?;
        let delivered = policy.delivered.into_iter().map(|(url, at)| with_token(url, at, &tokens));
        Ok((rendered, delivered.collect()))
    }
}

/// Where [`Mode::PathGateway`] serves; the session and origin paths follow.
const GATEWAY: &str = "http://gateway.invalid/s";
/// The session's token there.
const SESSION: &str = "SESSION";

/// A policy, and the tokens of what it decided.
trait ModePolicy: UriPolicy {
    fn tokens(&self) -> Vec<ByteList>;
}

fn with_token(mut url: Url, at: Option<TokenAt>, tokens: &[ByteList]) -> Url {
    let text = |token: TokenRef| {
        let text = tokens[usize::from(token.list)].get(token.index as usize);
        std::str::from_utf8(text).unwrap().to_owned()
    };
    match at {
        None => url,
        Some(TokenAt::Query(token)) => {
            let old = url.query().map(|old| format!("{old}&")).unwrap_or_default();
            url.set_query(Some(&format!("{old}{}", text(token))));
            url
        }
        Some(TokenAt::Path(token)) => {
            self::url(&url.as_str().replacen(&token.placeholder(), &text(token), 1))
        }
    }
}

struct KeepAll;

impl UriPolicy for KeepAll {
    fn decide(&mut self, _uri: &Uri<'_>) -> Decision {
        Decision::Keep(KeepReason::Identity)
    }

    fn trusts_strangers(&self) -> bool {
        true
    }

    fn protects(&self, _url: &Url) -> bool {
        false
    }
}

impl ModePolicy for KeepAll {
    fn tokens(&self) -> Vec<ByteList> {
        Vec::new()
    }
}

impl ModePolicy for SignHost<'_> {
    fn tokens(&self) -> Vec<ByteList> {
        self.sign(EXPIRES, None).unwrap()
    }
}

struct ToCdn<'s> {
    base: Url,
    paths: CdnPaths<'s>,
}

impl UriPolicy for ToCdn<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        if uri.url.origin() != self.base.origin() {
            return Decision::Keep(KeepReason::ForeignHost);
        }
        match self.paths.token_for(uri.url) {
            Ok(token) => Decision::Deliver {
                url: url(&format!("https://edge.invalid{}", &uri.url[Position::BeforePath..])),
                token: Some(TokenAt::Query(token)),
            },
            Err(reason) => Decision::Refuse(reason),
        }
    }

    fn protects(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}

impl ModePolicy for ToCdn<'_> {
    fn tokens(&self) -> Vec<ByteList> {
        vec![self.paths.sign(EXPIRES, None).unwrap()]
    }
}

struct ToGateway {
    base: Url,
}

impl UriPolicy for ToGateway {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        if uri.url.origin() != self.base.origin() {
            return Decision::Keep(KeepReason::ForeignHost);
        }
        let token = TokenRef { list: 0, index: 0 };
        let path = &uri.url[Position::BeforePath..];
        Decision::Deliver {
            url: url(&format!("{GATEWAY}/{}{path}", token.placeholder())),
            token: Some(TokenAt::Path(token)),
        }
    }

    fn protects(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }
}

impl ModePolicy for ToGateway {
    fn tokens(&self) -> Vec<ByteList> {
        let mut list = ByteList::default();
        list.push(SESSION.as_bytes());
        vec![list]
    }
}

struct Recording<'p> {
    policy: Box<dyn ModePolicy + 'p>,
    delivered: Vec<(Url, Option<TokenAt>)>,
}

impl UriPolicy for Recording<'_> {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        let decision = self.policy.decide(uri);
        if let Decision::Deliver { url, token } = &decision {
            self.delivered.push((url.clone(), *token));
        }
        decision
    }

    fn protects(&self, url: &Url) -> bool {
        self.policy.protects(url)
    }

    fn trusts_strangers(&self) -> bool {
        self.policy.trusts_strangers()
    }
}

// === An own look ===

/// Where the URIs of a playlist stand, found in the simplest way: lines that do not begin with `#`,
/// and `URI="..."` in tags other than EXTINF.
pub(crate) fn simple_scan(source: &[u8]) -> Vec<Range<usize>> {
    let bom_len = if source.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 };
    let mut found = Vec::new();
    let mut at = bom_len;
    for line in source[bom_len..].split(|byte| matches!(byte, b'\r' | b'\n')) {
        let lead = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let tail = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let start = at + lead;
        let text = &line[lead..line.len().saturating_sub(tail).max(lead)];
        at += line.len() + 1;
        if text.starts_with(b"#EXT") && !text.starts_with(b"#EXTINF") {
            found.extend(quoted_uris(text).map(|span| start + span.start..start + span.end));
        } else if !text.is_empty() && !text.starts_with(b"#") {
            found.push(start..start + text.len());
        }
    }
    found
}

fn quoted_uris(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    const OPENING: &[u8] = b"URI=\"";
    (0..text.len()).filter_map(|at| {
        let is_whole_name = at > 0 && matches!(text[at - 1], b':' | b',' | b' ' | b'\t' | b'"');
        let value = text[at..].strip_prefix(OPENING).filter(|_| is_whole_name)?;
        let len = value.iter().position(|&byte| byte == b'"')?;
        let start = at + OPENING.len();
        Some(start..start + len)
    })
}

/// Where a reference leads, as a browser sees it; bytes that are not ASCII are percent-encoded.
pub(crate) fn lead_to(base: &Url, reference: &[u8]) -> Option<Url> {
    let ascii: String = reference
        .iter()
        .map(
            |&byte| {
                if byte.is_ascii() { (byte as char).to_string() } else { format!("%{byte:02X}") }
            },
        )
        .collect();
    base.join(&ascii).ok()
}
