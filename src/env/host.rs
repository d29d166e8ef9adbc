//! The machine that this process runs on, as others may know it.

use std::fs;

/// Where Linux says what the machine is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// The name of the machine, as it calls itself.
pub fn host_name() -> String {
    let name = fs::read_to_string(HOST_NAME).map(|name| name.trim().to_owned());
    name.ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}
