//! What mail teaches, when the configuration is read again.

use std::fs;

use crate::process::Laid;

#[test]
fn a_reload_cannot_begin_to_learn_and_a_restart_can() {
    let laid = Laid::out();
    let mut running = laid.start(&mut laid.serve());
    let text = fs::read_to_string(laid.config()).expect("a configuration");
    let text = format!("{text}\n[harvest]\nenabled = true\n");
    fs::write(laid.config(), text).expect("a configuration");
    running.signal("HUP");
    running.wait_log("restart domsec, and not reload it, to switch it on");
    running.terminate();
    fs::remove_file(laid.path("domsec.log")).expect("a log");
    let mut running = laid.start(&mut laid.serve());
    running.signal("HUP");
    running.wait_log("were read anew");
    running.terminate();
}
