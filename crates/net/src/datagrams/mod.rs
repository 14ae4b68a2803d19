//! The system calls of a UDP socket: many datagrams with one call, if the operating system has such calls.

pub(crate) mod packet;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
pub(crate) mod system;
