//! The body of the target `mpd`: DASH manifests, remote elements and patches.

use sluicegate_manifest::{CompileError, Options, Template};

use super::render_in_every_mode;

/// More takes longer and finds nothing new.
const MAX_BYTES: usize = 64 << 10;

/// Where the fuzzer's bytes go, so that they need not be XML to get anywhere; `@` stands for them.
const SKELETONS: [&str; 4] = [
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
        compile_and_render(skeleton.replace('@', &String::from_utf8_lossy(text)).as_bytes());
    }
}

fn compile_and_render(source: &[u8]) {
    match Template::compile(source.to_vec().into(), &Options::default()) {
        Ok(template) if template.format().is_dash() => render_in_every_mode(&template),
        Ok(_) => {}
        Err(CompileError::Xml { line, offset, problem }) => {
            assert!(offset <= source.len() && !problem.is_empty());
            let lines = source[..offset].iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(line, lines + 1);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What was written is well-formed. None if the tokens made it longer than the limits.
pub(crate) fn reads_again(bytes: &[u8]) -> Option<Template> {
    match Template::compile(bytes.to_vec().into(), &Options::default()) {
        Ok(output) => Some(output),
        Err(CompileError::TooLong { .. } | CompileError::TooManyUris { .. }) => None,
        Err(error) => panic!("{error}: {}", bytes.escape_ascii()),
    }
}
