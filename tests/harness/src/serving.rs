//! What the test programs that serve have in common: where they listen, how they say so, what ends
//! them.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Reads an address that only this machine reaches: the programs check nobody's rights.
///
/// # Errors
/// Why it is none, for the command line.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("must be a loopback address".to_owned()),
        Err(_) => Err("must be ADDRESS:PORT".to_owned()),
    }
}

/// Says on standard output, and in `file`, that the program accepts connections, and where.
///
/// # Errors
/// When either cannot be written.
pub fn say_ready(words: &str, file: Option<&Path>) -> Result<()> {
    writeln!(std::io::stdout(), "{words}")?;
    let Some(file) = file else {
        return Ok(());
    };
    let place = || format!("cannot write {}", file.display());
    // Renamed into place, so that whoever sees the file sees all of it.
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, format!("{words}\n")).with_context(place)?;
    std::fs::rename(&unfinished, file).with_context(place)
}

/// Waits for what a terminal or a scheduler ends a program with.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn stop_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_taken() {
        assert_eq!(loopback("127.0.0.1:80").unwrap().port(), 80);
        assert!(loopback("[::1]:0").is_ok());
        for wrong in ["0.0.0.0:80", "192.0.2.1:80", "localhost:80", "80"] {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_file_holds_what_was_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ready");
        say_ready("http://127.0.0.1:1", Some(&file)).unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "http://127.0.0.1:1\n"
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
