//! What the URIs of a manifest lead to.

use std::collections::HashSet;

use memchr::memmem;
use sluicegate_manifest::{Decision, Format, Place, RefuseReason, Role, SignHost, Slot, Template};
use sluicegate_manifest::{Uri, UriPolicy, Varies};
use url::Url;

/// A URI that players fetch.
#[derive(Clone, Debug)]
pub(crate) struct Lead {
    /// Where it stands; none of a segment that a DASH template stands for.
    pub(crate) slot: Option<Slot>,
    pub(crate) role: Role,
    /// With what the manifest gives it, such as a token.
    pub(crate) url: Url,
    /// Whether it stands for many, as templates of DASH do.
    pub(crate) is_template: bool,
    /// Whether there need not be anything: it may come later, or the manifest says that it is missing
    /// (EXT-X-PRELOAD-HINT, EXT-X-GAP: RFC 8216bis sections 4.4.5.3 and 4.4.4.7).
    pub(crate) may_be_missing: bool,
}

impl Lead {
    /// The line, from 1; none of a segment that a DASH template stands for.
    pub(crate) fn line(&self) -> Option<usize> {
        self.slot.map(|slot| slot.line())
    }

    /// What bears it: the tag, with its attribute, or `URI line`.
    pub(crate) fn carrier(&self, template: &Template) -> Option<String> {
        self.slot.map(|slot| template.carrier(&slot).into_owned())
    }
}

/// All of a manifest that is served at a place, in the order of the text. `on_refused` hears of what
/// players fetch and nobody here can say from where.
pub(crate) fn leads(
    template: &Template,
    place: &Place,
    mut on_refused: impl FnMut(&Slot, RefuseReason),
) -> Vec<Lead> {
    let is_dash = template.format().is_dash();
    let mut policy = SignHost::default();
    let mut gaps = Gaps::of(template);
    let decided = template.decisions(place, &mut policy);
    let leads = decided.filter_map(|decided| {
        let slot = decided.slot;
        let is_gap = gaps.hold(&slot);
        let role = slot.role();
        if let Decision::Refuse(reason) = decided.decision
            && (is_fetched(role) || role == Role::BaseUrl)
        {
            on_refused(&slot, reason);
            return None;
        }
        let url = decided.url.filter(|_| is_fetched(role))?;
        let may_be_template = is_dash && template.carrier(&slot).starts_with("SegmentTemplate");
        let (url, is_template) = if may_be_template { filled(url) } else { (url, false) };
        let may_be_missing = is_gap || role == Role::PreloadHint;
        Some(Lead { slot: Some(*slot), role, url, is_template, may_be_missing })
    });
    leads.collect()
}

/// The same with each segment that a DASH template stands for, as far as the manifest tells them.
pub(crate) fn files(template: &Template, place: &Place) -> Vec<Lead> {
    written_out(template, place, leads(template, place, |_, _| ()))
}

/// [`files`], where the leads are known.
pub(crate) fn written_out(template: &Template, place: &Place, spelled: Vec<Lead>) -> Vec<Lead> {
    if !spelled.iter().any(|lead| lead.is_template) {
        return spelled;
    }
    let mut written = WrittenOut::default();
    match template.plan(place, &mut written) {
        Ok(_) => written.leads,
        Err(_) => spelled,
    }
}

/// What players ask the manifest's host for, not a licence server or another presentation.
const fn is_fetched(role: Role) -> bool {
    !matches!(role, Role::BaseUrl | Role::License | Role::OtherPresentation | Role::Information)
}

/// Notes each URI of a plan that writes all templates out.
#[derive(Default)]
struct WrittenOut {
    leads: Vec<Lead>,
    seen: HashSet<Url>,
}

impl WrittenOut {
    fn note(&mut self, uri: &Uri<'_>, is_template: bool) -> Decision {
        if is_fetched(uri.role) && self.seen.insert(uri.url.clone()) {
            let (role, url) = (uri.role, uri.url.clone());
            let lead = Lead { slot: None, role, url, is_template, may_be_missing: false };
            self.leads.push(lead);
        }
        Decision::Deliver { url: uri.url.clone(), token: None }
    }
}

impl UriPolicy for WrittenOut {
    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        match uri.varies {
            Varies::Nothing => self.note(uri, false),
            Varies::Name | Varies::Folder => Decision::Expand,
        }
    }

    fn decide_unexpandable(&mut self, uri: &Uri<'_>, _reason: &str) -> Decision {
        self.note(uri, true)
    }

    fn protects(&self, _url: &Url) -> bool {
        false
    }
}

/// Finds the segments of a media playlist that have EXT-X-GAP, and the parts with GAP=YES.
struct Gaps<'t> {
    /// None if the manifest has none.
    source: Option<&'t [u8]>,
    /// The end of the last segment's URI.
    after: usize,
}

impl<'t> Gaps<'t> {
    fn of(template: &'t Template) -> Self {
        let source = &template.source()[..];
        let has_some = template.format() == Format::Hls && memmem::find(source, b"GAP").is_some();
        Self { source: has_some.then_some(source), after: 0 }
    }

    /// Whether the URI is one; they are asked in the order of the text.
    fn hold(&mut self, slot: &Slot) -> bool {
        let Some(source) = self.source else { return false };
        let span = slot.span();
        match slot.role() {
            Role::Segment => {
                let tags = &source[self.after..span.start];
                self.after = span.end;
                memmem::find(tags, b"#EXT-X-GAP").is_some()
            }
            Role::Part => {
                let line = source[span.end..].split(|&byte| byte == b'\n').next();
                let before = source[..span.start].rsplit(|&byte| byte == b'\n').next();
                [before, line]
                    .into_iter()
                    .flatten()
                    .any(|part| memmem::find(part, b"GAP=YES").is_some())
            }
            _ => false,
        }
    }
}

/// The URL of a DASH template as players read it where nothing is filled in, and whether something
/// is (ISO/IEC 23009-1 clause 5.3.9.4.4): `$$` stands for a dollar sign.
fn filled(mut url: Url) -> (Url, bool) {
    let is_template = url.path().replace("$$", "").contains('$');
    if url.path().contains("$$") {
        let path = url.path().replace("$$", "$");
        url.set_path(&path);
    }
    (url, is_template)
}
