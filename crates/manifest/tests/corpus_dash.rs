//! Real MPDs: `SLUICEGATE_CORPUS` names a folder whose `dash/` holds them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::path::PathBuf;

use common::Mode;
use sluicegate_manifest::{Options, Template, undo};

#[test]
fn scratch() {
    let Some(root) = std::env::var_os("SLUICEGATE_CORPUS") else { return };
    let dash = PathBuf::from(root).join("dash");
    let mut n = 0;
    for path in common::files_below(&dash) {
        let name = path.strip_prefix(&dash).unwrap().display().to_string();
        let source = std::fs::read(&path).unwrap();
        n += 1;
        let template = match Template::compile(source.clone().into(), &Options::default()) {
            Ok(t) => t,
            Err(e) => {
                println!("{name}\tCOMPILE\t{e}");
                continue;
            }
        };
        for mode in Mode::ALL {
            match mode.render(&template) {
                Ok((rendered, _)) => {
                    assert_eq!(undo(&rendered.bytes, &rendered.edits), source, "{name} {mode:?}");
                    if mode == Mode::Identity && rendered.bytes != source {
                        println!("{name}\tIDENTITY");
                    }
                }
                Err(e) => println!("{name}\t{mode:?}\t{e}"),
            }
        }
    }
    println!("{n} files");
}
