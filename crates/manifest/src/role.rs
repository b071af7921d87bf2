//! What a URI of a manifest is: told by the tag that bears it, never by its extension.

use std::fmt;

/// The part that a URI plays (RFC 8216bis section 4, ISO/IEC 23009-1 clause 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A variant's media playlist: the URI line after EXT-X-STREAM-INF.
    Variant,
    /// An I-frame playlist: EXT-X-I-FRAME-STREAM-INF.
    IFrameVariant,
    /// An image playlist: EXT-X-IMAGE-STREAM-INF (Roku's extension).
    ImageVariant,
    /// An alternative rendition's media playlist: EXT-X-MEDIA.
    Rendition,
    /// A sibling rendition's media playlist: EXT-X-RENDITION-REPORT.
    RenditionReport,
    /// A media segment: a URI line of a media playlist.
    Segment,
    /// A media initialization section: EXT-X-MAP.
    InitSection,
    /// A partial segment: EXT-X-PART.
    Part,
    /// A resource that is about to be published: EXT-X-PRELOAD-HINT.
    PreloadHint,
    /// A decryption key: EXT-X-KEY.
    Key,
    /// A decryption key known before the media playlist: EXT-X-SESSION-KEY.
    SessionKey,
    /// A JSON or other document: EXT-X-SESSION-DATA.
    SessionData,
    /// An interstitial's asset, a multivariant playlist: EXT-X-DATERANGE X-ASSET-URI.
    Asset,
    /// A list of interstitial assets, in JSON: EXT-X-DATERANGE X-ASSET-LIST.
    AssetList,
    /// A content steering manifest, in JSON: EXT-X-CONTENT-STEERING.
    Steering,
    /// A picture of a WebVTT thumbnail track: a cue's payload.
    Thumbnail,
    /// What relative URIs of a part of an MPD are resolved against: BaseURL (ISO/IEC 23009-1
    /// clause 5.6). It is fetched itself where nothing is relative to it; then it is a segment.
    BaseUrl,
    /// A segment index: RepresentationIndex, @index.
    SegmentIndex,
    /// A bitstream switching segment: BitstreamSwitching, @bitstreamSwitching.
    BitstreamSwitching,
    /// Where an MPD shall be loaded again: Location.
    Location,
    /// Where a patch of an MPD is: PatchLocation.
    PatchLocation,
    /// A part of an MPD that is kept elsewhere: xlink:href.
    Remote,
    /// A clock: UTCTiming.
    UtcTiming,
    /// Where a player gets a licence, or leave for it: dashif:Laurl, Authzurl.
    License,
    /// Another presentation: ImportedMPD, ReplacePresentation.
    OtherPresentation,
    /// A page for people: ProgramInformation.
    Information,
    /// An attribute of EXT-X-DATERANGE that the configuration lists.
    DateRange,
    /// A value that looks like a URI where none is known to stand.
    Unclassified,
}

impl Role {
    /// Whether the URI names a playlist.
    #[must_use]
    pub const fn is_playlist(self) -> bool {
        matches!(
            self,
            Self::Variant
                | Self::IFrameVariant
                | Self::ImageVariant
                | Self::Rendition
                | Self::RenditionReport
                | Self::Asset
        )
    }

    /// Whether the URI names a document whose own URIs must be rewritten, too.
    #[must_use]
    pub const fn is_document(self) -> bool {
        self.is_playlist()
            || matches!(
                self,
                Self::AssetList
                    | Self::Steering
                    | Self::Location
                    | Self::PatchLocation
                    | Self::Remote
            )
    }

    /// Whether the URI is a part of the media, or leads to it.
    #[must_use]
    pub const fn is_media(self) -> bool {
        !matches!(
            self,
            Self::UtcTiming
                | Self::License
                | Self::OtherPresentation
                | Self::Information
                | Self::Unclassified
        )
    }

    /// Whether the URI may get a token. Others stay as they are, or are refused.
    #[must_use]
    pub const fn may_be_signed(self) -> bool {
        !matches!(self, Self::Unclassified)
    }

    /// Whether the URI names a decryption key.
    #[must_use]
    pub const fn is_key(self) -> bool {
        matches!(self, Self::Key | Self::SessionKey)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Variant => "variant",
            Self::IFrameVariant => "I-frame variant",
            Self::ImageVariant => "image variant",
            Self::Rendition => "rendition",
            Self::RenditionReport => "rendition report",
            Self::Segment => "segment",
            Self::InitSection => "init section",
            Self::Part => "part",
            Self::PreloadHint => "preload hint",
            Self::Key => "key",
            Self::SessionKey => "session key",
            Self::SessionData => "session data",
            Self::Asset => "interstitial asset",
            Self::AssetList => "asset list",
            Self::Steering => "content steering",
            Self::Thumbnail => "thumbnail",
            Self::BaseUrl => "base URL",
            Self::SegmentIndex => "segment index",
            Self::BitstreamSwitching => "bitstream switching",
            Self::Location => "location",
            Self::PatchLocation => "patch location",
            Self::Remote => "remote element",
            Self::UtcTiming => "clock",
            Self::License => "licence",
            Self::OtherPresentation => "other presentation",
            Self::Information => "information",
            Self::DateRange => "date range",
            Self::Unclassified => "unclassified",
        })
    }
}
