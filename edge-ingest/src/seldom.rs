//! Waiting for what happens seldom beside what happens all the time.
//!
//! A task that its socket wakes for each message would look at its clock and for its commands each
//! time as well: locks, and memory of which nothing is in the processor's cache any more. [`Seldom`]
//! looks only after one of them has asked for it, by a waker of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Polls something only after it has woken. To be used by one task from beginning to end: it is
/// that task's waker which is kept.
pub(crate) struct Seldom<P> {
    poll: P,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Wakes the task and says that it was not for its socket.
struct Bell {
    rung: AtomicBool,
    task: AtomicWaker,
}

impl<T, P: FnMut(&mut Context<'_>) -> Poll<T>> Seldom<P> {
    pub(crate) fn new(poll: P) -> Self {
        let bell = Arc::new(Bell {
            // Nothing wakes that has not been polled once.
            rung: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        let waker = Arc::clone(&bell).into();
        Self { poll, bell, waker }
    }

    /// Ready each time that `poll` is.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<T> {
        if !self.bell.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        self.bell.task.register(context.waker());
        // Before the look: what rings during it is looked at once more.
        self.bell.rung.store(false, Ordering::SeqCst);
        let looked = (self.poll)(&mut Context::from_waker(&self.waker));
        if looked.is_ready() {
            // What is ready has not said whom to wake next time.
            self.bell.rung.store(true, Ordering::SeqCst);
        }
        looked
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Counts how often its task is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn what_has_not_woken_is_not_looked_at_and_what_has_is() {
        let task = Arc::new(Task::default());
        let waker = Arc::clone(&task).into();
        let mut context = Context::from_waker(&waker);
        let (mut looks, mut asked) = (0, None);
        let mut seldom = Seldom::new(|context: &mut Context<'_>| {
            looks += 1;
            asked = Some(context.waker().clone());
            if looks == 2 {
                Poll::Ready(looks)
            } else {
                Poll::Pending
            }
        });
        for _ in 0..3 {
            assert_eq!(seldom.poll(&mut context), Poll::Pending);
        }
        let bell = Arc::clone(&seldom.bell);
        bell.wake();
        assert_eq!(task.0.load(Ordering::SeqCst), 1);
        assert_eq!(seldom.poll(&mut context), Poll::Ready(2));
        // What was ready is looked at again without being asked.
        assert_eq!(seldom.poll(&mut context), Poll::Pending);
        assert_eq!(seldom.poll(&mut context), Poll::Pending);
        assert_eq!(looks, 3);
        assert!(asked.is_some());
    }

    #[test]
    fn what_wakes_while_it_is_looked_at_is_looked_at_again() {
        let waker = Arc::new(Task::default()).into();
        let mut context = Context::from_waker(&waker);
        let mut looks = 0;
        let mut seldom = Seldom::new(|context: &mut Context<'_>| {
            looks += 1;
            if looks == 1 {
                context.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        for _ in 0..3 {
            assert_eq!(seldom.poll(&mut context), Poll::Pending);
        }
        assert_eq!(looks, 2);
    }
}
