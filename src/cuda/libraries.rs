//! CUDA's libraries by the stem of their SONAME, and the CUDA versions to which a SONAME belongs.

use super::Soname;

/// Majors of CUDA, a bit each: bit 12 is CUDA 12.
pub(crate) type Majors = u32;

/// Relation of the version in a SONAME to the major version of CUDA.
#[derive(Clone, Copy, Debug)]
enum Numbers {
    /// It is that major version.
    Cuda,
    /// It belongs to these: its own number, and the CUDA majors that had it.
    Table(&'static [(u32, &'static [u32])]),
    /// None: the library has its own releases, or never changed its number.
    Own,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct CudaLibrary {
    /// `libcublas` of `libcublas.so.12`.
    pub stem: &'static str,
    numbers: Numbers,
    /// Programs carry it for several CUDA versions at once and open the one that fits the driver.
    pub is_tool: bool,
}

const fn row(stem: &'static str, numbers: Numbers) -> CudaLibrary {
    CudaLibrary {
        stem,
        numbers,
        is_tool: false,
    }
}

const fn tool(stem: &'static str, numbers: Numbers) -> CudaLibrary {
    CudaLibrary {
        is_tool: true,
        ..row(stem, numbers)
    }
}

/// SONAMEs of the toolkits 10.2, 11.8, 12.4, 12.9 and 13.0 to 13.5.
const CUFFT: Numbers = Numbers::Table(&[(10, &[10, 11]), (11, &[12]), (12, &[13])]);
const CUSOLVER: Numbers = Numbers::Table(&[(10, &[10, 11]), (11, &[11, 12]), (12, &[13])]);
const CUSPARSE: Numbers = Numbers::Table(&[(10, &[10]), (11, &[11]), (12, &[12, 13])]);

/// Libraries that programs link to or open; libcuda.so.1 is the driver's.
const LIBRARIES: [CudaLibrary; 72] = [
    row("libcudart", Numbers::Cuda),
    row("libcublas", Numbers::Cuda),
    row("libcublasLt", Numbers::Cuda),
    row("libnvblas", Numbers::Cuda),
    row("libcufft", CUFFT),
    row("libcufftw", CUFFT),
    row("libcurand", Numbers::Own),
    row("libcusolver", CUSOLVER),
    row("libcusolverMg", CUSOLVER),
    row("libcusparse", CUSPARSE),
    row("libnvrtc", Numbers::Cuda),
    row("libnvrtc-builtins", Numbers::Cuda),
    row("libnvJitLink", Numbers::Cuda),
    row("libnvfatbin", Numbers::Cuda),
    row("libnvvm", Numbers::Own),
    row("libnvjpeg", Numbers::Cuda),
    row("libnppc", Numbers::Cuda),
    row("libnppial", Numbers::Cuda),
    row("libnppicc", Numbers::Cuda),
    row("libnppidei", Numbers::Cuda),
    row("libnppif", Numbers::Cuda),
    row("libnppig", Numbers::Cuda),
    row("libnppim", Numbers::Cuda),
    row("libnppist", Numbers::Cuda),
    row("libnppisu", Numbers::Cuda),
    row("libnppitc", Numbers::Cuda),
    row("libnpps", Numbers::Cuda),
    tool("libcupti", Numbers::Cuda),
    tool("libcuinj64", Numbers::Cuda),
    tool("libnvToolsExt", Numbers::Own),
    row("libcufile", Numbers::Own),
    row("libcudnn", Numbers::Own),
    row("libcudnn_graph", Numbers::Own),
    row("libcudnn_ops", Numbers::Own),
    row("libcudnn_cnn", Numbers::Own),
    row("libcudnn_adv", Numbers::Own),
    row("libcudnn_heuristic", Numbers::Own),
    row("libcudnn_engines_precompiled", Numbers::Own),
    row("libcudnn_engines_runtime_compiled", Numbers::Own),
    row("libcudnn_ops_infer", Numbers::Own),
    row("libcudnn_ops_train", Numbers::Own),
    row("libcudnn_cnn_infer", Numbers::Own),
    row("libcudnn_cnn_train", Numbers::Own),
    row("libcudnn_adv_infer", Numbers::Own),
    row("libcudnn_adv_train", Numbers::Own),
    row("libnccl", Numbers::Own),
    row("libcutensor", Numbers::Own),
    row("libcutensorMg", Numbers::Own),
    row("libcusparseLt", Numbers::Own),
    row("libcudss", Numbers::Own),
    row("libnvshmem_host", Numbers::Own),
    row("libnvcomp", Numbers::Own),
    row("libnvinfer", Numbers::Own),
    row("libnvinfer_plugin", Numbers::Own),
    row("libnvinfer_lean", Numbers::Own),
    row("libnvinfer_dispatch", Numbers::Own),
    row("libnvinfer_vc_plugin", Numbers::Own),
    row("libnvparsers", Numbers::Own),
    row("libnvonnxparser", Numbers::Own),
    row("libcustatevec", Numbers::Own),
    row("libcutensornet", Numbers::Own),
    row("libcudensitymat", Numbers::Own),
    row("libcupauliprop", Numbers::Own),
    row("libcublasmp", Numbers::Own),
    row("libcusolverMp", Numbers::Own),
    row("libcufftMp", Numbers::Own),
    row("libcal", Numbers::Own),
    row("libcufile_rdma", Numbers::Own),
    row("libnvjpeg2k", Numbers::Own),
    row("libnvtiff", Numbers::Own),
    row("libnvimgcodec", Numbers::Own),
    row("libcudla", Numbers::Own),
];

impl CudaLibrary {
    /// The CUDA library that a SONAME names, renamed by auditwheel or not.
    pub(crate) fn of_soname(name: &[u8]) -> Option<&'static CudaLibrary> {
        let stem = Soname::parse(name)?.stem;
        let mut all = LIBRARIES.iter();
        all.find(|library| library.stem.as_bytes() == stem)
    }
}

/// The major versions of CUDA whose toolkits have this SONAME; `None` if it determines none.
pub(crate) fn majors_of(soname: &[u8]) -> Option<Majors> {
    let library = CudaLibrary::of_soname(soname)?;
    let number = Soname::parse(soname)?.major()?;
    let bit = |major: u32| 1_u32.checked_shl(major).unwrap_or(0);
    let majors = match library.numbers {
        Numbers::Cuda => bit(number),
        Numbers::Table(table) => {
            let (_, majors) = table.iter().find(|(own, _)| *own == number)?;
            majors.iter().fold(0, |all, major| all | bit(*major))
        }
        Numbers::Own => return None,
    };
    (majors != 0).then_some(majors)
}

/// `12` or `11 or 12`, for a message.
pub(crate) fn shown_majors(majors: Majors) -> String {
    let all = (0..u32::BITS).filter(|major| majors & 1 << major != 0);
    let all: Vec<String> = all.map(|major| major.to_string()).collect();
    all.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sonames_belong_to_the_toolkits_that_have_them() {
        let majors = |name: &str| majors_of(name.as_bytes()).map(shown_majors);
        for (name, expected) in [
            ("libcudart.so.12", Some("12")),
            ("libcudart.so.11.0", Some("11")),
            ("libcudart-53d54daa.so.12.6.68", Some("12")),
            ("libcublasLt.so.13", Some("13")),
            ("libcublas-0a1b2c3d.so.12.1.3.1", Some("12")),
            ("libcufft.so.10", Some("10 or 11")),
            ("libcufft.so.11", Some("12")),
            ("libcusolver.so.11", Some("11 or 12")),
            ("libcusparse.so.12", Some("12 or 13")),
            ("libnvrtc.so.11.2", Some("11")),
            ("libcurand.so.10", None),
            ("libcudnn.so.9", None),
            ("libcufft.so.99", None),
            ("libcublas.so.4000000000", None),
            ("libcublas.so", None),
            ("libz.so.1", None),
        ] {
            assert_eq!(majors(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn every_row_is_there_once() {
        for (at, row) in LIBRARIES.iter().enumerate() {
            assert!(LIBRARIES[..at].iter().all(|other| other.stem != row.stem));
        }
    }
}
