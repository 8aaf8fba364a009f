//! Reads headers and the dynamic section through small windows.

pub(crate) mod address;
pub(crate) mod codec;
pub(crate) mod dynamic;
pub(crate) mod error;
pub(crate) mod file_id;
pub(crate) mod format;
pub(crate) mod headers;
pub(crate) mod lock;
pub mod notes;
pub(crate) mod platform;
pub(crate) mod read_at;
mod reads;
pub mod resolution_cache;
pub mod sections;
pub(crate) mod strings;
pub mod tables;
pub mod tokens;
pub(crate) mod unfit;
pub mod versions;
pub mod windows;
