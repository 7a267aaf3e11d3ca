//! An edge that writes down what it hands on: takes the flags of `edge-ingest` and is it, with a
//! journal ([`harness::journal`]) behind the port where relays and recorders stand otherwise. The
//! journal's file is named by a variable, for the flags are those of the edge.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use domain::ChannelId;
use edge_ingest::options::Options;
use edge_ingest::{MediaSink, program};
use harness::fleet::JOURNAL_VARIABLE;
use harness::journal::{Accepted, now_micros};
use rtmp::Media;

/// The open file.
#[derive(Debug)]
struct Journal(File);

impl Journal {
    fn open() -> Result<Self> {
        let file = std::env::var_os(JOURNAL_VARIABLE);
        let file = file.with_context(|| format!("{JOURNAL_VARIABLE} names no file"))?;
        // A process that has the place of one that was killed goes on in its journal.
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        Ok(Self(opened.with_context(|| file.display().to_string())?))
    }
}

impl MediaSink for Journal {
    fn accept(&self, channel_id: &ChannelId, generation: u64, _: &Media) {
        let accepted = Accepted {
            at_micros: now_micros(),
            channel: channel_id.clone(),
            generation,
        };
        // One write for a line, so that a kill tears the last one at most.
        let written = (&self.0).write_all(format!("{accepted}\n").as_bytes());
        written.expect("evidence must not be lost");
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    program::run(options, Some(Arc::new(Journal::open()?))).await
}
