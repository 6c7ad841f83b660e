//! What the system knows of bytes on their way, and the socket's Rust interfaces do not tell.

use std::os::fd::AsRawFd;

/// Bytes that were written to a TCP socket and that its peer has not acknowledged; 0 where the system does not say.
#[allow(unsafe_code)]
pub(super) fn unacknowledged(socket: &impl AsRawFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as the borrow; TIOCOUTQ (SIOCOUTQ) writes one int, which `bytes` is.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}
