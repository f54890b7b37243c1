//! The client's side of one SMTP session: one message to all of its recipients, or to none.
//!
//! RFC 5321, with SIZE, 8BITMIME, SMTPUTF8, PIPELINING, DSN and STARTTLS. Refuses to send a message as
//! less than it is, and to go on with a server whose replies come before the commands.

use std::collections::VecDeque;
use std::io;

use super::Accepted;
use super::Content;
use super::Refusal;
use super::ServerReply;
use super::Step;
use super::Submission;
use super::SubmissionError;
use super::extensions::Extensions;
use super::reply::ReplyReader;
use crate::address::Domain;

/// Commands that are sent before a reply is read, where the server offers PIPELINING. Their replies,
/// 512 octets each, fit any socket's buffers, so that neither side waits for the other (RFC 2920 §3.1).
const PIPELINED: usize = 100;

/// Whether STARTTLS is used (RFC 3207).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Never.
    Never,
    /// Always, or nothing is sent. A handshake that fails ends the session: it is not tried again in
    /// clear.
    Required,
}

/// What the driver of a [`Session`] does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Close the connection; [`Session::finish`] has the result.
    Done,
    /// Read octets, and give them to [`Session::handle_octets`]. The step is the oldest whose reply
    /// has not come.
    Read(Step),
    /// Send the message through [`super::dots::DotStuffing`], then call
    /// [`Session::handle_content_sent`]; or [`Session::handle_unreadable`] where it cannot be read.
    SendContent,
    /// Shake hands, then call [`Session::handle_tls`].
    StartTls,
    /// Write these octets.
    Write(Vec<u8>),
}

/// One session, without a socket: ask [`Session::next_action`], do it, and tell what came of it.
///
/// Where the connection fails or a step takes too long, [`Session::handle_lost`] is told, whatever the
/// action was. All or nothing: with a recipient refused, DATA is not sent; therefore DATA does not
/// travel in one group with RCPT (RFC 2920 §3.1 would allow it).
///
/// The parameters of RFC 3461 are carried over where the server offers DSN. Where it does not they are
/// left out, as §5.2.2 has it, and [`Accepted::dsn_dropped`] says so; except
/// [`super::Return::HeadersRequired`], which is an error then.
///
/// A server's own bound on recipients (452, RFC 5321 §4.5.3.1.10) is a refusal like any other: who has
/// more must submit in parts.
#[derive(Debug)]
pub struct Session<'a> {
    submission: &'a Submission,
    /// Who we say we are.
    name: &'a Domain,
    tls: Tls,
    /// Whether the handshake is done.
    protected: bool,
    extensions: Extensions,
    reader: ReplyReader,
    outgoing: Vec<u8>,
    /// The steps whose replies are to come, in the order of the commands.
    awaited: VecDeque<Step>,
    doing: Doing,
    /// The step that was answered last.
    answered: Step,
    /// Recipients for whom RCPT was written, and of them those that were answered.
    asked: usize,
    judged: usize,
    refused: Vec<Refusal>,
    mail_refused: Option<ServerReply>,
    outcome: Option<Result<Accepted, SubmissionError>>,
}

/// What the driver is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It sends the message.
    Content,
    /// It writes commands and reads replies.
    Dialogue,
    /// It shakes hands.
    StartTls,
}

impl<'a> Session<'a> {
    /// A session on a connection that has just been made.
    #[must_use]
    pub fn new(submission: &'a Submission, name: &'a Domain, tls: Tls) -> Self {
        Self {
            submission,
            name,
            tls,
            protected: false,
            extensions: Extensions::default(),
            reader: ReplyReader::default(),
            outgoing: Vec::new(),
            awaited: VecDeque::from([Step::Greeting]),
            doing: Doing::Dialogue,
            answered: Step::Greeting,
            asked: 0,
            judged: 0,
            refused: Vec::new(),
            mail_refused: None,
            outcome: None,
        }
    }

    /// Takes what the server sent. Returns how many replies it completed.
    pub fn handle_octets(&mut self, octets: &[u8]) -> usize {
        let mut complete = 0;
        self.reader.handle_octets(octets);
        while self.listens() {
            if self.outcome.is_some() {
                // Whatever is said to QUIT changes nothing.
                self.close();
                return complete + 1;
            }
            match self.reader.next_reply() {
                Ok(Some(reply)) => {
                    complete += 1;
                    self.handle_reply(reply);
                }
                Ok(None) => return complete,
                Err(source) => {
                    let step = self.step();
                    self.abandon(step, SubmissionError::Reply { step, source });
                }
            }
        }
        // The server cannot know yet what comes next. After STARTTLS these octets would pass for
        // protected ones (RFC 3207 §6).
        if self.outcome.is_none() && !self.reader.is_empty() {
            let step = self.answered;
            self.abandon(step, SubmissionError::Unsolicited { step });
        }
        complete
    }

    /// Takes note that the handshake is done.
    pub fn handle_tls(&mut self) {
        if self.doing == Doing::StartTls {
            self.doing = Doing::Dialogue;
            self.protected = true;
            // What was said in clear is forgotten (RFC 3207 §4.2).
            self.extensions = Extensions::default();
            self.say(&format!("EHLO {}\r\n", self.name), Step::Ehlo);
        }
    }

    /// Takes note that the whole message was sent, but for what ends it.
    pub fn handle_content_sent(&mut self) {
        if self.doing == Doing::Content {
            self.doing = Doing::Dialogue;
            self.say(self.submission.content.terminator(), Step::EndOfData);
        }
    }

    /// Takes note that the message cannot be read. What the server has is cut off before the final
    /// dot, so it must discard it.
    pub fn handle_unreadable(&mut self, source: io::Error) {
        let step = self.step();
        self.abandon(step, SubmissionError::Content(source));
    }

    /// Takes note that the connection failed, ended, or was too slow.
    pub fn handle_lost(&mut self, source: io::Error) {
        let step = self.step();
        let error = self.lost(source);
        self.abandon(step, error);
    }

    /// What to do next. Asked again before it is done, a [`Action::Write`] is not repeated and
    /// everything else is.
    #[must_use]
    pub fn next_action(&mut self) -> Action {
        if !self.outgoing.is_empty() {
            return Action::Write(std::mem::take(&mut self.outgoing));
        }
        match (self.doing, self.awaited.front()) {
            (Doing::Content, _) => Action::SendContent,
            (Doing::StartTls, _) => Action::StartTls,
            (Doing::Dialogue, Some(step)) => Action::Read(*step),
            (Doing::Dialogue, None) => Action::Done,
        }
    }

    /// What is under way: the step whose reply is awaited, or what the driver is at.
    #[must_use]
    pub fn step(&self) -> Step {
        match (self.doing, self.awaited.front()) {
            (Doing::Content, _) => Step::Content,
            (Doing::StartTls, _) => Step::StartTls,
            (Doing::Dialogue, Some(step)) => *step,
            (Doing::Dialogue, None) => self.answered,
        }
    }

    /// What [`Action::SendContent`] sends.
    #[must_use]
    pub const fn content(&self) -> &'a Content {
        &self.submission.content
    }

    /// What the server has offered, under TLS where that is used. Nothing before it was asked.
    #[must_use]
    pub const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// The result. A session that is given up before its end has lost its connection.
    pub fn finish(mut self) -> Result<Accepted, SubmissionError> {
        let given_up = self.lost(io::ErrorKind::Interrupted.into());
        let given_up = placed(self.step(), given_up);
        self.outcome.unwrap_or(Err(given_up))
    }

    fn listens(&self) -> bool {
        self.outgoing.is_empty() && self.doing == Doing::Dialogue && !self.awaited.is_empty()
    }

    /// The one place where a reply moves the session on.
    fn handle_reply(&mut self, reply: ServerReply) {
        let Some(step) = self.awaited.pop_front() else {
            return;
        };
        self.answered = step;
        let refuses = reply.is_temporary() || reply.is_permanent();
        match step {
            Step::Greeting if reply.is_positive() => {
                self.say(&format!("EHLO {}\r\n", self.name), Step::Ehlo);
            }
            Step::Ehlo if reply.is_positive() => {
                self.extensions = Extensions::of(&reply);
                self.choose_tls();
            }
            // RFC 5321 §3.2: a server that knows no EHLO is greeted with HELO.
            Step::Ehlo if reply.is_permanent() => {
                self.say(&format!("HELO {}\r\n", self.name), Step::Helo);
            }
            Step::Helo if reply.is_positive() => self.choose_tls(),
            Step::StartTls if reply.code() == 220 => self.doing = Doing::StartTls,
            Step::StartTls if refuses && self.tls != Tls::Required && reply.code() != 421 => {
                self.begin();
            }
            Step::Mail if reply.is_positive() => self.go_on(),
            Step::Mail if refuses => {
                self.mail_refused = Some(reply.shortened());
                self.go_on();
            }
            Step::Recipient if reply.is_positive() || refuses => self.judge(reply),
            Step::Data if reply.code() == 354 => self.doing = Doing::Content,
            Step::EndOfData if reply.is_positive() => {
                let accepted = Accepted {
                    reply: reply.shortened(),
                    dsn_dropped: !self.extensions.dsn && self.submission.asks_for_dsn(),
                    tls: self.protected,
                };
                self.quit(Ok(accepted));
            }
            Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Data
            | Step::EndOfData
                if refuses =>
            {
                self.refuse(step, reply.shortened());
            }
            Step::Greeting
            | Step::Ehlo
            | Step::Helo
            | Step::StartTls
            | Step::Mail
            | Step::Recipient
            | Step::Data
            | Step::Content
            | Step::EndOfData
            | Step::Quit => {
                let reply = reply.shortened();
                self.abandon(step, SubmissionError::Unexpected { step, reply });
            }
        }
    }

    /// STARTTLS, or on to MAIL in clear.
    fn choose_tls(&mut self) {
        match self.tls {
            Tls::Never => self.begin(),
            Tls::Required if self.protected => self.begin(),
            Tls::Required if self.extensions.start_tls => {
                self.say("STARTTLS\r\n", Step::StartTls);
            }
            Tls::Required => self.quit(Err(SubmissionError::TlsMissing)),
        }
    }

    /// MAIL, and RCPT with it where both may go together.
    fn begin(&mut self) {
        if let Err(error) = self.submission.check(&self.extensions) {
            self.quit(Err(error));
            return;
        }
        let mail = self.submission.mail(&self.extensions);
        self.say(&mail, Step::Mail);
        self.ask();
    }

    /// RCPT for as many recipients as may be asked at once.
    fn ask(&mut self) {
        let most = if self.extensions.pipelining {
            PIPELINED
        } else {
            1
        };
        while self.awaited.len() < most
            && let Some(recipient) = self.submission.recipients.get(self.asked)
        {
            let rcpt = self.submission.rcpt(recipient, &self.extensions);
            self.say(&rcpt, Step::Recipient);
            self.asked += 1;
        }
    }

    fn judge(&mut self, reply: ServerReply) {
        if !reply.is_positive()
            && let Some(recipient) = self.submission.recipients.get(self.judged)
        {
            self.refused.push(Refusal {
                mailbox: recipient.mailbox.clone(),
                reply: reply.shortened(),
            });
        }
        self.judged += 1;
        self.go_on();
    }

    /// When all replies are in: further recipients, or DATA, or the end.
    fn go_on(&mut self) {
        if !self.awaited.is_empty() {
            return;
        }
        if self.mail_refused.is_none() && self.asked < self.submission.recipients.len() {
            self.ask();
            return;
        }
        match self.refusal() {
            Some(refusal) => self.quit(Err(refusal)),
            None => self.say("DATA\r\n", Step::Data),
        }
    }

    /// What the server has refused of the envelope. Without MAIL, what it says to RCPT means nothing.
    fn refusal(&mut self) -> Option<SubmissionError> {
        if let Some(reply) = self.mail_refused.take() {
            let step = Step::Mail;
            return Some(SubmissionError::Refused { step, reply });
        }
        let refused = std::mem::take(&mut self.refused);
        let asked = self.submission.recipients.len();
        (!refused.is_empty()).then_some(SubmissionError::Recipients { refused, asked })
    }

    fn say(&mut self, command: &str, step: Step) {
        self.outgoing.extend_from_slice(command.as_bytes());
        self.awaited.push_back(step);
    }

    fn refuse(&mut self, step: Step, reply: ServerReply) {
        let closes = reply.code() == 421;
        self.quit(Err(SubmissionError::Refused { step, reply }));
        if closes {
            // The server closes the connection itself (RFC 5321 §3.8).
            self.close();
        }
    }

    /// Ends the session in good order.
    fn quit(&mut self, outcome: Result<Accepted, SubmissionError>) {
        self.outcome = Some(outcome);
        self.say("QUIT\r\n", Step::Quit);
    }

    /// What a lost connection comes to. What was refused stays refused, though not all were asked.
    fn lost(&mut self, source: io::Error) -> SubmissionError {
        let step = self.step();
        match (self.refusal(), self.doing) {
            (Some(refusal), _) => refusal,
            (None, Doing::StartTls) => SubmissionError::Tls(source),
            (None, Doing::Content | Doing::Dialogue) => SubmissionError::Lost { step, source },
        }
    }

    /// Ends the session at once; what it had come to stays.
    fn abandon(&mut self, step: Step, error: SubmissionError) {
        self.outcome.get_or_insert(Err(placed(step, error)));
        self.close();
    }

    fn close(&mut self) {
        self.outgoing.clear();
        self.awaited.clear();
        self.doing = Doing::Dialogue;
    }
}

/// `error` as it counts at `step`: past the final dot nobody knows what the server did with the message.
fn placed(step: Step, error: SubmissionError) -> SubmissionError {
    match step {
        Step::EndOfData => SubmissionError::Unknown(Box::new(error)),
        Step::Greeting
        | Step::Ehlo
        | Step::Helo
        | Step::StartTls
        | Step::Mail
        | Step::Recipient
        | Step::Data
        | Step::Content
        | Step::Quit => error,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::super::Return;
    use super::super::dots::DotStuffing;
    use super::*;
    use crate::octets::View;

    const ALL: &str = "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n\
        250-SMTPUTF8\r\n250-STARTTLS\r\n250 DSN\r\n";

    fn submission(recipients: &[&str], content: &str) -> Submission {
        Submission {
            sender: Some("a@a.example".parse().unwrap()),
            recipients: recipients
                .iter()
                .map(|text| text.parse::<crate::address::Mailbox>().unwrap().into())
                .collect(),
            content: Content::of(View::owned(content.as_bytes().to_vec())).unwrap(),
            returns: None,
            envelope_id: None,
            smtp_utf8: true,
        }
    }

    fn two() -> Submission {
        submission(&["b@b.example", "c@b.example"], "Subject: a\r\n\r\n.b")
    }

    /// Plays the server: each entry is what it sends when it is read from; then it drops.
    /// Returns what it was sent, `<tls>` for a handshake, and the result.
    fn play(
        submission: &Submission,
        tls: Tls,
        script: &[&str],
    ) -> (String, Result<Accepted, SubmissionError>) {
        let name = "gw.a.example".parse().unwrap();
        let mut session = Session::new(submission, &name, tls);
        let mut script = script.iter();
        let mut sent = Vec::new();
        loop {
            match session.next_action() {
                Action::Done => break,
                Action::Read(_) => match script.next() {
                    Some(octets) => drop(session.handle_octets(octets.as_bytes())),
                    None => session.handle_lost(io::ErrorKind::UnexpectedEof.into()),
                },
                Action::SendContent => {
                    let octets = submission.content.view().to_vec(1 << 20).unwrap().unwrap();
                    DotStuffing::default().stuff(&octets, &mut sent);
                    session.handle_content_sent();
                }
                Action::StartTls => {
                    sent.extend_from_slice(b"<tls>");
                    session.handle_tls();
                }
                Action::Write(octets) => sent.extend(octets),
            }
        }
        (String::from_utf8(sent).unwrap(), session.finish())
    }

    fn clear(
        submission: &Submission,
        script: &[&str],
    ) -> (String, Result<Accepted, SubmissionError>) {
        play(submission, Tls::Never, script)
    }

    fn lines(sent: &str) -> Vec<&str> {
        sent.split_terminator("\r\n").collect()
    }

    #[test]
    fn a_pipelined_envelope_goes_in_one_write_and_data_after_it() {
        let script = [
            "220 mx ESMTP\r\n",
            ALL,
            "250 ok\r\n250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 2.0.0 queued as 42\r\n",
            "221 bye\r\n",
        ];
        let (sent, result) = clear(&two(), &script);
        assert_eq!(
            lines(&sent),
            [
                "EHLO gw.a.example",
                "MAIL FROM:<a@a.example> SIZE=18",
                "RCPT TO:<b@b.example>",
                "RCPT TO:<c@b.example>",
                "DATA",
                "Subject: a",
                "",
                "..b",
                ".",
                "QUIT",
            ]
        );
        let accepted = result.unwrap();
        assert_eq!(accepted.reply.to_string(), "250 2.0.0 queued as 42");
        assert!(!accepted.dsn_dropped && !accepted.tls);
        // Before the replies to RCPT are in, DATA is not sent.
        let (sent, _) = clear(&two(), &script[..3]);
        assert!(!sent.contains("DATA"), "{sent}");
    }

    #[test]
    fn without_pipelining_each_command_waits_for_its_reply() {
        let script = [
            "220 mx\r\n",
            "250 mx\r\n",
            "250 ok\r\n",
            "251 will forward\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 ok\r\n",
        ];
        let (sent, result) = clear(&two(), &script);
        assert!(sent.contains("MAIL FROM:<a@a.example>\r\n"), "{sent}");
        // A server that drops at QUIT has accepted nonetheless.
        result.unwrap();
        for step in 1..script.len() {
            let (shorter, _) = clear(&two(), &script[..step]);
            assert!(
                sent.starts_with(&shorter) && shorter.len() < sent.len(),
                "{step}"
            );
        }
    }

    #[test]
    fn a_long_list_is_asked_in_groups() {
        let names: Vec<String> = (0..250)
            .map(|number| format!("r{number}@b.example"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let submission = submission(&names, "");
        let (hundred, rest) = ("250 ok\r\n".repeat(100), "250 ok\r\n".repeat(51));
        let script = [
            "220 mx\r\n",
            ALL,
            &hundred,
            &hundred,
            &rest,
            "354 go\r\n",
            "250 ok\r\n",
        ];
        let (sent, result) = clear(&submission, &script);
        result.unwrap();
        assert_eq!(sent.matches("RCPT").count(), 250);
        let (sent, _) = clear(&submission, &script[..2]);
        assert_eq!(sent.matches("RCPT").count(), 99);
    }

    #[test]
    fn a_refused_recipient_stops_the_message_for_all() {
        let script = [
            "220 mx\r\n",
            ALL,
            "250 ok\r\n550 5.1.1 nobody\r\n450 4.2.1 later\r\n",
            "221 bye\r\n",
        ];
        let (sent, result) = clear(&two(), &script);
        assert!(
            !sent.contains("DATA") && sent.ends_with("QUIT\r\n"),
            "{sent}"
        );
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            "server refused 2 of 2 recipients: <b@b.example>: 550 5.1.1 nobody; \
             <c@b.example>: 450 4.2.1 later"
        );
        assert!(error.is_permanent());
        let one_by_one = [
            "220 mx\r\n",
            "250 mx\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "452 full\r\n",
        ];
        let (sent, result) = clear(&two(), &one_by_one);
        assert!(!sent.contains("DATA"), "{sent}");
        assert!(!result.unwrap_err().is_permanent());
    }

    #[test]
    fn a_refused_sender_is_reported_and_not_its_recipients() {
        let script = [
            "220 mx\r\n",
            ALL,
            "550 no\r\n503 need MAIL\r\n503 need MAIL\r\n",
        ];
        let (_, result) = clear(&two(), &script);
        assert_eq!(
            result.unwrap_err().to_string(),
            "server refused MAIL: 550 no"
        );
        let (sent, _) = clear(&two(), &["220 mx\r\n", "250 mx\r\n", "451 later\r\n"]);
        assert!(!sent.contains("RCPT"), "{sent}");
    }

    #[test]
    fn a_server_without_ehlo_is_greeted_with_helo() {
        let script = [
            "220 mx\r\n",
            "502 what\r\n",
            "250 mx\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
        ];
        let (sent, _) = clear(&two(), &script);
        assert_eq!(lines(&sent)[1], "HELO gw.a.example");
        assert_eq!(lines(&sent)[2], "MAIL FROM:<a@a.example>");
        assert!(sent.ends_with("DATA\r\n"), "{sent}");
    }

    #[test]
    fn a_message_that_outgrew_the_server_is_not_begun() {
        let grown = submission(&["b@b.example"], &"a\r\n".repeat(400));
        let (sent, result) = clear(&grown, &["220 mx\r\n", ALL]);
        assert_eq!(lines(&sent), ["EHLO gw.a.example", "QUIT"]);
        let error = result.unwrap_err();
        assert!(
            matches!(
                error,
                SubmissionError::TooLarge {
                    size: 1200,
                    allowed: 1000
                }
            ),
            "{error}"
        );
        assert!(error.is_permanent());
        let (sent, _) = clear(&grown, &["220 mx\r\n", "250-mx\r\n250 SIZE 0\r\n"]);
        assert!(sent.contains("SIZE=1200"), "{sent}");
    }

    #[test]
    fn nothing_is_sent_as_less_than_it_is() {
        let eight_bit = submission(&["b@b.example"], "Subject: a\r\n\r\n\u{e9}\r\n");
        let utf8_header = submission(&["b@b.example"], "Subject: \u{e9}\r\n\r\n");
        let utf8_address = submission(&["\u{e9}@b.example"], "");
        let mut bound = two();
        bound.returns = Some(Return::HeadersRequired);
        let cases = [
            (&eight_bit, "8BITMIME", " BODY=8BITMIME\r\n"),
            (&utf8_header, "SMTPUTF8", " BODY=8BITMIME SMTPUTF8\r\n"),
            (&utf8_address, "SMTPUTF8", " SMTPUTF8\r\n"),
            (&bound, "DSN", " RET=HDRS\r\n"),
        ];
        for (submission, keyword, parameters) in cases {
            let (sent, _) = clear(submission, &["220 mx\r\n", ALL]);
            assert!(sent.contains(parameters), "{keyword}: {sent}");
            let without = ALL.replace(keyword, "X-NONE");
            let (sent, result) = clear(submission, &["220 mx\r\n", &without]);
            assert!(!sent.contains("MAIL"), "{keyword}: {sent}");
            let error = result.unwrap_err();
            assert!(
                error.is_permanent() && error.to_string().contains(keyword),
                "{error}"
            );
        }
        let nobody = submission(&[], "");
        let (sent, result) = clear(&nobody, &["220 mx\r\n", ALL]);
        assert!(!sent.contains("MAIL"), "{sent}");
        assert!(matches!(result, Err(SubmissionError::NoRecipient)));
    }

    #[test]
    fn a_header_beyond_ascii_is_not_said_to_be_more_than_its_sender_said() {
        let old = Submission {
            smtp_utf8: false,
            ..submission(&["b@b.example"], "Subject: \u{e9}\r\n\r\n")
        };
        let address = Submission {
            smtp_utf8: false,
            ..submission(&["\u{e9}@b.example"], "")
        };
        for (submission, wanted) in [
            (&old, " BODY=8BITMIME\r\n"),
            // Nobody can name it otherwise.
            (&address, " SMTPUTF8\r\n"),
        ] {
            let (sent, _) = clear(submission, &["220 mx\r\n", ALL]);
            assert!(sent.contains(wanted), "{sent}");
        }
        let without = ALL.replace("SMTPUTF8", "X-NONE");
        let (sent, _) = clear(&old, &["220 mx\r\n", &without]);
        assert!(sent.contains("MAIL"), "{sent}");
    }

    #[test]
    fn what_the_sender_asked_of_reports_is_carried_over() {
        let mut submission = two();
        submission.sender = None;
        submission.returns = Some(Return::Headers);
        submission.envelope_id = Some("QQ+2B1".parse().unwrap());
        submission.recipients[0].notify = Some("SUCCESS,FAILURE".parse().unwrap());
        submission.recipients[0].original = Some("rfc822;Old+2Bb@b.example".parse().unwrap());
        submission.recipients[1].notify = Some("NEVER".parse().unwrap());
        submission.recipients[1].original = Some("utf-8;\u{e9}@b.example".parse().unwrap());
        let (sent, _) = clear(&submission, &["220 mx\r\n", ALL]);
        assert_eq!(
            lines(&sent)[1..],
            [
                "MAIL FROM:<> SIZE=18 RET=HDRS ENVID=QQ+2B1",
                "RCPT TO:<b@b.example> NOTIFY=FAILURE,SUCCESS ORCPT=rfc822;Old+2Bb@b.example",
                "RCPT TO:<c@b.example> NOTIFY=NEVER ORCPT=utf-8;\\x{E9}@b.example",
            ]
        );
        let script = [
            "220 mx\r\n",
            "250 mx\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 ok\r\n",
        ];
        let (sent, result) = clear(&submission, &script);
        assert!(
            sent.contains("MAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\n"),
            "{sent}"
        );
        assert!(result.unwrap().dsn_dropped);
    }

    #[test]
    fn odd_local_parts_are_quoted_and_stay_one_argument() {
        let odd = submission(&["\"a> RSET\"@b.example"], "");
        let (sent, _) = clear(&odd, &["220 mx\r\n", ALL]);
        assert_eq!(lines(&sent)[2], "RCPT TO:<\"a> RSET\"@b.example>");
    }

    #[test]
    fn starttls_forgets_what_was_offered_in_clear() {
        let script = [
            "220 mx\r\n",
            ALL,
            "220 go\r\n",
            "250 mx\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "250 ok\r\n",
            "354 go\r\n",
            "250 ok\r\n",
        ];
        let (sent, result) = play(&two(), Tls::Required, &script);
        let start = "EHLO gw.a.example\r\nSTARTTLS\r\n<tls>EHLO gw.a.example\r\nMAIL FROM:<a@a.example>\r\n";
        assert!(sent.starts_with(start), "{sent}");
        assert!(result.unwrap().tls);
        let (sent, _) = clear(&two(), &script[..2]);
        assert!(!sent.contains("STARTTLS"), "{sent}");
    }

    #[test]
    fn required_tls_is_never_done_without() {
        let plain = ["220 mx\r\n", "250 mx\r\n"];
        let refused = ["220 mx\r\n", ALL, "454 not now\r\n"];
        let (sent, result) = play(&two(), Tls::Required, &plain);
        assert!(!sent.contains("MAIL"), "{sent}");
        assert!(matches!(result, Err(SubmissionError::TlsMissing)));
        let (sent, result) = play(&two(), Tls::Required, &refused);
        assert!(!sent.contains("MAIL"), "{sent}");
        assert_eq!(
            result.unwrap_err().to_string(),
            "server refused STARTTLS: 454 not now"
        );
    }

    #[test]
    fn octets_that_follow_the_reply_to_starttls_end_the_session() {
        for injected in ["220 go\r\n250 mx\r\n", "220 go\r\n2", "220 go\r\n\0"] {
            let script = ["220 mx\r\n", ALL, injected, "250 mx\r\n"];
            let (sent, result) = play(&two(), Tls::Required, &script);
            assert!(sent.ends_with("STARTTLS\r\n"), "{sent}");
            let error = result.unwrap_err();
            let step = Step::StartTls;
            assert!(
                matches!(error, SubmissionError::Unsolicited { step: s } if s == step),
                "{error}"
            );
        }
    }

    #[test]
    fn replies_before_their_commands_end_the_session() {
        for script in [
            &["220 mx\r\n250 mx\r\n"][..],
            &["220 mx\r\n", "250 mx\r\n250 ok\r\n"],
            &[
                "220 mx\r\n",
                ALL,
                "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",
            ],
            &[
                "220 mx\r\n",
                ALL,
                "250 ok\r\n250 ok\r\n250 ok\r\n",
                "354 go\r\n250 ok\r\n",
            ],
        ] {
            let (_, result) = clear(&two(), script);
            let error = result.unwrap_err();
            assert!(
                matches!(error, SubmissionError::Unsolicited { .. }),
                "{error}"
            );
            assert!(!error.is_permanent());
        }
    }

    #[test]
    fn replies_may_be_split_at_every_octet() {
        let whole = [
            "220 mx\r\n",
            ALL,
            "250 ok\r\n250 ok\r\n250 ok\r\n",
            "354 go\r\n",
            "250 ok\r\n",
        ];
        let (sent, _) = clear(&two(), &whole);
        let octets = whole.concat();
        let single: Vec<&str> = octets.split("").filter(|octet| !octet.is_empty()).collect();
        let (again, result) = clear(&two(), &single);
        assert_eq!(again, sent);
        result.unwrap();
    }

    #[test]
    fn a_lost_connection_is_unknown_after_the_final_dot_and_nowhere_else() {
        let script = [
            "220 mx\r\n",
            ALL,
            "250 ok\r\n250 ok\r\n250 ok\r\n",
            "354 go\r\n",
            "250 ok\r\n",
        ];
        for answered in 0..script.len() {
            let (_, result) = clear(&two(), &script[..answered]);
            let error = result.unwrap_err();
            assert!(!error.is_permanent(), "{error}");
            let unknown = matches!(error, SubmissionError::Unknown(_));
            assert_eq!(unknown, answered == 4, "{error}");
        }
        for odd in ["what\r\n", "354 go\r\n", "250 ok\n"] {
            let (_, result) = clear(&two(), &[&script[..4], &[odd]].concat());
            assert!(
                matches!(result, Err(SubmissionError::Unknown(_))),
                "{odd:?}"
            );
        }
        let (_, result) = clear(&two(), &[&script[..4], &["421 going down\r\n"]].concat());
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            "server refused end of data: 421 going down"
        );
    }

    #[test]
    fn a_message_that_is_cut_off_was_not_accepted() {
        let (submission, name) = (two(), "gw.a.example".parse().unwrap());
        for unreadable in [true, false] {
            let mut session = Session::new(&submission, &name, Tls::Never);
            for octets in [
                "220 mx\r\n",
                ALL,
                "250 ok\r\n250 ok\r\n250 ok\r\n",
                "354 go\r\n",
            ] {
                assert!(matches!(
                    session.next_action(),
                    Action::Read(_) | Action::Write(_)
                ));
                if let Action::Write(_) = session.next_action() {
                    assert!(matches!(session.next_action(), Action::Read(_)));
                }
                session.handle_octets(octets.as_bytes());
            }
            assert_eq!(session.next_action(), Action::SendContent);
            let error = io::ErrorKind::BrokenPipe.into();
            if unreadable {
                session.handle_unreadable(error);
            } else {
                session.handle_lost(error);
            }
            assert_eq!(session.next_action(), Action::Done);
            let error = session.finish().unwrap_err();
            let text = error.to_string();
            if unreadable {
                assert!(matches!(error, SubmissionError::Content(_)), "{text}");
            } else {
                assert_eq!(text, "connection lost at message content");
            }
        }
    }

    #[test]
    fn what_was_refused_before_a_loss_stays_refused() {
        let (_, result) = clear(&two(), &["220 mx\r\n", ALL, "250 ok\r\n550 nobody\r\n"]);
        let error = result.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("server refused 1 of 2 recipients"),
            "{error}"
        );
    }

    #[test]
    fn hostile_replies_end_the_session_at_every_step() {
        let script = [
            "220 mx\r\n",
            ALL,
            "250 ok\r\n250 ok\r\n250 ok\r\n",
            "354 go\r\n",
            "250 ok\r\n",
        ];
        let endless = "2".repeat(3000);
        let lines = "250-x\r\n".repeat(1000);
        for answered in 0..script.len() {
            for hostile in [&endless, &lines, "ok\r\n", "250 ok\n", "250-a\r\n251 b\r\n"] {
                let (sent, result) = clear(&two(), &[&script[..answered], &[hostile]].concat());
                assert!(
                    result.is_err() && !sent.contains("QUIT"),
                    "{answered} {hostile:.20}"
                );
                assert!(!result.unwrap_err().is_permanent());
            }
        }
    }

    #[test]
    fn a_session_that_is_given_up_has_failed() {
        let (submission, name) = (two(), "gw.a.example".parse().unwrap());
        let error = Session::new(&submission, &name, Tls::Never)
            .finish()
            .unwrap_err();
        assert_eq!(error.to_string(), "connection lost at greeting");
    }
}
