//! CUDA's own facts: versions, architectures, drivers, host compilers, names of libraries, and
//! what CUDA leaves in files.

pub mod capability;
pub mod cubin;
pub mod cudart;
pub mod device_code;
pub mod driver;
pub mod driver_versions;
pub mod fatbin;
pub mod host_compilers;
pub mod linkage;
pub mod reach;
pub mod selection;
pub mod soname;
pub mod table;
pub mod version;

pub use capability::Capability;
pub use soname::{RuntimeVersion, Soname};
pub use version::CudaVersion;
