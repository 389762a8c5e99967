//! Programs of classic BPF, by which the kernel sorts out packets before a socket gets them.
//!
//! A program ends at the first [`accept`] or [`reject`] that it comes to; a jump skips so many
//! of the instructions that follow it.

use socket2::SockFilter;

/// The most instructions of a program, `BPF_MAXINSNS` of `<linux/bpf_common.h>`.
pub(super) const MAX_INSTRUCTIONS: usize = 4096;

/// Where the packet's protocol is, in its link's numbers, `SKF_AD_OFF + SKF_AD_PROTOCOL` of
/// `<linux/filter.h>`: also for a socket that does not get the link's header.
pub(super) const PROTOCOL: u32 = 0xffff_f000;

/// Loads the four bytes at this offset, `BPF_LD | BPF_W | BPF_ABS`.
pub(super) const fn load_word(offset: u32) -> SockFilter {
    SockFilter::new(0x20, 0, 0, offset)
}

/// Loads two bytes, `BPF_LD | BPF_H | BPF_ABS`.
pub(super) const fn load_half(offset: u32) -> SockFilter {
    SockFilter::new(0x28, 0, 0, offset)
}

/// Loads one byte, `BPF_LD | BPF_B | BPF_ABS`.
pub(super) const fn load_byte(offset: u32) -> SockFilter {
    SockFilter::new(0x30, 0, 0, offset)
}

/// Compares what was loaded, and skips that many instructions, `BPF_JMP | BPF_JEQ | BPF_K`.
pub(super) const fn skip(value: u32, if_equal: u8, if_not: u8) -> SockFilter {
    SockFilter::new(0x15, if_equal, if_not, value)
}

/// Lets the whole packet through, `BPF_RET | BPF_K`.
pub(super) const fn accept() -> SockFilter {
    SockFilter::new(RETURN, 0, 0, u32::MAX)
}

/// Keeps it from the socket.
pub(super) const fn reject() -> SockFilter {
    SockFilter::new(RETURN, 0, 0, 0)
}

const RETURN: u16 = 0x06;
