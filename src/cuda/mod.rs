//! CUDA's own facts: versions, architectures, host compilers, a toolkit laid out as one, and
//! what CUDA leaves in files.

pub mod capability;
pub mod cubin;
pub mod cudart;
pub mod device_code;
pub mod driver;
pub mod fatbin;
pub mod host_compilers;
pub mod linkage;
pub mod selection;
pub mod table;
pub mod version;

pub use capability::Capability;
pub use version::CudaVersion;
