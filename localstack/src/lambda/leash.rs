//! A leash for child processes: the kernel kills the child when this process is gone, even where this
//! process was killed itself and could end nothing.
//!
//! The kernel offers that only to the child itself, between its fork and its program. So the program
//! that uses this starts itself once more: that copy asks the kernel for the leash and becomes the
//! child's program. A leash hangs on the thread that starts the child; those of the runtime last as long as
//! this process.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::ExitCode;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// The first argument of a copy that is to become a child's program; the holder's process id and the
/// program follow. Nobody types it.
const ARGUMENT: &str = "--on-a-leash";
/// What this process is started from again, whatever became of the file meanwhile.
const SELF: &str = "/proc/self/exe";
/// The exit code of a copy that could not become its program, as shells have it.
const NOT_EXECUTED: u8 = 126;

/// The command that runs `program` on a leash. The calling program must begin with [`become_program`].
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(SELF);
    let holder = getpid().as_raw_nonzero().to_string();
    command.arg0(program).args([ARGUMENT, &holder]).arg(program);
    command
}

/// Where this process is a copy that [`command`] started: becomes the program, or gives the exit code to
/// end with. Otherwise does nothing. To be called before anything else, above all before any thread is
/// started.
#[must_use]
pub fn become_program() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != *ARGUMENT {
        return None;
    }
    Some(hold(arguments.next(), arguments.next()))
}

fn hold(holder: Option<OsString>, program: Option<OsString>) -> ExitCode {
    let (Some(holder), Some(program)) = (holder, program) else {
        return ExitCode::from(NOT_EXECUTED);
    };
    let leashed = set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // Where the holder went before the kernel knew of the leash, somebody else is the parent by now.
    let holder_is_there = getppid()
        .map(Pid::as_raw_nonzero)
        .is_some_and(|parent| holder.to_str() == Some(&parent.to_string()));
    if !(leashed && holder_is_there) {
        return ExitCode::from(NOT_EXECUTED);
    }
    let error = std::process::Command::new(&program).exec();
    // For the holder, who reads it.
    let _ = writeln!(
        std::io::stderr(),
        "{}: {error}",
        Path::new(&program).display()
    );
    ExitCode::from(NOT_EXECUTED)
}
