//! The program's code. Its interface is the command line; [`cli::main`] is all that the binary
//! calls, and [`parts`] is for tests.
//!
//! Data flow: scan -> headers -> plan -> rewrite -> verify -> report. `docs/architecture.md`
//! describes each module and the modules that it may use.

#![warn(unreachable_pub)]

mod advice;
mod applets;
mod archive;
mod build_directories;
pub mod cli;
mod cuda;
mod doctor;
mod escape;
mod features;
mod fixup;
mod lint;
mod loader;
mod near;
mod parallel;
mod path_list;
mod plan;
mod redist;
mod report;
mod resolution;
mod rodata;
mod scan;
mod signals;
mod soname_index;
mod store;
mod survey;
mod terminal;
mod toolkit;

/// Items that tests and fuzz targets call directly. They change without notice.
#[doc(hidden)]
pub mod parts {
    pub use crate::cuda::capability::Variant;
    pub use crate::cuda::host_compilers::HostCompilers;
    pub use crate::cuda::selection::Selection;
    pub use crate::cuda::table::GpuTable;
    pub use crate::cuda::{Capability, CudaVersion};
    pub use crate::doctor::driver_program;
    pub use crate::lint::{RULES, documentation};
    pub use crate::loader::{Environment, Loader};

    pub mod device_code {
        pub use crate::cuda::device_code::{DeviceCode, groups, open, read};
        pub use crate::cuda::fatbin::payload::write as write_payload;
    }
    pub mod rodata {
        pub use crate::rodata::{Contents, read, read_with_device_code};
    }
    pub mod scan {
        pub use crate::scan::{Skip, Visit, Walk, dynamic_info, visit};
    }
    pub mod soname_index {
        pub use crate::soname_index::{
            Index, LibraryInfo, RunpathDirectories, is_library_name, see,
        };
    }
}
