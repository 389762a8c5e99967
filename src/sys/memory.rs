//! What the allocator keeps.

/// Gives memory that was freed back to the system, after something large that is not
/// done again soon: a file of forty thousand real servers takes 20 times its length
/// while it is read. What is left is in pieces, and the allocator would keep it.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "the C library has no safe binding of it")]
    // SAFETY: it may be called at any time, from any thread, and touches only what
    // nobody has allocated.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
