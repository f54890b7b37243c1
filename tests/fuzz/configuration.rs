//! The configuration of the service: what is refused has its place in the file, and what is not means
//! the same however it is written.

use std::path::Path;

use domsec::config::Config;
use domsec::config::ConfigError;
use domsec::config::Socket;

/// A file, read and judged.
pub(crate) fn configuration(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let read = parsed(&text);
    assert_eq!(shown(&read), shown(&parsed(&text)), "judged in two ways");
    match &read {
        Ok(config) => accepted(&text, config),
        Err(error) => refused(&text, error),
    }
}

fn parsed(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("etc/domsec.toml"))
}

fn shown(read: &Result<Config, ConfigError>) -> Result<String, String> {
    read.as_ref()
        .map(|config| format!("{config:?}"))
        .map_err(ToString::to_string)
}

/// The place is one of the file, and moves with what stands there.
fn refused(text: &str, error: &ConfigError) {
    let ConfigError::Syntax { place, reason, .. } = error else {
        panic!("nothing was to be read: {error}");
    };
    let line = text.split('\n').nth(place.line - 1);
    let line = line.expect("a line of the file");
    assert!(place.column <= line.chars().count() + 1, "{error}");
    assert!(!reason.is_empty(), "{error}");
    // A byte order mark is one at the beginning alone.
    if text.starts_with('\u{feff}') {
        return;
    }
    match parsed(&format!("# A comment.\n{text}")) {
        Err(ConfigError::Syntax {
            place: moved,
            reason: same,
            ..
        }) => {
            // What is missing is missing in the whole of the file.
            let whole = (place.line, place.column) == (1, 1) && moved == *place;
            let by_a_line = (moved.line, moved.column) == (place.line + 1, place.column);
            assert!(whole || by_a_line, "{moved}, not a line after {error}");
            assert_eq!(same, *reason);
        }
        other => panic!("a comment makes of {error}: {:?}", shown(&other)),
    }
}

fn accepted(text: &str, config: &Config) {
    let same = format!("{config:?}");
    let means_the_same = |written: &str| {
        let config = parsed(written).unwrap_or_else(|error| panic!("{error}:\n{written}"));
        assert_eq!(format!("{config:?}"), same, "{written}");
    };
    means_the_same(&format!("{text}\n\n# A comment.\n"));
    // The same values in another order, without comments, and with other quotes.
    if let Ok(table) = text.parse::<toml::Table>() {
        means_the_same(&table.to_string());
    }
    // What nobody knows is said, never passed over.
    if !text.starts_with('\u{feff}') {
        match parsed(&format!("no_such_key = 1\n{text}")) {
            Err(error) => assert!(error.to_string().contains("no_such_key"), "{error}"),
            Ok(_) => panic!("a key that nobody knows is passed over"),
        }
    }
    promises(config);
}

/// What those who use it rely on.
fn promises(config: &Config) {
    for listener in &config.listen.milter {
        assert_eq!(
            listener.socket.to_string().parse::<Socket>().as_ref(),
            Ok(&listener.socket)
        );
        assert!(listener.mode <= 0o777, "{:o}", listener.mode);
    }
    // A time of nothing would defer every message.
    for time in [
        config.listen.idle_timeout,
        config.limits.wait,
        config.limits.work,
    ] {
        assert!(!time.is_zero());
    }
    for domain in &config.domains {
        let parsed = domsec::address::Domain::parse(domain.as_str());
        assert_eq!(parsed.as_ref(), Ok(domain));
    }
    for network in &config.trust.networks {
        // It holds no more than addresses of its own kind.
        let [four, six] = ["192.0.2.1", "2001:db8::1"].map(|address| {
            let address = address.parse().expect("an address");
            network.contains(address)
        });
        assert!(!(four && six), "{network:?}");
    }
    let resolved = config.path(Path::new("ca.pem"));
    assert_eq!(resolved, Path::new("etc/ca.pem"));
}
