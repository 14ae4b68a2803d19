//! The system calls of a UDP socket. One call handles many datagrams if the operating system supports this.

pub(crate) mod packet;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
pub(crate) mod system;
#[cfg(not(target_os = "linux"))]
#[path = "portable.rs"]
pub(crate) mod system;
