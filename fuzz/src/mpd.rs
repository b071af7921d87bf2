//! The body of the target `mpd`: DASH manifests, remote elements and patches.

mod gateway;

use sluicegate_manifest::{CompileError, Options, Role, Template};

use super::{render_in_every_mode, slots_in_order};

/// More takes longer and finds nothing new.
const MAX_BYTES: usize = 64 << 10;

/// Where the fuzzer's bytes go, so that they need not be XML to get anywhere: the first line stands
/// in the place of the first `@`, and so on, from the start again.
const SKELETONS: [&str; 7] = [
    "<MPD mediaPresentationDuration='PT8S'><Period><AdaptationSet><SegmentTemplate duration='2' \
     media=\"@\" initialization='$RepresentationID$@'/><Representation id='@' bandwidth='1'/>\
     <Representation id='b'><BaseURL>@</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "<MPD type='dynamic' minimumUpdatePeriod='PT2S' availabilityStartTime='2025-12-31T23:59:00Z'>\
     <BaseURL>@</BaseURL><Location>@</Location><PatchLocation><![CDATA[@]]></PatchLocation><Period>@\
     </Period></MPD>",
    "<MPD><Period><AdaptationSet><SegmentList><Initialization sourceURL='@'/><SegmentURL media='@' \
     index='@'/></SegmentList><Representation><BaseURL>a/</BaseURL></Representation><Representation>\
     <BaseURL>@</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "<Patch xmlns='urn:mpeg:dash:schema:mpd-patch:2020'><add sel='/MPD'>@</add><replace \
     sel='//SegmentTemplate/@media'>@</replace></Patch>",
    // Numbers of a template that is written out.
    "<MPD><Period duration='@'><AdaptationSet><SegmentTemplate media='$Number$' timescale='@' \
     duration='@' startNumber='@' endNumber='@' presentationTimeOffset='@' eptDelta='@'/>\
     <Representation id='a'/></AdaptationSet></Period></MPD>",
    "<MPD mediaPresentationDuration='@'><Period start='@'><AdaptationSet><SegmentTemplate \
     media='$Time$-$Number$' timescale='@' startNumber='@'><SegmentTimeline><S t='@' d='@' r='@'/>\
     <S d='@' n='@' k='@'/><S t='@' d='@' r='-1'/></SegmentTimeline></SegmentTemplate>\
     <Representation id='a'/></AdaptationSet></Period></MPD>",
    "<MPD type='dynamic' minimumUpdatePeriod='@' availabilityStartTime='@' \
     timeShiftBufferDepth='@'><Period start='@' duration='@'><AdaptationSet><SegmentTemplate \
     media='$Number$' timescale='@' duration='@' startNumber='@'/><Representation id='a'/>\
     </AdaptationSet></Period></MPD>",
];

/// Whatever a DASH document is rendered to, its edits give it back, and it is one still.
pub fn mpd(data: &[u8]) {
    if data.len() > MAX_BYTES {
        return;
    }
    compile_and_render(data);
    let Some((kind, text)) = data.split_first() else { return };
    if *kind != b'<' && text.len() <= 1024 {
        let skeleton = SKELETONS[usize::from(*kind) % SKELETONS.len()];
        compile_and_render(filled(skeleton, &String::from_utf8_lossy(text)).as_bytes());
    }
}

fn filled(skeleton: &str, text: &str) -> String {
    let mut lines = text.split('\n').cycle();
    let mut pieces = skeleton.split('@');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |filled, piece| filled + lines.next().unwrap_or_default() + piece)
}

fn compile_and_render(source: &[u8]) {
    match Template::compile(source.to_vec().into(), &Options::default()) {
        Ok(template) if template.format().is_dash() => {
            slots_lie_where_they_say(&template);
            limits_are_kept(&template);
            render_in_every_mode(&template);
            gateway::render_there(&template);
        }
        Ok(_) => {}
        Err(CompileError::Xml { line, offset, problem }) => {
            assert!(offset <= source.len() && !problem.is_empty());
            assert_eq!(line, line_of(source, offset));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn line_of(source: &[u8], offset: usize) -> usize {
    1 + source[..offset].iter().filter(|byte| **byte == b'\n').count()
}

fn slots_lie_where_they_say(template: &Template) {
    slots_in_order(template, &[]);
    for slot in template.slots() {
        // Of a URL somewhere in a text, where the text begins.
        let line = line_of(template.source(), slot.span().start);
        let is_loose = matches!(slot.role(), Role::Unclassified | Role::License);
        assert!(slot.line() == line || is_loose && slot.line() < line);
    }
}

/// One byte or one URI less than there is, and the document is refused.
fn limits_are_kept(template: &Template) {
    let refused = |change: fn(&mut Options, usize), limit: usize| {
        let mut options = Options::default();
        change(&mut options, limit);
        Template::compile(template.source().clone(), &options).err()
    };
    let bytes = template.source().len();
    let error = refused(|options, limit| options.limits.max_bytes = limit, bytes - 1);
    assert_eq!(error, Some(CompileError::TooLong { bytes, limit: bytes - 1 }));
    let uris = template.slots().len();
    assert_eq!(refused(|options, limit| options.limits.max_uris = limit, uris), None);
    if let Some(fewer) = uris.checked_sub(1) {
        let error = refused(|options, limit| options.limits.max_uris = limit, fewer);
        assert!(matches!(error, Some(CompileError::TooManyUris { limit, .. }) if limit == fewer));
    }
}

/// What was written is well-formed, and its slots are in order. None if the tokens made it longer
/// than the limits.
pub(crate) fn reads_again(bytes: &[u8]) -> Option<Template> {
    match Template::compile(bytes.to_vec().into(), &Options::default()) {
        Ok(output) => {
            slots_in_order(&output, &[]);
            Some(output)
        }
        Err(CompileError::TooLong { .. } | CompileError::TooManyUris { .. }) => None,
        Err(error) => panic!("{error}: {}", bytes.escape_ascii()),
    }
}
