//! What a person sees when the stack is up: where the page is, what to paste into OBS, what to try.
//!
//! Goes to standard output and nowhere else: it shows the demo channel's key, which no log may. The
//! key stands in two lines, for OBS and for ffmpeg.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use crate::page;

/// What to say.
pub(crate) struct Banner {
    /// Where the page is.
    pub(crate) http: String,
    /// The page itself.
    pub(crate) page: page::Status,
    /// The first edge's URL for encoders, where there is an edge.
    pub(crate) server: Option<String>,
    /// Further edges' URLs.
    pub(crate) more_servers: Vec<String>,
    /// What an encoder's key field is to hold.
    pub(crate) key: Key,
    /// Where everything is kept, if it is.
    pub(crate) state: Option<String>,
}

/// What goes into an encoder's key field.
pub(crate) enum Key {
    /// The demo channel's key.
    Shown(String),
    /// The demo channel has one that this stack cannot reveal.
    Sealed,
    /// There is no demo channel: owners sign in with this issuer's tokens and make theirs.
    OfItsOwner(String),
}

impl fmt::Debug for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Banner")
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

impl Banner {
    /// Prints it. Nobody may be reading: that is no reason to end.
    pub(crate) fn print(&self) {
        print(&self.text());
    }

    fn text(&self) -> String {
        let mut text = format!("\nstream-sync {} is up.\n\n", env!("CARGO_PKG_VERSION"));
        let mut line = |label: &str, words: &str| {
            // Writing to a String does not fail.
            let line = format!("  {label:<10} {words}");
            let _ = writeln!(text, "{}", line.trim_end());
        };
        line("Dashboard", &self.http);
        match &self.page {
            page::Status::Ready => {}
            page::Status::Building => line("", "(it is being built and appears there by itself)"),
            page::Status::Unavailable(why) => line("", &format!("(no page: {why})")),
        }
        line("", "");
        if let Key::OfItsOwner(issuer) = &self.key {
            line("Sign in", &format!("with an access token of {issuer}"));
            line("", "");
        }
        match (&self.server, &self.key) {
            (Some(server), Key::Shown(key)) => {
                line("OBS", "Settings > Stream > Service: Custom...");
                line("", &format!("Server      {server}"));
                line("", &format!("Stream Key  {key}"));
                line("", "");
                line("ffmpeg", &ffmpeg(server, key));
                line("", "");
            }
            (Some(server), Key::OfItsOwner(_)) => {
                line("OBS", &format!("Server      {server}"));
                line("", "Stream Key  (each channel's own: the page shows it)");
                line("", "");
            }
            (Some(server), Key::Sealed) => {
                line("OBS", &format!("Server      {server}"));
                line(
                    "",
                    "Stream Key  (made by a stack with another secret: reset it on the page)",
                );
                line("", "");
            }
            (None, _) => line("", "No edge runs here (--edges 0).\n"),
        }
        for server in &self.more_servers {
            line("Edge", server);
        }
        match &self.state {
            Some(directory) => line("State", &format!("kept in {directory}")),
            None => line("State", "in memory, gone at the end; --state DIR keeps it"),
        }
        line("End", "Ctrl-C");
        text.push('\n');
        text
    }
}

/// Says what became of a page that was still being built.
pub(crate) fn print_page(http: &str, status: &page::Status) {
    match status {
        page::Status::Ready => print(&format!("  Dashboard  {http} is ready.\n\n")),
        page::Status::Unavailable(why) => print(&format!("  Dashboard  no page: {why}\n\n")),
        page::Status::Building => {}
    }
}

fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

/// A test picture with a tone, sent at the speed of a live stream: the command of README.md.
fn ffmpeg(server: &str, key: &str) -> String {
    format!(
        "ffmpeg -re -f lavfi -i testsrc2=size=640x360:rate=30 \
         -f lavfi -i sine=frequency=440:sample_rate=48000 \
         -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 \
         -b:v 800k -maxrate 800k -bufsize 800k -c:a aac -b:a 128k -f flv {server}/{key}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner() -> Banner {
        Banner {
            http: "http://127.0.0.1:8080".into(),
            page: page::Status::Building,
            server: Some("rtmp://127.0.0.1:1935/live".into()),
            more_servers: vec!["rtmp://127.0.0.1:1936/live".into()],
            key: Key::Shown("live-not-a-real-key".into()),
            state: None,
        }
    }

    #[test]
    fn it_says_what_to_paste_into_obs_and_what_to_try_with_ffmpeg() {
        insta::assert_snapshot!(banner().text());
    }

    #[test]
    fn the_key_is_in_no_debug_output() {
        assert!(!format!("{:?}", banner()).contains("not-a-real-key"));
    }

    #[test]
    fn without_an_edge_or_a_page_it_says_so() {
        let text = Banner {
            server: None,
            page: page::Status::Unavailable("Node.js is not installed.".into()),
            ..banner()
        }
        .text();
        assert!(text.contains("--edges 0") && text.contains("Node.js is not installed."));
        assert!(!text.contains("not-a-real-key"), "{text}");
    }

    #[test]
    fn without_a_demo_channel_it_says_whose_tokens_are_taken() {
        let key = Key::OfItsOwner("https://login.example".into());
        let text = Banner { key, ..banner() }.text();
        assert!(text.contains("token of https://login.example"), "{text}");
        assert!(!text.contains("ffmpeg"), "{text}");
    }
}
