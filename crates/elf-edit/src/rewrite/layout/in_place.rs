//! The planner for edits that fit where everything is.

use super::context::LayoutContext;
use super::current::{add_new_contents, current};
use super::model::Layout;
use crate::read::read_at::ReadAt;

/// The layout in which nothing moves and some extents have other contents.
pub(super) fn plan<R: ReadAt + ?Sized>(context: &LayoutContext<'_, R>) -> Layout {
    let mut layout = current(context);
    add_new_contents(context, &mut layout);
    layout
}
