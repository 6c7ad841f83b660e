//! The allocator's habits. Other C libraries than glibc have other ones, and are left alone.

/// Buffers up to this size are kept for the next one, in bytes, by a program that allocates and frees some of megabytes all the time.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 64 << 20;
/// Buffers of this size and more go back to the system when they are freed, by a program that seldom has any.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 4 << 20;

/// Makes glibc keep what is freed, up to 64 MiB, instead of giving it back to the kernel: by default each large buffer is mapped, faulted in
/// page by page and unmapped again. With Parquet that was 172,000 page faults for 540,000 rows and a third of all CPU time; with this it is
/// 20,000, for 15 MB more memory (`make bench-binlog ARGS="--only parquet"`).
///
/// To be called before other threads are started.
pub(super) fn keep_freed() {
    #[cfg(target_env = "gnu")]
    set([(libc::M_MMAP_THRESHOLD, KEPT), (libc::M_TRIM_THRESHOLD, KEPT)]);
}

/// Makes glibc give back large buffers. By default it keeps what is as large as the largest that was ever freed, for each thread: with statements of
/// 10 MiB that was once more what the program had (a recording: 200 MiB where 115 were in use).
///
/// To be called before other threads are started.
pub(super) fn give_back_large() {
    #[cfg(target_env = "gnu")]
    set([(libc::M_MMAP_THRESHOLD, LARGE)]);
}

#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
fn set<const N: usize>(options: [(libc::c_int, libc::c_int); N]) {
    for (option, value) in options {
        // SAFETY: mallopt may be called at any time by one thread; it reads two integers.
        unsafe { libc::mallopt(option, value) };
    }
}
