//! What people get wrong, in words.

use std::fmt;

use crate::{KeyId, Refusal};

/// One thing that is wrong with a URL, and fits it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mistake {
    /// A parameter is absent.
    ParameterLost(String),
    /// A parameter stands there more than once, and the first is the wrong one.
    ParameterDoubled(String),
    /// `&amp;` where `&` belongs.
    AmpersandEscaped,
    /// The query is percent-encoded as a whole.
    QueryEncoded,
    /// A second `?` where `&` belongs.
    SecondQuestionMark,
    /// The token is percent-encoded.
    TokenEncoded,
    /// The token is written in another alphabet, which is named.
    Alphabet(&'static str),
    /// The token has padding that this server does not mind.
    Padding,
    /// A part of the text that is hashed was left out.
    TextLeftOut {
        /// The text.
        text: String,
        /// What stands behind it.
        before: &'static str,
    },
    /// A space was hashed where there is none.
    SpaceAdded,
    /// A line end was hashed.
    LineEndSigned,
    /// The secret was hashed with something around it.
    SecretDressed(&'static str),
    /// Two parts of what is hashed stand in the wrong order.
    Order(&'static str, &'static str),
    /// The file was signed.
    FileSigned,
    /// The directory was signed.
    DirectorySigned,
    /// A folder above was signed.
    FolderAboveSigned(String),
    /// The path was signed without its first slash.
    FirstSlashMissing,
    /// The directory was signed without its last slash.
    LastSlashMissing,
    /// A slash too much was signed.
    SlashDoubled,
    /// The path was signed as it is written, dots and slashes unresolved.
    PathUnresolved,
    /// The path was signed with its escapes.
    PathEncoded,
    /// The path was signed without its escapes.
    PathDecoded,
    /// The query was signed.
    QuerySigned,
    /// The host was signed.
    HostSigned,
    /// Another file's token.
    OtherFile(String),
    /// Another directory's token.
    OtherDirectory(String),
    /// An address was signed, and the key is for plain links.
    AddressSigned,
    /// No address was signed, and the key is for bound links.
    AddressLeftOut,
    /// The address was signed in another form, which is given.
    AddressForm(String),
    /// An address was signed that no client has.
    ServerAddressSigned(String),
    /// Another client's address was signed, of a network near.
    OtherAddress(String),
    /// The client's address has to be known.
    AddressUnknown,
    /// Milliseconds were signed.
    MillisecondsSigned,
    /// The URL holds milliseconds.
    Milliseconds,
    /// The time is no number.
    TimeMalformed,
    /// The token is none.
    TokenMalformed(&'static str),
    /// The time is over.
    Expired {
        /// Seconds since its last good second.
        ago_secs: u64,
    },
    /// The time has not come.
    NotYetValid {
        /// Seconds until its first good second.
        in_secs: u64,
    },
    /// Another key of the ring was used.
    OtherKey {
        /// Its name.
        id: KeyId,
        /// Whether it was retired.
        is_retired: bool,
    },
    /// A session token was cut, or text was added to it.
    SessionTokenLength(usize),
    /// A session token names a key that is not known.
    SessionKeyUnknown(u8),
    /// A session token is of another route.
    SessionOfRoute(String),
    /// A session token opens another folder.
    SessionElsewhere {
        /// The folder, as deep as the token goes, of the request, as logs show it.
        asked: String,
    },
    /// A session token is for one path of another depth.
    SessionDepth {
        /// Segments of the path that it is for.
        depth: u8,
        /// Whether it opens that path alone.
        is_exact: bool,
    },
    /// A session token opens the folder of a key, which its own token alone opens.
    SessionOfKey,
    /// A session token opens the segments of a template's folder, and this is none of them.
    SessionOfMedia,
    /// A session token is bound to an address.
    SessionBound {
        /// Bits of the address that count.
        bits: u8,
    },
}

impl Mistake {
    /// A short constant name, for logs and scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ParameterLost(_) => "parameter-lost",
            Self::ParameterDoubled(_) => "parameter-doubled",
            Self::AmpersandEscaped => "ampersand-escaped",
            Self::QueryEncoded => "query-encoded",
            Self::SecondQuestionMark => "second-question-mark",
            Self::TokenEncoded => "token-encoded",
            Self::Alphabet(_) => "token-alphabet",
            Self::Padding => "token-padded",
            Self::TextLeftOut { .. } => "text-left-out",
            Self::SpaceAdded => "space-added",
            Self::LineEndSigned => "line-end-signed",
            Self::SecretDressed(_) => "secret-dressed",
            Self::Order(..) => "order",
            Self::FileSigned => "file-signed",
            Self::DirectorySigned => "directory-signed",
            Self::FolderAboveSigned(_) => "folder-above-signed",
            Self::FirstSlashMissing => "first-slash-missing",
            Self::LastSlashMissing => "last-slash-missing",
            Self::SlashDoubled => "slash-doubled",
            Self::PathUnresolved => "path-unresolved",
            Self::PathEncoded => "path-encoded",
            Self::PathDecoded => "path-decoded",
            Self::QuerySigned => "query-signed",
            Self::HostSigned => "host-signed",
            Self::OtherFile(_) => "other-file",
            Self::OtherDirectory(_) => "other-directory",
            Self::AddressSigned => "address-signed",
            Self::AddressLeftOut => "address-left-out",
            Self::AddressForm(_) => "address-form",
            Self::ServerAddressSigned(_) => "server-address-signed",
            Self::OtherAddress(_) => "other-address",
            Self::AddressUnknown => "address-unknown",
            Self::MillisecondsSigned => "milliseconds-signed",
            Self::Milliseconds => "milliseconds",
            Self::TimeMalformed => "time-malformed",
            Self::TokenMalformed(_) => "token-malformed",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::OtherKey { is_retired: true, .. } => "older-key",
            Self::OtherKey { .. } => "other-key",
            Self::SessionTokenLength(_) => "session-token-length",
            Self::SessionKeyUnknown(_) => "session-key-unknown",
            Self::SessionOfRoute(_) => "session-of-route",
            Self::SessionElsewhere { .. } => "session-elsewhere",
            Self::SessionDepth { .. } => "session-depth",
            Self::SessionOfKey => "session-of-key",
            Self::SessionOfMedia => "session-of-media",
            Self::SessionBound { .. } => "session-bound",
        }
    }

    /// What to do.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::ParameterLost(_) => {
                "players drop the query when they resolve a relative URI: sign every URI of the \
                 manifest, or put the URL in single quotes if a shell cut it at '&'"
            }
            Self::ParameterDoubled(_) => {
                "take the old token out before a URL is signed again: a server reads the first"
            }
            Self::AmpersandEscaped => {
                "decode the URL when it is taken from HTML or XML; in a manifest's attribute that \
                 is XML it is right, in HLS it is not"
            }
            Self::QueryEncoded | Self::TokenEncoded => {
                "do not percent-encode the token: the server compares the raw text"
            }
            Self::SecondQuestionMark => "append the token with '&' if the URL has a query already",
            Self::Alphabet(_) => {
                "write the binary hash as the scheme says; for Gcore and nginx: base64, then + to \
                 -, / to _, and no ="
            }
            Self::Padding => "leave the = away: other servers refuse it",
            Self::TextLeftOut { .. } | Self::SpaceAdded | Self::Order(..) => {
                "hash exactly the text that the scheme says; docs/schemes.md has it with an example"
            }
            Self::SecretDressed(_) => {
                "take the secret as it is: quotes of a shell or an .env file are not part of it, nor \
                 are spaces"
            }
            Self::LineEndSigned => "`echo` adds a line end: use `printf %s` or `echo -n`",
            Self::FileSigned => {
                "sign the directory up to and with its last slash, or set the scope to file"
            }
            Self::DirectorySigned => {
                "sign the whole path of the file, or set the scope to directory"
            }
            Self::FolderAboveSigned(_) => {
                "a directory's token opens no subdirectory: each directory needs its own"
            }
            Self::FirstSlashMissing => "the path that is signed begins with '/'",
            Self::LastSlashMissing => "the directory that is signed ends with '/'",
            Self::SlashDoubled => "join host and path with one slash",
            Self::PathUnresolved => {
                "sign the path as the server sees it: `//`, `.` and `..` are resolved first"
            }
            Self::PathEncoded => "sign the decoded path: the server decodes it before it hashes",
            Self::PathDecoded => "sign the path as it is written: this server does not decode it",
            Self::QuerySigned => "sign the path alone, without '?' and what follows",
            Self::HostSigned => "sign the path alone, without scheme and host",
            Self::OtherFile(_) => {
                "each file needs its own token; a directory's token opens them all"
            }
            Self::OtherDirectory(_) => "each directory needs its own token",
            Self::AddressSigned => {
                "leave the address out, or make the key one for bound links, here and at the CDN"
            }
            Self::AddressLeftOut => "put the client's address into the hash before the secret",
            Self::AddressForm(_) => {
                "sign the address as the server writes it, or set the form here"
            }
            Self::ServerAddressSigned(_) => {
                "sign the viewer's address, not that of the machine that makes the link (behind a \
                 proxy: X-Forwarded-For, from proxies that you trust)"
            }
            Self::OtherAddress(_) => {
                "the client's address changed, as mobile networks do it: make a link for the new one, \
                 bind to a network (/24, /16), or not at all"
            }
            Self::AddressUnknown => "give the client's address: the key is for bound links",
            Self::MillisecondsSigned | Self::Milliseconds => {
                "divide by 1000: the scheme has seconds"
            }
            Self::TimeMalformed => "write Unix time in seconds, digits alone",
            Self::TokenMalformed(_) => {
                "the token was cut, or another parameter holds it: compare it with the one that was made"
            }
            Self::Expired { .. } => {
                "make a new link; check the clock of the machine that makes them"
            }
            Self::NotYetValid { .. } => "check the clock of the machine that made the link",
            Self::OtherKey { is_retired: true, .. } => {
                "make new links with the key that signs now, or accept the old one for a while"
            }
            Self::OtherKey { .. } => "sign with the key that is active",
            Self::SessionTokenLength(_) => "take the session URL as it was given, to its end",
            Self::SessionKeyUnknown(_) => {
                "begin a new session: the key was taken out, or the token is of another gateway"
            }
            Self::SessionOfRoute(_) => "ask for the path under the route that the session is for",
            Self::SessionElsewhere { .. }
            | Self::SessionDepth { .. }
            | Self::SessionOfKey
            | Self::SessionOfMedia => {
                "begin a session at the manifest, and take the URIs as the gateway writes them"
            }
            Self::SessionBound { .. } => {
                "the session is good from the address that began it: begin one from here, or set \
                 bind_ip = false"
            }
        }
    }

    /// The mistake that a refusal is by itself.
    pub(super) fn of(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::MalformedExpiry => Some(Self::TimeMalformed),
            Refusal::MalformedToken(why) => Some(Self::TokenMalformed(why)),
            Refusal::Missing(name) => Some(Self::ParameterLost(name.to_string())),
            Refusal::Expired { ago_secs } => Some(Self::Expired { ago_secs: *ago_secs }),
            Refusal::NotYetValid { in_secs } => Some(Self::NotYetValid { in_secs: *in_secs }),
            Refusal::NoClientAddress => Some(Self::AddressUnknown),
            Refusal::UnknownKey(id) => Some(Self::SessionKeyUnknown(*id)),
            _ => None,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParameterLost(name) => write!(f, "the parameter '{name}' is missing"),
            Self::ParameterDoubled(name) => {
                write!(f, "'{name}' stands there more than once, and the first is the wrong one")
            }
            Self::AmpersandEscaped => f.write_str("the URL holds '&amp;' where '&' belongs"),
            Self::QueryEncoded => f.write_str("the query is percent-encoded as a whole"),
            Self::SecondQuestionMark => {
                f.write_str("the token follows a second '?', so it is part of another parameter")
            }
            Self::TokenEncoded => f.write_str("the token is percent-encoded"),
            Self::Alphabet(name) => write!(f, "the token is right, and written in {name}"),
            Self::Padding => f.write_str("the token has padding (=), which this server ignores"),
            Self::TextLeftOut { text, before } if text == " " => {
                write!(f, "the space before the {before} was not hashed")
            }
            Self::TextLeftOut { text, before } => {
                write!(f, "the text '{text}' before the {before} was not hashed")
            }
            Self::SpaceAdded => f.write_str("a space was hashed where the scheme has none"),
            Self::LineEndSigned => f.write_str("a line end was hashed behind the text"),
            Self::SecretDressed(what) => write!(f, "the secret was hashed with {what}"),
            Self::Order(one, other) => {
                write!(f, "{one} and {other} were hashed in the wrong order")
            }
            Self::FileSigned => {
                f.write_str("the token is for the one file, and a directory's is asked for")
            }
            Self::DirectorySigned => {
                f.write_str("the token is for the directory, and the file's is asked for")
            }
            Self::FolderAboveSigned(folder) => {
                write!(f, "the token is for the folder above, {folder}")
            }
            Self::FirstSlashMissing => f.write_str("the path was signed without its first slash"),
            Self::LastSlashMissing => {
                f.write_str("the directory was signed without its last slash")
            }
            Self::SlashDoubled => f.write_str("the path was signed with a slash too much"),
            Self::PathUnresolved => f.write_str(
                "the path was signed as it is written, and the server resolves `//`, `.` and `..`",
            ),
            Self::PathEncoded => f.write_str("the percent-encoded path was signed"),
            Self::PathDecoded => f.write_str("the decoded path was signed"),
            Self::QuerySigned => f.write_str("the query was signed, too"),
            Self::HostSigned => f.write_str("the host was signed, too"),
            Self::OtherFile(path) => write!(f, "the token is that of another file, {path}"),
            Self::OtherDirectory(path) => {
                write!(f, "the token is that of another directory, {path}")
            }
            Self::AddressSigned => {
                f.write_str("the client's address was signed, and the key is for plain links")
            }
            Self::AddressLeftOut => {
                f.write_str("no address was signed, and the key is for bound links")
            }
            Self::AddressForm(form) => write!(f, "the address was signed as {form}"),
            Self::ServerAddressSigned(ip) => {
                write!(f, "the address {ip} was signed, which is not the client's")
            }
            Self::OtherAddress(ip) => write!(f, "the token is for another client, {ip}"),
            Self::AddressUnknown => {
                f.write_str("the token is bound to an address, and the client's is not known")
            }
            Self::MillisecondsSigned => {
                f.write_str("the time was signed in milliseconds, and the URL has seconds")
            }
            Self::Milliseconds => f.write_str("the time in the URL is in milliseconds"),
            Self::TimeMalformed => f.write_str("the time is not a positive decimal number"),
            Self::TokenMalformed(why) => write!(f, "the token is not well-formed: {why}"),
            Self::Expired { ago_secs } => write!(f, "the token expired {ago_secs} s ago"),
            Self::NotYetValid { in_secs } => {
                write!(f, "the token's time begins in {in_secs} s")
            }
            Self::OtherKey { id, is_retired: true } => {
                write!(f, "the token was made with the key '{id}', which is retired")
            }
            Self::OtherKey { id, .. } => write!(f, "the token was made with another key, '{id}'"),
            Self::SessionTokenLength(len) => {
                write!(f, "the session token has {len} characters, and 52 are right")
            }
            Self::SessionKeyUnknown(id) => {
                write!(f, "the session token names the key {id}, which is not known")
            }
            Self::SessionOfRoute(route) => {
                write!(f, "the session token is for the route \"{route}\"")
            }
            Self::SessionElsewhere { asked } => write!(
                f,
                "the session token does not open {asked}: it is for another folder or client, or \
                 a character of it was changed"
            ),
            Self::SessionDepth { depth, is_exact: true } => {
                write!(f, "the session token opens one path of {depth} segments, and no other")
            }
            Self::SessionDepth { depth, .. } => {
                write!(f, "the session token opens what lies {depth} folders deep or deeper")
            }
            Self::SessionOfMedia => f.write_str(
                "the session token is good for the segments of a template's folder, and opens no manifest and \
                 no folder there",
            ),
            Self::SessionOfKey => f.write_str(
                "the session token is good, and the path is named as keys are (route.keys.names): a \
                 key's own token alone opens it",
            ),
            Self::SessionBound { bits } => {
                write!(
                    f,
                    "the session token is bound to a client's address (its first {bits} bits)"
                )
            }
        }
    }
}
