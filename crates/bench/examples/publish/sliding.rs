//! A live packager's sliding playlist: from its rename to the signed one's.

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use sluicegate_offline::{Done, Durability, News, Outcome, Watch};
use sluicegate_token::Scope;

use crate::tree::{output, places, terms};

const UPDATES: u32 = 300;
const SEGMENTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn measure(work: &Path) -> anyhow::Result<()> {
    let (input, out) = (work.join("live"), work.join("live-signed"));
    fs::create_dir(&input)?;
    for number in 0..UPDATES + SEGMENTS {
        fs::write(input.join(format!("seg-{number}.ts")), "media")?;
    }
    let output = output(Some(out), Durability::Synced);
    let watch = Watch::open(&input, places(), output)?;
    let stopper = watch.stopper();
    let (sender, published) = channel();
    let watching = thread::spawn(move || {
        watch.run(&|| Ok(terms(Scope::File)), None, &mut |news| {
            if let News::Done(Done { outcome: Outcome::Signed(_), .. }) = news {
                // Whoever listens has gone at the end.
                let _ = sender.send(Instant::now());
            }
        })
    });
    let mut delays = Vec::new();
    for first in 0..UPDATES {
        thread::sleep(PAUSE);
        let unfinished = input.join("index.m3u8.tmp");
        fs::write(&unfinished, playlist(first))?;
        let renamed = Instant::now();
        fs::rename(unfinished, input.join("index.m3u8"))?;
        delays.push(published.recv()?.saturating_duration_since(renamed));
    }
    stopper.stop();
    watching.join().map_err(|_| anyhow::anyhow!("the watch panicked"))??;
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "\n{UPDATES} updates of a sliding playlist of {SEGMENTS} segments, from the packager's rename to the \
         signed one's, with fsync: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}

fn playlist(first: u32) -> String {
    let segments: String =
        (first..first + SEGMENTS).map(|number| format!("#EXTINF:2,\nseg-{number}.ts\n")).collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n{segments}")
}
