//! Formats results. Reads values only; used by applets only.

pub(crate) mod by_arch;
mod bytes;
pub(crate) mod closure;
mod cudart;
mod device_code;
pub(crate) mod diff;
pub(crate) mod doctor;
mod features;
pub(crate) mod fixup;
mod fixup_absolute;
pub(crate) mod fixup_diff;
pub(crate) mod folded;
pub(crate) mod graph;
pub(crate) mod inspect;
pub(crate) mod lint;
pub(crate) mod lint_groups;
mod ordered;
pub(crate) mod page;
pub(crate) mod schema;
pub(crate) mod structured_logs;

pub(crate) use cudart::{CudartJson, write_cudart};
pub(crate) use device_code::{
    entries_json, groups_json, problems_json, write_entries, write_groups, write_problems,
};
pub(crate) use features::{write_features, write_suit};
pub(crate) use ordered::{Ordered, Output};
