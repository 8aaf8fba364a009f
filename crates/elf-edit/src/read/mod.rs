//! Reads what headers and the dynamic section say, through small windows.

pub(crate) mod address;
pub mod codec;
pub(crate) mod dynamic;
pub(crate) mod error;
pub(crate) mod file_id;
pub(crate) mod format;
pub mod headers;
pub mod notes;
pub mod platform;
pub mod read_at;
pub mod sections;
pub(crate) mod strings;
pub mod tables;
pub mod tokens;
pub(crate) mod unfit;
pub mod versions;
pub mod windows;
