//! What must not be under way when the process forks.
//!
//! A fork copies the memory, but only the thread that forks: a lock that another thread holds at
//! that moment stays locked in the child for ever, SQLite's own locks among them. So whoever holds
//! such a lock also holds this gate, and a fork waits for them.

use std::cell::{Cell, RefCell};
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static GATE: RwLock<()> = RwLock::new(());
static HOOKS: Once = Once::new();

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static FORKING: RefCell<Option<RwLockWriteGuard<'static, ()>>> = const { RefCell::new(None) };
}

/// As long as this lives, the process does not fork. May be held several times over by one thread,
/// which must not fork itself meanwhile.
pub(crate) struct Hold(#[expect(dead_code, reason = "held")] Option<RwLockReadGuard<'static, ()>>);

/// Keeps the process from forking, waiting for a fork that is under way.
pub(crate) fn hold() -> Hold {
    HOOKS.call_once(|| {
        // SAFETY: the hooks are functions of this program, which stay where they are. Where there
        // is no memory to register them, a fork is as dangerous as it would be without.
        unsafe { libc::pthread_atfork(Some(before), Some(after), Some(after)) };
    });
    // A second lock by the same thread would wait for a fork that waits for the first.
    let outer = DEPTH.with(|depth| depth.replace(depth.get() + 1)) == 0;
    Hold(outer.then(|| GATE.read().unwrap_or_else(PoisonError::into_inner)))
}

impl Drop for Hold {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
    }
}

extern "C" fn before() {
    // A thread that forks while it holds the gate would wait for itself.
    if DEPTH.with(Cell::get) == 0 {
        let gate = GATE.write().unwrap_or_else(PoisonError::into_inner);
        let _ = FORKING.try_with(|forking| forking.replace(Some(gate)));
    }
}

extern "C" fn after() {
    let _ = FORKING.try_with(|forking| forking.take());
}
