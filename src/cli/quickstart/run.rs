//! `domsec quickstart`: makes what is absent, sends a message out and in again, and serves.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::config::MilterListener;
use crate::config::Socket;
use crate::config::build;
use crate::gateway::judge::chain;
use crate::octets::View;
use crate::service;
use crate::service::Service;
use crate::service::ServiceError;

use super::super::args::Colour;
use super::super::args::Quickstart;
use super::super::check::mta::advice;
use super::super::colour::Paint;
use super::super::colour::printable;
use super::super::failure::Exit;
use super::super::failure::Failure;
use super::super::input;
use super::super::inspect;
use super::super::output::say;
use super::super::report;
use super::super::serve::failure;
use super::Made;
use super::QuickstartError;
use super::lay_out;
use super::mta;
use super::mta::HandError;
use super::mta::Handed;

/// Runs the command; returns when the gateway was told to stop.
pub(in super::super) fn run(arguments: &Quickstart, colour: Colour) -> Result<Exit, Failure> {
    let made = lay_out(&arguments.dir, &arguments.domain, input::now()?);
    let made = made.map_err(|error| refused(&error))?;
    tell_made(&arguments.dir, &made);
    let config = Config::read(&made.ours).map_err(|error| failure(&error.into()))?;
    let lines = advice(&config);
    service::begin_log(&config).map_err(|error| failure(&error))?;
    let runtime = service::runtime().map_err(|error| failure(&error))?;
    runtime.block_on(async {
        let service = Service::of(config, &made.ours).await;
        let service = service.map_err(|error| failure(&error))?;
        service.count_panics();
        let sockets = service.milters().map_err(|error| failure(&error.into()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(service.run(async {
            tokio::select! {
                () = service::told_to_stop() => {}
                _ = stopped => {}
            }
        }));
        let tested = self_test(&made, &sockets, Paint::new(colour)).await;
        if tested.is_err() {
            drop(stop);
            let _ended = serving.await;
            return tested.map(|()| Exit::No);
        }
        say("");
        for line in lines {
            say(&line);
        }
        say("");
        say(&format!(
            "The gateway serves at {}. Stop it with Ctrl-C; start it again with",
            listed(&sockets)
        ));
        say(&format!(
            "    domsec serve --config {}",
            made.ours.display()
        ));
        let ended = serving.await;
        drop(stop);
        ended.map_err(|error| Failure::software(&error))?;
        Ok(Exit::Yes)
    })
}

fn tell_made(directory: &Path, made: &Made) {
    let directory = directory.display();
    match made.created.len() {
        0 => say(&format!("{directory} is complete, and stays as it is.")),
        count => {
            say(&format!("Made {count} files in {directory}:"));
            for path in &made.created {
                say(&format!("    {}", path.display()));
            }
        }
    }
}

/// Sends a message out through our milter socket, and in again through the partner's.
async fn self_test(made: &Made, sockets: &[Socket], paint: Paint) -> Result<(), Failure> {
    let Some(ours) = sockets.first().cloned() else {
        say("There is no milter socket in the configuration: no message is sent for a test.");
        return Ok(());
    };
    let recipient = format!("bob@{}", made.partner_domain);
    let sender = made.user.to_string();
    let message = format!(
        "From: Alice <{sender}>\r\nTo: Bob <{recipient}>\r\nSubject: a test of the gateway\r\n\
         Date: {}\r\nMessage-ID: <self-test@{}>\r\n\r\nHello Bob,\r\n\r\nnobody on the way reads \
         this.\r\n",
        input::now()?.to_rfc5322(),
        made.user.domain(),
    );
    let partner = Config::read(&made.partner).map_err(|error| failure(&error.into()))?;
    let theirs = build::gateway(&partner).map_err(|error| failure(&error.into()))?;

    say("");
    say(&format!(
        "{sender} writes to {recipient}. What leaves, as {} opens it:",
        made.partner_domain
    ));
    say("");
    let outward = handed_over(
        ours,
        (&sender, &recipient, Some(&sender), "127.0.0.1"),
        message.into_bytes(),
    );
    let sealed = outward.await?;
    let opened = input::open_octets(&View::owned(sealed.clone()), &theirs.roles);
    let tree = report::inspect(&opened.opened, &theirs.roles);
    say(inspect::text(&tree, paint).trim_end());

    // A socket of its own, for as long as the test takes.
    let mut partner = partner;
    let free = Socket::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)));
    partner.listen.milter = vec![MilterListener::from(free)];
    partner.listen.admin = Vec::new();
    let service = Service::of(partner, &made.partner).await;
    let service = service.map_err(|error| failure(&error))?;
    let socket = service.milters().map_err(|error| failure(&error.into()))?;
    let socket = socket.into_iter().next();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(service.run_quietly(async {
        let _told = stopped.await;
    }));
    let delivered = match socket {
        // From somewhere else: nobody there is trusted to say who he is.
        Some(socket) => handed_over(socket, (&sender, &recipient, None, "192.0.2.1"), sealed).await,
        None => Err(Failure::software(&ServiceError::Socket(
            io::ErrorKind::NotFound.into(),
        ))),
    };
    drop(stop);
    let _ended = serving.await;
    let delivered = delivered?;
    say("");
    say(&format!("What {recipient} gets:"));
    say("");
    let opened = input::open_octets(&View::owned(delivered.clone()), &theirs.roles);
    let tree = report::inspect(&opened.opened, &theirs.roles);
    say(inspect::text(&tree, paint).trim_end());
    say("");
    for line in String::from_utf8_lossy(&delivered).lines() {
        say(&format!("    {}", printable(line)));
    }
    Ok(())
}

/// One message through a milter socket: sender, recipient, login and client.
async fn handed_over(
    socket: Socket,
    (sender, recipient, login, client): (&str, &str, Option<&str>, &'static str),
    message: Vec<u8>,
) -> Result<Vec<u8>, Failure> {
    let (sender, recipient) = (sender.to_owned(), recipient.to_owned());
    let login = login.map(str::to_owned);
    let handed = spawn_blocking(move || {
        let handed = Handed {
            sender: &sender,
            recipient: &recipient,
            login: login.as_deref(),
            client,
            message: &message,
        };
        mta::hand_over(&socket, handed)
    });
    match handed.await {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(error)) => Err(test_failed(&error)),
        Err(error) => Err(Failure::software(&error)),
    }
}

fn test_failed(error: &HandError) -> Failure {
    Failure::temporary(format!(
        "the message of the self-test did not come through: {}; the lines above say why",
        chain(error)
    ))
}

fn refused(error: &QuickstartError) -> Failure {
    Failure::configuration(chain(error))
}

fn listed(sockets: &[Socket]) -> String {
    let names: Vec<String> = sockets.iter().map(ToString::to_string).collect();
    names.join(" and ")
}
