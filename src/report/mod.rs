//! How results are shown. Reads values only; nothing else reads this module but applets.

mod escape;
pub mod fixup;

pub use escape::{Shown, shown};
