//! The process as the operating system sees it: how much memory it holds.
//!
//! For those who watch; nothing is decided by it.

/// Bytes of a page of memory: the least that any system has, so that where pages are larger too little is
/// told and never too much.
const PAGE_BYTES: u64 = 4096;

/// Bytes of memory that the process holds, where the system tells.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::resident_bytes;

    #[test]
    fn memory_that_is_touched_is_held() {
        let Some(before) = resident_bytes() else { return };
        let touched = vec![1_u8; 64 << 20];
        let after = resident_bytes().expect("it was told before");
        assert!(after >= before + (32 << 20), "{before} {after} {}", touched.len());
    }
}
