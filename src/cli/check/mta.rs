//! What the mail server's settings should be, and what is to be said of those that it has.

use std::path::Path;
use std::path::absolute;

use super::Finding;
use crate::config::Config;
use crate::config::Socket;

/// The settings of Postfix that decide what becomes of mail while no milter answers.
pub(super) const SETTINGS: [&str; 3] = [
    "milter_default_action",
    "smtpd_milters",
    "non_smtpd_milters",
];

/// What is to be said of one of [`SETTINGS`], as `postconf -h` prints it.
///
/// The default action can also stand within a list of milters: `{ inet:.., default_action=accept }`.
pub(super) fn setting(key: &str, value: &str) -> Finding {
    let actions: Vec<&str> = if key == "milter_default_action" {
        vec![value]
    } else {
        let words = value.split([' ', '\t', ',', '{', '}']);
        words
            .filter_map(|word| word.strip_prefix("default_action="))
            .collect()
    };
    let name = format!("Postfix has {key} = {value}");
    if actions.contains(&"accept") {
        // Postfix then queues the original body even when a milter dies while replacing it.
        return Finding::error(format!(
            "{name}: with accept, plaintext leaves the domain while domsec does not answer: make it \
             tempfail"
        ));
    }
    match actions.iter().find(|action| **action != "tempfail") {
        Some(action) => Finding::warning(format!(
            "{name}: with {action:?}, mail does not wait at its sender while domsec does not answer: \
             make it tempfail"
        )),
        None if value.is_empty() => unasked(key, name),
        None => Finding::ok(name),
    }
}

/// Where no milter stands in `key`, mail passes us by, whatever the default action.
fn unasked(key: &str, name: String) -> Finding {
    match key {
        "smtpd_milters" => Finding::warning(format!(
            "{name}(nothing): mail that comes by SMTP passes domsec by, but for services of master.cf that have \
             their own (-o smtpd_milters): take over the line below"
        )),
        "non_smtpd_milters" => Finding::warning(format!(
            "{name}(nothing): mail of the sendmail command passes domsec by: take over the line below"
        )),
        _ => Finding::ok(name),
    }
}

/// What is to be said where Postfix asks milters and none of them is ours: mail then passes us by.
///
/// `settings` are those of [`SETTINGS`], `services` is what `postconf -P` prints.
pub(super) fn asked(
    config: &Config,
    settings: &[(&str, String)],
    services: &str,
) -> Option<Finding> {
    let (_, main) = settings.iter().find(|(key, _)| *key == "smtpd_milters")?;
    let own = services.lines().filter_map(|line| {
        let (name, value) = line.split_once(" = ")?;
        name.ends_with("/smtpd_milters").then_some(value)
    });
    let mut words = std::iter::once(main.as_str())
        .chain(own)
        .flat_map(|value| value.split([' ', '\t', ',', '{', '}']));
    let sockets = || config.listen.milter.iter().map(|listener| &listener.socket);
    // Not to be known from here: a parameter's value, where systemd listens.
    let unknown = sockets().any(|socket| matches!(socket, Socket::Systemd(_)));
    let named = words.any(|word| word.contains('$') || sockets().any(|socket| is_at(socket, word)));
    // That it asks nobody is told of with the setting.
    if main.is_empty() || unknown || named || config.listen.milter.is_empty() {
        return None;
    }
    Some(Finding::warning(format!(
        "Postfix asks none of [listen] milter, neither by smtpd_milters = {main} nor by a service of \
         master.cf: mail that comes by SMTP passes domsec by: add smtpd_milters of the lines below"
    )))
}

/// Whether Postfix's `word` may be for `socket`: the host can have another name, and a path begin at the
/// queue (chroot).
fn is_at(socket: &Socket, word: &str) -> bool {
    match socket {
        Socket::Tcp(address) => word
            .strip_prefix("inet:")
            .and_then(|rest| rest.rsplit_once(':'))
            .is_some_and(|(_, port)| port == address.port().to_string()),
        Socket::Unix(path) => word
            .strip_prefix("unix:")
            .is_some_and(|rest| Path::new(rest).file_name() == path.file_name()),
        Socket::Systemd(_) => false,
    }
}

/// Lines to copy into the configuration of the mail server: those of `deploy/`, with our socket.
pub(in super::super) fn advice(config: &Config) -> Vec<String> {
    let (postfix, sendmail) = milter(config);
    vec![
        "For Postfix, in main.cf:".to_owned(),
        format!("    smtpd_milters = {postfix}"),
        format!("    non_smtpd_milters = {postfix}"),
        "    internal_mail_filter_classes = bounce".to_owned(),
        "    milter_default_action = tempfail".to_owned(),
        "    milter_connect_timeout = 10s".to_owned(),
        "    milter_command_timeout = 30s".to_owned(),
        "    milter_content_timeout = 300s".to_owned(),
        "For Sendmail, in the .mc file (F=T is tempfail):".to_owned(),
        format!(
            "    INPUT_MAIL_FILTER(`domsec', `S={sendmail}, F=T, T=C:10s;S:30s;R:30s;E:5m')dnl"
        ),
        "Never accept as the default action: plaintext would leave while domsec does not answer."
            .to_owned(),
    ]
}

/// The milter socket as Postfix and as Sendmail write it: by address where there is one, since Postfix
/// may not see the file system as we do (chroot).
fn milter(config: &Config) -> (String, String) {
    let sockets = config.listen.milter.iter().map(|listener| &listener.socket);
    let first = sockets.min_by_key(|socket| match socket {
        Socket::Tcp(_) => 0,
        Socket::Unix(_) => 1,
        Socket::Systemd(_) => 2,
    });
    match first {
        Some(Socket::Tcp(address)) => {
            let (ip, port) = (address.ip(), address.port());
            // Sendmail knows the family by its own word.
            let family = if ip.is_ipv6() { "inet6" } else { "inet" };
            (format!("inet:{address}"), format!("{family}:{port}@{ip}"))
        }
        Some(Socket::Unix(path)) => {
            let path = config.path(path);
            let path = absolute(&path).unwrap_or(path);
            let path = path.display();
            (format!("unix:{path}"), format!("local:{path}"))
        }
        // Only the socket unit says where: as in the one that we ship.
        Some(Socket::Systemd(_)) | None => (
            "inet:127.0.0.1:8891".to_owned(),
            "inet:8891@127.0.0.1".to_owned(),
        ),
    }
}
