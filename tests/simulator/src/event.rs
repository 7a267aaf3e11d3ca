//! Everything that can happen, and to whom.

use domain::channel::{Gate, Key};
use domain::edge::Edge as EdgeItem;
use domain::live::Version;
use domain::live::{Item, Yield};
use domain::status::Shown;
use domain::{EdgeId, Moment, Owner, Timestamp};

/// One life of an edge process, counted through the run.
pub(crate) type Process = usize;
/// A machine that an edge process runs on; outlives the process.
pub(crate) type Slot = usize;
/// A channel, by its place.
pub(crate) type Channel = usize;
/// One TCP connection of an encoder, counted through the run.
pub(crate) type Connection = usize;

/// What happens next.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Something reaches an edge process.
    Edge(Process, Input),
    /// A request reaches the store.
    Request(Box<Request>),
    /// Something reaches an encoder.
    Encoder(usize, Signal),
    /// A status or a sample reaches a dashboard.
    Push(usize, Push),
    /// The reaper runs, or goes on after its wait.
    Reap { again: bool },
    /// A channel's owner does something.
    Owner(Channel, Act),
    /// A function has changed a gate: now it tells the edges.
    Tell(Channel),
    /// A fault begins.
    Strike(usize),
    /// A fault ends.
    Mend(usize),
    /// A machine's wall clock jumps by so many milliseconds.
    Jump(Slot, i64),
    /// A process starts on a machine that has none.
    Start(Slot),
    /// A process ends by itself.
    Exit(Process),
    /// The checks that are made again and again.
    Inspect,
    /// No more faults.
    Healed,
    /// No more publishers.
    Closing,
}

/// What reaches an edge process.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// Its time has come.
    Timer(Timer),
    /// The store answered one try of a call.
    Answer(u64, u32, Box<Answered>),
    /// Another edge says something; to whom, and from which machine.
    Peer(EdgeId, Slot, Box<Message>),
    /// An encoder does something.
    Socket(Connection, Socket),
    /// A channel's gate changed.
    Control(Channel),
    /// SIGTERM.
    Terminate,
}

/// What an edge process waits for by its own clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    Register,
    Beat,
    Read,
    Deadline(u64),
    Question,
    Silence,
    /// A try of a call has no answer.
    Unanswered(u64, u32),
    /// A call is tried again.
    Again(u64),
    SweepQuery(u64),
    SweepRead(u64, Channel),
    Settle(u64),
    Owed(u64),
    Offline(u64),
    Look(u64),
    /// A question to the holder has no answer.
    Unasked(u64, u32),
    GiveBack,
    Recheck,
    Sample,
    /// A publisher may have sent nothing for too long.
    NoMedia(u64),
    Drain,
    /// Publishers that a planted error kept are dropped.
    LateDrop,
}

/// What an encoder does to its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Socket {
    /// Asks to publish.
    Publish { channel: Channel, key_version: u64 },
    /// A batch of media.
    Media,
    /// A goodbye.
    Unpublish,
    /// The socket closed without one.
    Closed,
}

/// What reaches an encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// Somebody presses start.
    Start,
    /// Somebody presses stop.
    Stop,
    /// The process of the encoder dies, and comes back as it does.
    Crash,
    /// Its network vanishes without a word; it notices later.
    Vanish,
    /// The edge's answer.
    Started(Connection),
    /// The edge's answer.
    Refused(Connection),
    /// The socket is closed.
    Closed(Connection),
    /// Time for the next batch of media.
    Frame(Connection),
    /// No answer to a publish.
    Impatient(Connection),
    /// Time for the next try; only where it is the try that was meant.
    Retry(u64),
    /// The person has copied the channel's new key.
    NewKey(u64),
}

/// What edges say to each other.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// Yield this lock. Who asks for which attempt, which try it is, and the item that it saw.
    Ask(EdgeId, u64, u32, Box<Item>),
    /// The answer to that.
    Answer(u64, u32, Yield),
    /// Is the store away for you, too? Who asks, and when by its own clock.
    Question(EdgeId, Moment),
    /// It is; who says so.
    Away(EdgeId, Moment),
}

/// What a channel's owner does through the functions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// A new key; the old one goes on for so many seconds.
    Reset { overlap: u64, disconnect: bool },
    /// No publisher for so many seconds.
    Hold(u64),
}

/// Who asked the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) slot: Slot,
    pub(crate) process: Process,
    pub(crate) call: u64,
    pub(crate) attempt: u32,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) from: Sender,
    pub(crate) ask: Ask,
}

/// What is asked of the store.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Edges,
    Edge(EdgeId),
    /// The write, and the writer's wall clock, which only a planted error looks at.
    WriteEdge(domain::edge::Write, Timestamp),
    Live(Channel),
    WriteLive(Channel, domain::live::Write),
    HeldBy(Owner),
    Admission(Channel, u64),
    Gate(Channel),
}

/// An answer, with the date in its header.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) date: Timestamp,
    pub(crate) answer: Answer,
}

/// What became of a conditional write.
#[derive(Clone, Debug)]
pub(crate) enum Made<T> {
    /// What it left.
    Left(T),
    /// Its condition failed on this.
    Refused(Option<T>),
}

/// What the store answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Busy,
    Edges(Vec<EdgeItem>, Vec<(EdgeId, Timestamp)>),
    Edge(Option<EdgeItem>),
    EdgeWritten(Made<EdgeItem>),
    Live(Option<Item>),
    LiveWritten(Made<Item>),
    HeldBy(Vec<Channel>),
    Admission(Option<Key>, Gate),
    Gate(Gate),
}

/// A status or a sample on its way to a dashboard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Push {
    pub(crate) channel: Channel,
    pub(crate) version: Version,
    /// Counts samples within one version.
    pub(crate) sample: u64,
    pub(crate) shown: Shown,
}
