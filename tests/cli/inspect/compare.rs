//! The same question to `inspect` and to the real loader, and the answers side by side.

use super::workshop::{BINARY, Workshop};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

/// A loader's result for one file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Paths of the loaded libraries, in order.
    pub loaded: Vec<String>,
    pub missing: BTreeSet<String>,
    /// `GLIBC_2.38`, with the file that lacks it.
    pub versions: BTreeSet<(String, String)>,
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The result of `inspect --json`.
pub fn of_json(json: &Value) -> Answer {
    let mut answer = Answer::default();
    for object in json["loaded"].as_array().unwrap() {
        answer.loaded.push(text(&object["path"]));
    }
    for problem in json["problems"].as_array().unwrap() {
        match problem["problem"].as_str().unwrap() {
            "missing" => {
                answer.missing.insert(text(&problem["name"]));
            }
            "version" => {
                for version in problem["versions"].as_array().unwrap() {
                    let pair = (text(version), text(&problem["resolved"]));
                    answer.versions.insert(pair);
                }
            }
            other => panic!("{other}: {json}"),
        }
    }
    answer
}

/// Lists libraries as `ldd` does: the loader continues after a missing one.
pub fn trace(loader: &Path, file: &Path, dir: &Path, env: &[(&str, &str)]) -> Output {
    Command::new(loader)
        .current_dir(dir)
        .arg(file)
        .env_remove("LD_LIBRARY_PATH")
        .env("LD_TRACE_LOADED_OBJECTS", "1")
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// `ld.so --list FILE`: an error after the first miss.
pub fn list(loader: &Path, file: &Path, dir: &Path, env: &[(&str, &str)]) -> Output {
    Command::new(loader)
        .current_dir(dir)
        .arg("--list")
        .arg(file)
        .env_remove("LD_LIBRARY_PATH")
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// Parses the output of `trace` or `list`.
pub fn of_trace(output: &Output) -> Answer {
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let mut answer = Answer::default();
    for line in stdout.lines().chain(stderr.lines()) {
        if let Some((before, after)) = line.split_once(": version `") {
            let (version, _) = after.split_once('\'').unwrap();
            let file = before.rsplit(' ').next().unwrap();
            answer.versions.insert((version.into(), file.into()));
            continue;
        }
        let Some(entry) = line.strip_prefix('\t') else {
            panic!("what is this? {line}\n{stdout}{stderr}");
        };
        if entry.starts_with("linux-vdso") || entry == "statically linked" {
            continue;
        }
        match entry.split_once(" => ") {
            Some((name, "not found")) => {
                answer.missing.insert(name.into());
            }
            Some((_, path)) => answer.loaded.push(path.rsplit_once(" (").unwrap().0.into()),
            None if entry.ends_with("=> not found") => {
                let name = entry.trim_end_matches("=> not found").trim_end();
                answer.missing.insert(name.into());
            }
            None => answer
                .loaded
                .push(entry.rsplit_once(" (").unwrap().0.into()),
        }
    }
    answer
}

/// Asks both about a file; they must agree. Gives inspect's JSON for more questions.
pub fn agree(shop: &Workshop, file: &Path, env: &[(&str, &str)]) -> Value {
    let output = Command::new(BINARY)
        .current_dir(&shop.path)
        .env_remove("LD_LIBRARY_PATH")
        .envs(env.iter().copied())
        .args(["inspect", "--json"])
        .arg(file)
        .output()
        .unwrap();
    let json: Value = crate::support::schema::parsed(&output.stdout);
    let status = if json["loads"] == true { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    let loader = text(&json["loader"]["path"]);
    judge(&json, Path::new(&loader), file, &shop.path, env);
    json
}

fn is_loader(path: &str) -> bool {
    Path::new(path).file_name().unwrap() == "ld-linux-x86-64.so.2"
}

/// Compares inspect's result for a file with the real loader.
pub fn judge(json: &Value, loader: &Path, file: &Path, dir: &Path, env: &[(&str, &str)]) {
    let ours = of_json(json);
    let of_loader = |output: &Output| {
        let mut answer = of_trace(output);
        // glibc 2.41 lists itself where nothing needs it, too; 2.36 doesn't.
        if json["loader"]["rules"] != "glibc 2.36"
            && !ours.loaded.iter().any(|path| is_loader(path))
        {
            answer.loaded.retain(|path| !is_loader(path));
        }
        answer
    };
    let real = of_loader(&trace(loader, file, dir, env));
    assert_eq!(ours, real, "{}", file.display());
    let list = list(loader, file, dir, env);
    if real.missing.is_empty() {
        assert_eq!(of_loader(&list), real, "{}", file.display());
    } else {
        assert!(!list.status.success(), "{}", file.display());
    }
}

/// How `name` was found, for a direct need of the file: the step and whose it is.
pub fn via(json: &Value, name: &str) -> String {
    need(json, name)["via"].as_str().unwrap_or("missing").into()
}

pub fn need<'a>(json: &'a Value, name: &str) -> &'a Value {
    let needed = json["needed"].as_array().unwrap();
    needed.iter().find(|n| n["name"] == name).unwrap()
}

/// The files that glibc tries for `name`, from LD_DEBUG=libs, in order. Leaves out attempts in
/// missing directories, as inspect reports such a directory once.
pub fn tried_by_glibc(shop: &Workshop, loader: &str, file: &Path, name: &str) -> Vec<String> {
    let output = Command::new(loader)
        .current_dir(&shop.path)
        .arg("--list")
        .arg(file)
        .env_remove("LD_LIBRARY_PATH")
        .env("LD_DEBUG", "libs")
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    tried_in_log(shop, &log, name)
}

/// The same, from what a loader has printed.
pub fn tried_in_log(shop: &Workshop, log: &str, name: &str) -> Vec<String> {
    let start = format!("find library={name} [0]; searching");
    let mut lines = log.lines().skip_while(|line| !line.ends_with(&start));
    lines.next();
    lines
        .take_while(|line| !line.contains("find library="))
        .filter_map(|line| Some(line.split_once("trying file=")?.1.to_owned()))
        .filter(|path| {
            let dir = Path::new(path).parent().unwrap();
            shop.path.join(dir).is_dir()
        })
        .collect()
}

/// The files that inspect says are tried for `name`, the one that is taken at the end.
pub fn tried_by_us(json: &Value, name: &str) -> Vec<String> {
    let need = need(json, name);
    let places = need["considered"].as_array().unwrap();
    places
        .iter()
        .filter(|place| place["place"].is_string())
        .filter(|place| {
            !["no-such-directory", "not-in-cache"].contains(&place["why"].as_str().unwrap())
        })
        .map(|place| text(&place["place"]))
        .chain(need["resolved"].as_str().map(str::to_owned))
        .collect()
}
