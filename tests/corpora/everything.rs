//! Every file of every folder, whatever it is: `inspect` answers, and what it prints is JSON.

use std::sync::Mutex;
use std::thread;

use super::command::domsec;
use super::folder::Folder;

/// Done, or not what it should be. Never our own fault (70), and never a panic (101).
const ANSWERS: &[i32] = &[0, 65];

#[test]
fn inspect_answers_for_every_file() {
    let Some(folder) = Folder::of("") else { return };
    let files = folder.all();
    assert!(files.len() > 1_800, "only {} files", files.len());
    let wrong = Mutex::new(Vec::new());
    let half = files.len() / 2;
    thread::scope(|scope| {
        for files in [&files[..half], &files[half..]] {
            scope.spawn(|| {
                for file in files {
                    let run = domsec(["inspect".as_ref(), "--json".as_ref(), file.as_os_str()]);
                    let answered =
                        ANSWERS.contains(&run.code) && (run.code != 0 || run.json().is_ok());
                    if !answered {
                        let line =
                            format!("{}: {}: {}", file.display(), run.code, run.stderr.trim());
                        wrong.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        files.len(),
        wrong.join("\n")
    );
}
