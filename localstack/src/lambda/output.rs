//! What an instance writes: handed on to this process's log line by line, and the last complaints kept for
//! the case that it is lost.
//!
//! A function writes JSON lines on standard output, each with its level; whatever else it writes there
//! or on standard error is handed on as a warning, for it is what programs write that cannot go on.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Child;
use tokio_util::task::TaskTracker;

/// Longest line that is handed on, in bytes; the rest of a longer one is left out.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// Complaints that are kept.
const LAST_LINES: usize = 8;
/// How long the last lines of a process that ended may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The outputs of one instance.
#[derive(Debug)]
pub(super) struct Output {
    last: Arc<Mutex<VecDeque<String>>>,
    readers: TaskTracker,
}

impl Output {
    /// Reads what this child writes, until it writes no more.
    pub(super) fn of(
        child: &mut Child,
        function: &str,
        instance: &str,
        tasks: &TaskTracker,
    ) -> Self {
        let output = Self {
            last: Arc::default(),
            readers: TaskTracker::new(),
        };
        if let Some(stdout) = child.stdout.take() {
            tasks.spawn(output.read(stdout, function, instance));
        }
        if let Some(stderr) = child.stderr.take() {
            tasks.spawn(output.read(stderr, function, instance));
        }
        output.readers.close();
        output
    }

    /// The last complaints of a process that has ended.
    pub(super) async fn last_words(&self) -> String {
        // What is not there in time is not there: a process that it started may go on writing.
        let _ = tokio::time::timeout(READ_WITHIN, self.readers.wait()).await;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from_iter(last.iter().map(String::as_str)).join(" / ")
    }

    fn read<P>(
        &self,
        pipe: P,
        function: &str,
        instance: &str,
    ) -> impl Future<Output = ()> + Send + use<P>
    where
        P: AsyncRead + Unpin + Send + 'static,
    {
        let (function, instance) = (function.to_owned(), instance.to_owned());
        let last = Arc::clone(&self.last);
        let reading = self.readers.token();
        async move {
            let _reading = reading;
            let mut pipe = BufReader::new(pipe);
            while let Ok(Some(line)) = read_line(&mut pipe).await {
                if hand_on(&function, &instance, &line) {
                    keep(&last, line);
                }
            }
        }
    }
}

fn keep(last: &Mutex<VecDeque<String>>, line: String) {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() == LAST_LINES {
        last.pop_front();
    }
    last.push_back(line);
}

/// The next line without its end, cut at [`MAX_LINE_BYTES`]; none at the end.
async fn read_line(pipe: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let read = pipe.fill_buf().await?;
        if read.is_empty() {
            break;
        }
        any = true;
        let end = read.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(read, |end| &read[..end]);
        let room = MAX_LINE_BYTES - line.len();
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(read.len(), |end| end + 1);
        pipe.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(any.then(|| String::from_utf8_lossy(&line).into_owned()))
}

/// Whether the line says that something is wrong.
fn hand_on(function: &str, instance: &str, line: &str) -> bool {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        level: Cow<'a, str>,
    }
    let level = serde_json::from_str::<Line<'_>>(line).ok();
    match level.as_ref().map(|line| line.level.as_ref()) {
        Some("ERROR") => tracing::error!(function, instance, %line, "function wrote"),
        Some("INFO") => tracing::info!(function, instance, %line, "function wrote"),
        Some("DEBUG") => tracing::debug!(function, instance, %line, "function wrote"),
        Some("TRACE") => tracing::trace!(function, instance, %line, "function wrote"),
        Some(_) | None => tracing::warn!(function, instance, %line, "function wrote"),
    }
    !matches!(
        level.as_ref().map(|line| line.level.as_ref()),
        Some("INFO" | "DEBUG" | "TRACE")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<String> {
        let mut pipe = BufReader::with_capacity(16, text);
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut pipe).await.unwrap() {
            lines.push(line);
        }
        lines
    }

    #[tokio::test]
    async fn lines_are_read_one_by_one_and_the_last_one_needs_no_end() {
        assert_eq!(lines(b"").await, [""; 0]);
        assert_eq!(lines(b"a\n\nb").await, ["a", "", "b"]);
        assert_eq!(
            lines(b"one that is longer than the buffer\nb\n")
                .await
                .len(),
            2
        );
        assert_eq!(lines(b"\xff\n").await, ["\u{fffd}"]);
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_what_follows_is_whole() {
        let text = ["x".repeat(MAX_LINE_BYTES * 2).as_bytes(), b"\nnext\n"].concat();
        let read = lines(&text).await;
        assert_eq!(read[0].len(), MAX_LINE_BYTES);
        assert_eq!(read[1], "next");
    }

    #[test]
    fn what_is_no_log_line_is_a_complaint() {
        for (line, complains) in [
            ("{\"level\":\"INFO\",\"fields\":{}}", false),
            ("{\"level\":\"ERROR\"}", true),
            ("{\"level\":\"WARN\"}", true),
            ("error while loading shared libraries", true),
            ("{", true),
        ] {
            assert_eq!(hand_on("api", "1", line), complains, "{line}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let last = Mutex::default();
        for number in 0..LAST_LINES * 2 {
            keep(&last, number.to_string());
        }
        let last = last.into_inner().unwrap();
        assert_eq!((last.len(), last[0].as_str()), (LAST_LINES, "8"));
    }
}
