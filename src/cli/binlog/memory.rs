//! The allocator's habits, for a program that allocates and frees buffers of megabytes all the time.

/// Buffers up to this size are kept for the next one, in bytes.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 64 << 20;

/// Makes glibc keep what is freed, up to 64 MiB, instead of giving it back to the kernel: by default each large buffer is mapped, faulted in
/// page by page and unmapped again. With Parquet that was 172,000 page faults for 540,000 rows and a third of all CPU time; with this it is
/// 20,000, for 15 MB more memory (`make bench-binlog ARGS="--only parquet"`). Other C libraries have other habits, and are left alone.
pub(super) fn keep_freed() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: mallopt may be called at any time by one thread; it reads two integers. Called before other threads are started.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}
