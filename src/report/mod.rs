//! How results are shown. Reads values only; nothing else reads this module but applets.

mod escape;
pub mod fixup;
pub mod inspect;
mod ordered;
mod paint;

pub use escape::{Shown, shown};
pub use ordered::{Ordered, Piece};
pub use paint::Paint;
