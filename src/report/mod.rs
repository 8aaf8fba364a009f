//! How results are shown. Reads values only; nothing else reads this module but applets.

mod cudart;
mod device_code;
pub mod doctor;
pub mod fixup;
pub mod inspect;
pub mod lint;
mod ordered;
mod paint;
pub mod schema;
pub mod structured_logs;

pub use cudart::{cudart_json, write_cudart};
pub use device_code::{
    entries_json, groups_json, problems_json, write_entries, write_groups, write_problems,
};
pub use ordered::{Ordered, Piece};
pub use paint::Paint;
