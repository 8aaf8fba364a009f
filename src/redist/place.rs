//! Output and path for each file of an unpacked archive.

use std::collections::BTreeSet;

/// The outputs that a package has, and its CUDA.
#[derive(Clone, Debug)]
pub(crate) struct Outputs {
    names: BTreeSet<String>,
    /// Major version, for archives with a folder for each CUDA.
    cuda_major: String,
    /// Folders below `lib` that are named after a CUDA version.
    cuda_folders: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The output's name and the path below it.
    In(String, String),
    /// Libraries for another CUDA.
    Dropped,
}

impl Outputs {
    /// `files` are the paths of all files of the archive.
    pub(crate) fn new<'a>(
        names: impl IntoIterator<Item = String>,
        cuda_major: &str,
        files: impl IntoIterator<Item = &'a str>,
    ) -> Outputs {
        let folder = |file: &str| {
            let mut parts = file.split('/');
            let lib = parts.next().filter(|lib| matches!(*lib, "lib" | "lib64"));
            let folder = lib.and_then(|_| parts.next())?;
            let is_version = folder.split('.').all(|part| {
                !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit())
            });
            // A file of that name is none.
            (is_version && parts.next().is_some()).then(|| folder.to_owned())
        };
        Outputs {
            names: names.into_iter().collect(),
            cuda_major: cuda_major.to_owned(),
            cuda_folders: files.into_iter().filter_map(folder).collect(),
        }
    }

    /// The first of the outputs that the package has; `out` is in every package.
    fn first(&self, wanted: &[&str]) -> String {
        let has = |name: &&&str| self.names.contains(**name);
        wanted
            .iter()
            .find(has)
            .map_or("out", |name| name)
            .to_owned()
    }

    /// The folder for this CUDA: `13` before `13.0` before one of another minor version.
    fn cuda_folder(&self) -> Option<&str> {
        let major = self.cuda_major.as_str();
        let same = |folder: &&String| folder.split('.').next() == Some(major);
        let mut folders: Vec<&String> = self.cuda_folders.iter().filter(same).collect();
        folders.sort_by(|a, b| super::version::compare(a, b));
        folders.first().map(|folder| folder.as_str())
    }

    /// The folders for CUDA's versions, if none of them matches this one.
    pub(crate) fn lacks_cuda(&self) -> Option<Vec<&str>> {
        let folders = || self.cuda_folders.iter().map(String::as_str).collect();
        (!self.cuda_folders.is_empty() && self.cuda_folder().is_none()).then(folders)
    }

    /// Folders below `lib` that are named after a CUDA version, oldest first.
    pub(crate) fn cuda_folders(&self) -> Vec<String> {
        let mut folders: Vec<String> = self.cuda_folders.iter().cloned().collect();
        folders.sort_by(|a, b| super::version::compare(a, b));
        folders
    }

    /// The output of a file, whichever CUDA its folder is for.
    pub(crate) fn output_for_any_cuda(&self, path: &str) -> String {
        let folder = self.cuda_folders.iter().find_map(|folder| {
            let rest = path.strip_prefix("lib")?;
            let rest = rest.strip_prefix("64").unwrap_or(rest);
            rest.strip_prefix('/')?
                .strip_prefix(folder)?
                .strip_prefix('/')
        });
        let path = folder.map_or_else(|| path.to_owned(), |rest| format!("lib/{rest}"));
        match self.place(&path) {
            Place::In(output, _) => output,
            Place::Dropped => "out".to_owned(),
        }
    }

    /// The place of a file.
    pub(crate) fn place(&self, path: &str) -> Place {
        let (top, rest) = path.split_once('/').unwrap_or((path, ""));
        let path = match top {
            // Some releases have either, and Nix looks in lib only.
            "lib64" if !rest.is_empty() => format!("lib/{rest}"),
            "pkg-config" | "pkgconfig" if !rest.is_empty() => format!("share/pkgconfig/{rest}"),
            "stubs" if !rest.is_empty() => format!("lib/stubs/{rest}"),
            _ => path.to_owned(),
        };
        let path = match self.without_cuda_folder(&path) {
            Some(path) => path,
            None => return Place::Dropped,
        };
        Place::In(self.output_of(&path), path)
    }

    fn without_cuda_folder(&self, path: &str) -> Option<String> {
        let in_lib = path
            .strip_prefix("lib/")
            .and_then(|rest| rest.split_once('/'));
        match in_lib {
            Some((folder, rest)) if self.cuda_folders.contains(folder) => {
                (self.cuda_folder() == Some(folder)).then(|| format!("lib/{rest}"))
            }
            _ => Some(path.to_owned()),
        }
    }

    fn output_of(&self, path: &str) -> String {
        let top = path.split('/').next().unwrap_or(path);
        let is = |ending: &str| path.ends_with(ending);
        if top == "samples" {
            return self.first(&["samples"]);
        }
        if is(".pc") || is(".cmake") {
            return self.first(&["dev"]);
        }
        match top {
            "bin" => self.first(&["bin"]),
            "include" => self.first(&["include", "dev"]),
            "lib" if path.starts_with("lib/stubs/") => self.first(&["stubs", "lib"]),
            // nvcc names it in every link, shared or static.
            "lib" if path == "lib/libcudadevrt.a" => self.first(&["dev", "lib"]),
            "lib" if is(".a") => self.first(&["static", "lib"]),
            "lib" => self.first(&["lib"]),
            "doc" | "docs" | "man" => self.first(&["doc"]),
            "share" if path.starts_with("share/doc/") || path.starts_with("share/man/") => {
                self.first(&["doc"])
            }
            _ => "out".to_owned(),
        }
    }
}

/// A link at the top of an archive to a directory in it: TensorRT's `lib` leads to
/// `targets/x86_64-linux-gnu/lib`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopLink {
    name: String,
    /// With a slash at its end.
    directory: String,
}

impl TopLink {
    /// A link by its path in the archive; `None` if it is not at the top, or leads out.
    pub(crate) fn new(name: &str, to: &str) -> Option<TopLink> {
        let to = to.trim_end_matches('/');
        let inside = !to.split('/').any(|part| matches!(part, "" | "." | ".."));
        (inside && !name.contains('/')).then(|| TopLink {
            name: name.to_owned(),
            directory: format!("{to}/"),
        })
    }

    /// The path of a file through the links; `None` for a link itself.
    pub(crate) fn place(links: &[TopLink], file: &str) -> Option<String> {
        if links.iter().any(|link| link.name == file) {
            return None;
        }
        let through = |link: &TopLink| {
            let rest = file.strip_prefix(&link.directory)?;
            Some(format!("{}/{rest}", link.name))
        };
        Some(
            links
                .iter()
                .find_map(through)
                .unwrap_or_else(|| file.to_owned()),
        )
    }
}

/// The path in an archive of what a Debian package, such as NVIDIA's for Jetson, has at `path`: below
/// /usr/local/cuda-VERSION the installer's layout, below /usr the distribution's.
pub(crate) fn out_of_deb(path: &str) -> String {
    let Some(path) = path.strip_prefix("usr/") else {
        return path.to_owned();
    };
    let parts: Vec<&str> = path.split('/').collect();
    let parts = match &parts[..] {
        ["local", cuda, "targets", _, rest @ ..] if is_cuda(cuda) => rest.to_vec(),
        ["local", cuda, rest @ ..] if is_cuda(cuda) => rest.to_vec(),
        [top @ ("include" | "lib"), multiarch, rest @ ..] if multiarch.ends_with("-linux-gnu") => {
            [&[*top], rest].concat()
        }
        other => other.to_vec(),
    };
    parts.join("/")
}

/// `cuda-12.6` of /usr/local.
fn is_cuda(name: &str) -> bool {
    name.strip_prefix("cuda-")
        .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

/// A `.pc` file with the paths of the outputs in place of the archive's.
pub(crate) fn pkg_config(text: &str, root: &str, include: &str, lib: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let end = line.len() - line.trim_end_matches(['\n', '\r']).len();
        let (content, newline) = line.split_at(line.len() - end);
        let variable = content.split_once('=').map(|(name, _)| name.trim_end());
        match variable {
            Some(name @ ("cudaroot" | "prefix" | "exec_prefix")) => {
                out.push_str(&format!("{name}={root}"));
            }
            Some("includedir") => out.push_str(&format!("includedir={include}/include")),
            // Below lib there may be more: the driver's stub is in lib/stubs.
            Some("libdir") => {
                let stubs = content.trim_end().ends_with("/stubs");
                let below = if stubs { "lib/stubs" } else { "lib" };
                out.push_str(&format!("libdir={lib}/{below}"));
            }
            _ => out.push_str(content),
        }
        out.push_str(newline);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(names: &str, files: &[&str]) -> Outputs {
        let names = names.split(' ').map(str::to_owned);
        Outputs::new(names, "13", files.iter().copied())
    }

    fn placed(outputs: &Outputs, path: &str) -> String {
        match outputs.place(path) {
            Place::In(output, path) => format!("{output}:{path}"),
            Place::Dropped => "dropped".to_owned(),
        }
    }

    #[test]
    fn links_at_the_top_that_stay_inside() {
        let links: Vec<TopLink> = [
            ("lib", "targets/x86_64-linux-gnu/lib"),
            ("docs", "../docs"),
            ("a/lib", "b"),
            ("usr", "/usr"),
            ("here", "."),
        ]
        .iter()
        .filter_map(|(name, to)| TopLink::new(name, to))
        .collect();
        assert_eq!(links.len(), 1);
        let place = |file| TopLink::place(&links, file);
        let some = |path: &str| Some(path.to_owned());
        assert_eq!(place("targets/x86_64-linux-gnu/lib/l.so"), some("lib/l.so"));
        assert_eq!(
            place("targets/x86_64-linux-gnu/lib2/l.so"),
            some("targets/x86_64-linux-gnu/lib2/l.so")
        );
        assert_eq!(place("lib"), None);
        assert_eq!(place("docs"), some("docs"));
    }

    #[test]
    fn debian_packages_have_the_same_files_elsewhere() {
        for (path, expected) in [
            (
                "usr/local/cuda-12.6/targets/aarch64-linux/lib/l.so",
                "lib/l.so",
            ),
            (
                "usr/local/cuda-12.6/targets/sbsa-linux/include/c.h",
                "include/c.h",
            ),
            ("usr/local/cuda-12.6/bin/nvcc", "bin/nvcc"),
            ("usr/local/cuda-12.6/lib64", "lib64"),
            ("usr/local/other/lib/l.so", "local/other/lib/l.so"),
            ("usr/lib/aarch64-linux-gnu/stubs/l.so", "lib/stubs/l.so"),
            ("usr/include/aarch64-linux-gnu/cudnn.h", "include/cudnn.h"),
            ("usr/include/cudnn.h", "include/cudnn.h"),
            ("usr/share/doc/cudnn/copyright", "share/doc/cudnn/copyright"),
            ("etc/ld.so.conf.d/cuda.conf", "etc/ld.so.conf.d/cuda.conf"),
            ("usr/local/cuda-/x", "local/cuda-/x"),
            ("usr/", ""),
        ] {
            assert_eq!(out_of_deb(path), expected, "{path}");
        }
    }

    #[test]
    fn kinds_of_files_go_to_outputs_that_are_there() {
        let all = outputs("out bin dev include lib static stubs doc samples", &[]);
        let few = outputs("out lib", &[]);
        for (path, split, together) in [
            ("bin/cuobjdump", "bin:bin/cuobjdump", "out:bin/cuobjdump"),
            (
                "include/cuda.h",
                "include:include/cuda.h",
                "out:include/cuda.h",
            ),
            (
                "lib/libcudart.so.13",
                "lib:lib/libcudart.so.13",
                "lib:lib/libcudart.so.13",
            ),
            ("lib64/liba.so", "lib:lib/liba.so", "lib:lib/liba.so"),
            (
                "lib/libcudart_static.a",
                "static:lib/libcudart_static.a",
                "lib:lib/libcudart_static.a",
            ),
            (
                "lib/libcudadevrt.a",
                "dev:lib/libcudadevrt.a",
                "lib:lib/libcudadevrt.a",
            ),
            (
                "lib/stubs/libcuda.so",
                "stubs:lib/stubs/libcuda.so",
                "lib:lib/stubs/libcuda.so",
            ),
            (
                "stubs/libcuda.so",
                "stubs:lib/stubs/libcuda.so",
                "lib:lib/stubs/libcuda.so",
            ),
            (
                "lib/cmake/cccl/cccl-config.cmake",
                "dev:lib/cmake/cccl/cccl-config.cmake",
                "out:lib/cmake/cccl/cccl-config.cmake",
            ),
            (
                "pkg-config/cuda-13.0.pc",
                "dev:share/pkgconfig/cuda-13.0.pc",
                "out:share/pkgconfig/cuda-13.0.pc",
            ),
            (
                "samples/a/b.cu",
                "samples:samples/a/b.cu",
                "out:samples/a/b.cu",
            ),
            ("doc/a.pdf", "doc:doc/a.pdf", "out:doc/a.pdf"),
            (
                "nvvm/lib64/libnvvm.so",
                "out:nvvm/lib64/libnvvm.so",
                "out:nvvm/lib64/libnvvm.so",
            ),
            ("LICENSE", "out:LICENSE", "out:LICENSE"),
        ] {
            assert_eq!(placed(&all, path), split);
            assert_eq!(placed(&few, path), together);
        }
    }

    #[test]
    fn libraries_for_other_cudas_are_dropped() {
        let files = [
            "lib/12/liba.so",
            "lib/13/liba.so",
            "lib/13.1/libb.so",
            "lib/python3/x",
        ];
        let of = outputs("out lib", &files);
        assert_eq!(placed(&of, "lib/13/liba.so"), "lib:lib/liba.so");
        assert_eq!(placed(&of, "lib/12/liba.so"), "dropped");
        assert_eq!(placed(&of, "lib/13.1/libb.so"), "dropped");
        assert_eq!(placed(&of, "lib/python3/x"), "lib:lib/python3/x");
        assert_eq!(of.lacks_cuda(), None);
        let none = outputs("out", &["lib/11/liba.so", "lib/12/liba.so"]);
        assert_eq!(none.lacks_cuda(), Some(vec!["11", "12"]));
    }

    #[test]
    fn pkg_config_names_the_outputs() {
        let text = "cudaroot=/usr/local/cuda-13.0\nlibdir=${cudaroot}/targets/x86_64-linux/lib\n\
                    includedir=${cudaroot}/targets/x86_64-linux/include\n\nName: cuda\nLibs: -L${libdir} -lcuda\n";
        assert_eq!(
            pkg_config(text, "/o/dev", "/o/include", "/o/lib"),
            "cudaroot=/o/dev\nlibdir=/o/lib/lib\nincludedir=/o/include/include\n\nName: cuda\n\
             Libs: -L${libdir} -lcuda\n"
        );
        let stub = pkg_config("libdir=${cudaroot}/lib/stubs\r\n", "/d", "/i", "/s");
        assert_eq!(stub, "libdir=/s/lib/stubs\r\n");
    }
}
