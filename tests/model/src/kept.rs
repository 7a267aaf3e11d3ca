//! Values of the domain inside a state: each distinct one is kept once, and a state holds references.
//!
//! States are copied and compared millions of times, while there are only some thousands of distinct
//! items, writes and attempts among them. What is kept stays until the process ends. Its hash is taken
//! from its debug output and not from where it lies, so that a state has the same hash in every run.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{LazyLock, Mutex, PoisonError};

use domain::edge::Edge;
use domain::live::{Attempt, Item, Write};

/// A value that is kept; as small as a pointer.
pub struct Kept<T: 'static>(&'static Entry<T>);

struct Entry<T> {
    hash: u64,
    value: T,
}

/// Every kept value of a type, by hash.
pub type Shelf<T> = LazyLock<Mutex<HashMap<u64, Vec<Kept<T>>>>>;

/// A type whose values are kept.
pub trait Keep: Eq + fmt::Debug + Sized + Sync + 'static {
    /// Where they are.
    fn shelf() -> &'static Shelf<Self>;

    /// The one kept value that equals this one.
    fn keep(self) -> Kept<Self> {
        let hash = hash_of(&self);
        let mut shelf = Self::shelf().lock().unwrap_or_else(PoisonError::into_inner);
        let same = shelf.entry(hash).or_default();
        if let Some(kept) = same.iter().find(|kept| kept.0.value == self) {
            return *kept;
        }
        let kept = Kept(Box::leak(Box::new(Entry { hash, value: self })));
        same.push(kept);
        kept
    }
}

fn hash_of(value: &impl fmt::Debug) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{value:?}").hash(&mut hasher);
    hasher.finish()
}

macro_rules! keep {
    ($($kind:ty),*) => {$(
        impl Keep for $kind {
            fn shelf() -> &'static Shelf<Self> {
                static SHELF: Shelf<$kind> = LazyLock::new(Mutex::default);
                &SHELF
            }
        }
    )*};
}

keep!(Item, Write, Attempt, Edge);

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Kept<T> {}

impl<T> PartialEq for Kept<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Kept<T> {}

impl<T> Hash for Kept<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

impl<T: fmt::Debug> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}
