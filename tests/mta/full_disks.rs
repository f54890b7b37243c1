//! A gateway whose disk is full, really: mail waits where it is, and goes on when there is room again.

use crate::domains::Domains;
use crate::domains::Plan;
use crate::faults::expect_encrypted;
use crate::faults::message;
use crate::faults::numbers;
use crate::gateway::Disk;
use crate::layers::header;
use crate::postfix;
use crate::processes::wait_for;
use crate::smtp::Options;
use crate::smtp::Sent;

/// More than one of the messages below and all its layers take, ten times.
const ROOM: Disk = Disk { octets: 16 << 20 };
/// More than the spool keeps in memory, and many pages of a disk.
const LONG: usize = 400_000;

/// A spool on that disk.
const SPOOL: &str = "\n[spool]\ndirectory = \"disk\"\nmemory_octets = 10000\n";

/// A plan whose gateways have a disk each; `None` where that cannot be.
fn plan() -> Option<Plan> {
    if !postfix::can_run() || !Disk::can_be_had() {
        return None;
    }
    let mut plan = Plan::new();
    plan.disk = Some(ROOM);
    Some(plan)
}

fn expect_deferred(sent: &Sent, domains: &Domains) -> String {
    let log = domains.gateway_a.log();
    assert_eq!(sent.last().code, 451, "{sent:#?}\n{log}");
    // The peer reads nothing of how we are built.
    assert!(!sent.last().text.contains("disk"), "{sent:#?}");
    log
}

/// What an administrator reads.
const ADVICE: &str = "see that the disk of [spool] directory is not full";

#[test]
fn a_full_disk_under_the_spool_defers_until_there_is_room() {
    let Some(mut plan) = plan() else {
        return;
    };
    plan.gateway_a += SPOOL;
    let domains = plan.start();
    domains.send(&message(0, LONG)).expect_accepted();
    // No room for the message; then for that, and not for what becomes of it.
    for (count, left) in [0, 500_000].into_iter().enumerate() {
        domains.gateway_a.fill_disk(left);
        let sent = domains.send(&message(1, LONG));
        let log = expect_deferred(&sent, &domains);
        assert_eq!(log.matches(ADVICE).count(), count + 1, "{left}: {log}");
        assert!(log.contains("No space left on device"), "{left}: {log}");
        // What needs no disk still goes.
        domains.send(&message(2 + count, 0)).expect_accepted();
        domains.gateway_a.make_room();
    }
    // Mail of the sendmail command waits at Postfix.
    domains.gateway_a.fill_disk(0);
    let rcpts = ["bob@b.example"];
    domains
        .a
        .submit("alice@a.example", &rcpts, &message(4, LONG));
    wait_for("third line of advice", || {
        (domains.gateway_a.log().matches(ADVICE).count() >= 3).then_some(())
    });
    domains.b.wait_delivered("bob", 3);
    domains.gateway_a.make_room();
    domains.send(&message(1, LONG)).expect_accepted();
    domains.a.flush();
    let delivered = domains.b.wait_delivered("bob", 5);
    domains.a.wait_queue_empty();
    assert_eq!(
        numbers(&delivered),
        [0, 1, 2, 3, 4].map(|number| (number, 1)).into()
    );
    expect_encrypted(&domains.wire);
    assert_eq!(domains.gateway_a.unnamed_files(), 0);
}

#[test]
fn what_cannot_be_opened_for_a_full_disk_waits_at_the_sender() {
    let Some(mut plan) = plan() else {
        return;
    };
    plan.gateway_b += SPOOL;
    let domains = plan.start();
    // No room for the message; then for that, and not for what is in it; then for some of that.
    for (count, left) in [0, 800_000, 1_400_000].into_iter().enumerate() {
        domains.gateway_b.fill_disk(left);
        let before = domains.gateway_b.log().matches(ADVICE).count();
        domains.send(&message(count, LONG)).expect_accepted();
        wait_for("line of advice", || {
            (domains.gateway_b.log().matches(ADVICE).count() > before).then_some(())
        });
        assert_eq!(domains.b.delivered("bob").len(), count, "{left}");
        domains.gateway_b.make_room();
        domains.a.flush();
        domains.b.wait_delivered("bob", count + 1);
        domains.a.wait_queue_empty();
    }
    let delivered = domains.b.delivered("bob");
    // Each opened, since its number is in the text, and flagged by none of the tries.
    for message in &delivered {
        let header = header(message);
        assert!(header.contains("smime=pass"), "{header}");
        assert!(!header.contains("Domsec-Warning"), "{header}");
    }
    assert_eq!(
        numbers(&delivered),
        [0, 1, 2].map(|number| (number, 1)).into()
    );
    expect_encrypted(&domains.wire);
}

#[test]
fn a_full_disk_under_the_journal_defers_until_there_is_room() {
    let Some(mut plan) = plan() else {
        return;
    };
    let table = "[reinject]\n";
    assert!(plan.gateway_a.contains(table), "{}", plan.gateway_a);
    let journal = format!("{table}journal = \"disk/domsec.journal\"\n");
    plan.gateway_a = plan.gateway_a.replace(table, &journal);
    plan.serve_everybody();
    let domains = plan.start();
    // Different editions, so that one is submitted beside the milter.
    let send = |number| {
        let rcpts = ["bob@b.example", "carl@c.example"];
        let message = message(number, 0);
        domains
            .a
            .send("alice@a.example", &rcpts, &message, &Options::default())
    };
    domains.gateway_a.fill_disk(0);
    let sent = send(0);
    let log = expect_deferred(&sent, &domains);
    assert!(
        log.contains("the journal could not be written: see that its disk is not full"),
        "{log}"
    );
    assert!(log.contains("No space left on device"), "{log}");
    // What needs no journal still goes.
    domains.send(&message(1, 0)).expect_accepted();
    domains.gateway_a.make_room();
    for number in [0, 2] {
        send(number).expect_accepted();
    }
    domains.a.wait_queue_empty();
    domains.b.wait_queue_empty();
    // There was no room to enter what would be submitted: so it was not, and nothing went out twice.
    for (domain, wanted) in [("b.example", &[0, 1, 2][..]), ("c.example", &[0, 2])] {
        let carried = domains.wire.messages().into_iter();
        let for_domain: Vec<_> = carried
            .filter(|carried| carried.rcpts.iter().any(|rcpt| rcpt.contains(domain)))
            .collect();
        let ids = |number: &i32| {
            let id = format!("<{number}@a.example>");
            let of = |carried: &&crate::wire::Carried| {
                String::from_utf8_lossy(&carried.octets).contains(&id)
            };
            for_domain.iter().filter(of).count()
        };
        let counts: Vec<usize> = wanted.iter().map(ids).collect();
        assert_eq!(counts, vec![1; wanted.len()], "{domain}: {wanted:?}");
        assert_eq!(counts.len(), for_domain.len(), "{domain}");
    }
}
