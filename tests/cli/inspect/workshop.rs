//! A temporary directory in which small C programs and libraries are built.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const BINARY: &str = env!("CARGO_BIN_EXE_cuda-fixup");

/// A temporary directory, its path free of links.
pub struct Workshop {
    _dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl Workshop {
    pub fn new() -> Workshop {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap();
        Workshop { _dir: dir, path }
    }

    /// One whose files are in a directory of this name.
    pub fn below(name: &str) -> Workshop {
        let mut shop = Workshop::new();
        shop.path.push(name);
        fs::create_dir(&shop.path).unwrap();
        shop
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Compiles `source` into `output`, in this directory.
    pub fn cc<S: AsRef<OsStr>>(&self, compiler: &str, output: &str, source: &str, flags: &[S]) {
        let path = self.at(output);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let c = self.write(&format!("{}.c", output.replace('/', "_")), source);
        let run = Command::new(compiler)
            .current_dir(&self.path)
            .arg("-o")
            .arg(&path)
            .arg(&c)
            .arg("-Wl,--no-as-needed,--allow-shlib-undefined")
            .args(flags)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{output}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }

    /// A library with the given flags, and a SONAME that is its file name.
    pub fn lib(&self, output: &str, flags: &[&str]) {
        let name = Path::new(output).file_name().unwrap().to_str().unwrap();
        let soname = format!("-Wl,-soname,{name}");
        let mut all = vec!["-shared", "-fPIC", &soname];
        all.extend(flags);
        let symbol: String = name
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '_' })
            .collect();
        self.cc(
            "gcc",
            output,
            &format!("int {symbol}(void) {{ return 0; }}"),
            &all,
        );
    }

    pub fn exe(&self, output: &str, flags: &[&str]) -> PathBuf {
        self.cc("gcc", output, "int main(void) { return 0; }", flags);
        self.at(output)
    }

    /// A program that needs a library which is nowhere.
    pub fn exe_without(&self, output: &str, library: &str) {
        let stub = format!("stub/{library}");
        self.lib(&stub, &[]);
        self.exe(output, &[&stub]);
        fs::remove_file(self.at(&stub)).unwrap();
    }

    pub fn inspect<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        Command::new(BINARY)
            .current_dir(&self.path)
            .env_remove("LD_LIBRARY_PATH")
            .arg("inspect")
            .args(args)
            .output()
            .unwrap()
    }

    /// The one line of one file.
    pub fn json(&self, path: &Path, more: &[&str]) -> Value {
        let mut args = vec![OsStr::new("--json"), path.as_os_str()];
        args.extend(more.iter().map(OsStr::new));
        let output = self.inspect(&args);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.code() < Some(2),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let json: Value = crate::support::schema::parsed(text.lines().next().unwrap());
        let status = if json["loads"] == false { 1 } else { 0 };
        assert_eq!(output.status.code(), Some(status), "{text}");
        json
    }
}
