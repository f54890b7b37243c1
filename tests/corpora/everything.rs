//! Every file of every folder, whatever it is: `inspect` and `verify` answer, and in JSON.

use std::sync::Mutex;
use std::thread;

use super::command::domsec;
use super::folder::Folder;

/// The command, and its answers: done, no, or not what it should be. Never our own fault (70), and
/// never a panic (101).
const ANSWERS: &[(&[&str], &[i32])] = &[
    (&["inspect", "--json"], &[0, 65]),
    (
        &["verify", "--json", "--at", "2026-06-01T00:00:00Z"],
        &[0, 1, 65],
    ),
];

#[test]
fn every_file_has_an_answer() {
    let Some(folder) = Folder::of("") else { return };
    let files = folder.all();
    assert!(files.len() > 1_800, "only {} files", files.len());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let wrong = &wrong;
        let files = &files;
        for (command, codes) in ANSWERS {
            scope.spawn(move || {
                for file in files {
                    let command = command.iter().map(AsRef::as_ref);
                    let run = domsec(command.chain([file.as_os_str()]));
                    let answered =
                        codes.contains(&run.code) && (run.code == 65 || run.json().is_ok());
                    if !answered {
                        let (file, error) = (file.display(), run.stderr.trim());
                        let line = format!("{file}: {}: {error}", run.code);
                        wrong.lock().unwrap().push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let count = wrong.len();
    assert!(
        wrong.is_empty(),
        "{count} of {}:\n{}",
        files.len(),
        wrong.join("\n")
    );
}
