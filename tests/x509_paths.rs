//! Paths through certificates that the `openssl` command makes: each rule, kept and broken.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests state what must hold; a panic there is the report"
)]

mod openssl_pki;

use domsec::crypto::provider;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::x509::Certificate;
use domsec::x509::Crl;
use domsec::x509::PathFault;
use domsec::x509::PathOutcome;
use domsec::x509::PathRequest;
use domsec::x509::PathValidation;
use domsec::x509::SimplePaths;
use domsec::x509::Time;
use domsec::x509::Verdict;
use domsec::x509::name_constraints::NameFault;
use domsec::x509::path::InitialPolicies;
use domsec::x509::path::Purpose;
use domsec::x509::path::RevocationMode;
use domsec::x509::pem;
use domsec::x509::purpose::PurposeError;
use domsec::x509::revocation::RevocationReason;
use domsec::x509::revocation::UnknownStatus;
use domsec::x509::signature::SignatureFault;
use openssl_pki::CA;
use openssl_pki::Pki;
use openssl_pki::USER;

fn anchored(anchors: &[&Certificate]) -> SimplePaths {
    let anchors = anchors.iter().copied().cloned().collect();
    SimplePaths::new(anchors, provider().verification, &Limits::default())
}

fn request<'a>(target: &'a Certificate, intermediates: &'a [Certificate]) -> PathRequest<'a> {
    PathRequest {
        target,
        intermediates,
        crls: &[],
        at: later(target.not_before(), 60),
        purpose: Purpose::Smime,
        revocation: RevocationMode::Prefer,
        policies: InitialPolicies::default(),
    }
}

fn later(time: Time, seconds: i64) -> Time {
    Time::from_unix(time.unix() + seconds).unwrap()
}

fn judge(paths: &SimplePaths, request: &PathRequest<'_>) -> PathOutcome {
    paths.validate(request, &mut Budget::new(&Limits::default()))
}

/// The fault of a path that is not valid, after checking that verdict and fault agree.
fn fault(outcome: PathOutcome) -> PathFault {
    let error = outcome.error.expect("a path that is not valid says why");
    assert_eq!(outcome.verdict, error.fault.verdict(), "{error}");
    error.fault
}

fn subjects(outcome: &PathOutcome) -> Vec<&str> {
    outcome
        .chain
        .iter()
        .map(Certificate::subject_name)
        .collect()
}

#[test]
fn a_path_is_found_among_strangers_in_any_order() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let middle = pki.issue("root", "middle", CA);
    let lower = pki.issue("middle", "lower", CA);
    let stranger = pki.root("stranger", CA);
    let user = pki.issue("lower", "user", USER);
    let bag = [
        stranger.clone(),
        lower.clone(),
        user.clone(),
        root.clone(),
        middle.clone(),
    ];
    let outcome = judge(&anchored(&[&stranger, &root]), &request(&user, &bag));
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.error);
    let expected = ["CN=user", "CN=lower", "CN=middle", "CN=root"];
    assert_eq!(subjects(&outcome), expected);
    assert_eq!(outcome.warnings, []);
    // An intermediate as anchor ends the path where it stands.
    let outcome = judge(&anchored(&[&middle]), &request(&user, &bag));
    assert_eq!(subjects(&outcome), ["CN=user", "CN=lower", "CN=middle"]);
    assert_eq!(outcome.verdict, Verdict::Valid);
}

#[test]
fn a_missing_issuer_is_named_and_an_end_without_anchor_is_invalid() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let other = pki.root("other", CA);
    let middle = pki.issue("root", "middle", CA);
    let user = pki.issue("middle", "user", USER);
    let outcome = judge(&anchored(&[&root]), &request(&user, &[]));
    assert_eq!(outcome.verdict, Verdict::Indeterminate);
    let error = outcome.error.unwrap();
    let expected = "CN=user: no certificate of its issuer \"CN=middle\" is at hand";
    assert_eq!(error.to_string(), expected);

    let bag = [middle.clone(), root.clone()];
    let outcome = judge(&anchored(&[&other]), &request(&user, &bag));
    assert_eq!(subjects(&outcome), ["CN=user", "CN=middle", "CN=root"]);
    assert_eq!(fault(outcome), PathFault::NotAnchored);
    let outcome = judge(&anchored(&[&other]), &request(&root, &[]));
    assert_eq!(fault(outcome), PathFault::NotAnchored);
}

#[test]
fn a_path_that_fails_is_told_from_the_target_up() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let middle = pki.issue("root", "middle", CA);
    let lower = pki.issue("middle", "lower", CA);
    let user = pki.issue("lower", "user", USER);
    let bag = [middle.clone(), lower.clone()];
    let whole = ["CN=user", "CN=lower", "CN=middle", "CN=root"];
    let none = |outcome: PathOutcome, culprit: &str| {
        let error = outcome.error.as_ref().expect("a fault").to_string();
        assert!(error.starts_with(culprit), "{error}");
        assert_eq!(subjects(&outcome), whole, "{error}");
    };
    // A CA above that is none, an anchor that is none, and a target that is for nothing here.
    let no_ca = pki.issue_as("root", "no-ca", "/CN=middle", USER);
    let bag_without = [no_ca, lower.clone()];
    none(
        judge(&anchored(&[&root]), &request(&user, &bag_without)),
        "CN=middle",
    );
    let false_root = pki.issue_as("root", "false-root", "/CN=root", USER);
    none(
        judge(&anchored(&[&false_root]), &request(&user, &bag)),
        "CN=root",
    );
    let forged = pki.issue_as("middle", "forger", "/CN=lower", CA);
    let bag_forged = [middle, forged];
    none(
        judge(&anchored(&[&root]), &request(&user, &bag_forged)),
        "CN=user",
    );
    // Targets that go in circles have a path of their own alone.
    let circle = pki.root("circle", USER);
    let outcome = judge(&anchored(&[&root]), &request(&circle, &[]));
    assert_eq!(subjects(&outcome), ["CN=circle"]);
}

#[test]
fn an_end_entity_that_is_an_anchor_itself_is_valid() {
    let pki = Pki::new();
    let user = pki.root("user", USER);
    let outcome = judge(&anchored(&[&user]), &request(&user, &[]));
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.error);
    assert_eq!(subjects(&outcome), ["CN=user"]);
}

#[test]
fn an_issuer_of_the_same_name_with_another_key_is_none() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let middle = pki.issue("root", "middle", CA);
    let forger = pki.issue_as("root", "forger", "/CN=middle", CA);
    let user = pki.issue("middle", "user", USER);
    let paths = anchored(&[&root]);
    let bag = [forger.clone(), middle];
    let outcome = judge(&paths, &request(&user, &bag));
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.error);
    let bag = [forger];
    let outcome = judge(&paths, &request(&user, &bag));
    let expected = SignatureFault::Invalid("CN=middle".into());
    assert_eq!(fault(outcome), PathFault::Signature(expected));
    // The same where no anchor is reached: a wrong signature is worse than a missing issuer.
    let outcome = judge(&anchored(&[]), &request(&user, &bag));
    assert_eq!(outcome.verdict, Verdict::Invalid);
}

#[test]
fn dates_hold_for_every_certificate_and_the_anchor() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let user = pki.issue("root", "user", USER);
    let paths = anchored(&[&root]);
    let mut asked = request(&user, &[]);
    asked.at = later(root.not_before(), -1);
    let outcome = judge(&paths, &asked);
    assert!(matches!(fault(outcome), PathFault::NotYetValid { .. }));
    asked.at = later(user.not_after(), 1);
    let outcome = judge(&paths, &asked);
    assert!(matches!(fault(outcome), PathFault::Expired { .. }));
    asked.at = root.not_after().min(user.not_after());
    assert_eq!(judge(&paths, &asked).verdict, Verdict::Valid);
}

#[test]
fn only_a_ca_issues() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let paths = anchored(&[&root]);
    let cases = [
        ("user1", USER, PathFault::BasicConstraints),
        (
            "user2",
            "basicConstraints=CA:TRUE\nkeyUsage=digitalSignature\n",
            PathFault::KeyUsage,
        ),
    ];
    for (name, extensions, expected) in cases {
        let issuer = pki.issue("root", name, extensions);
        let user = pki.issue(name, "victim", USER);
        let bag = [issuer];
        assert_eq!(fault(judge(&paths, &request(&user, &bag))), expected);
    }
}

#[test]
fn path_length_constraints_hold() {
    let pki = Pki::new();
    let limited = "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\n";
    let root = pki.root("root", CA);
    let middle = pki.issue("root", "middle", limited);
    let lower = pki.issue("middle", "lower", CA);
    let near = pki.issue("middle", "near", USER);
    let far = pki.issue("lower", "far", USER);
    let bag = [middle, lower];
    let paths = anchored(&[&root]);
    assert_eq!(judge(&paths, &request(&near, &bag)).verdict, Verdict::Valid);
    assert_eq!(
        fault(judge(&paths, &request(&far, &bag))),
        PathFault::PathLength
    );
}

#[test]
fn unknown_critical_extensions_are_named() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let odd = format!("{USER}1.2.3.4.5=critical,DER:0500\n");
    let odd = pki.issue("root", "odd", &odd);
    let outcome = judge(&anchored(&[&root]), &request(&odd, &[]));
    assert_eq!(
        fault(outcome),
        PathFault::CriticalExtension("1.2.3.4.5".into())
    );
}

#[test]
fn extended_key_usage_must_allow_mail_in_the_whole_path() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let paths = anchored(&[&root]);
    let web = pki.issue("root", "web", "extendedKeyUsage=serverAuth\n");
    let mut asked = request(&web, &[]);
    let expected = PathFault::Purpose(PurposeError::EmailProtection);
    assert_eq!(fault(judge(&paths, &asked)), expected);
    asked.purpose = Purpose::Any;
    assert_eq!(judge(&paths, &asked).verdict, Verdict::Valid);

    let web_ca = pki.issue(
        "root",
        "web-ca",
        &format!("{CA}extendedKeyUsage=serverAuth\n"),
    );
    let user = pki.issue("web-ca", "user", USER);
    let bag = [web_ca];
    assert_eq!(fault(judge(&paths, &request(&user, &bag))), expected);
    let any = pki.issue("root", "any", "extendedKeyUsage=anyExtendedKeyUsage\n");
    assert_eq!(judge(&paths, &request(&any, &[])).verdict, Verdict::Valid);
}

#[test]
fn name_constraints_hold_for_all_that_follow() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let constrained = format!(
        "{CA}nameConstraints=critical,permitted;email:a.example,permitted;DNS:a.example,\
         excluded;DNS:bad.a.example,permitted;URI:a.example\n"
    );
    let middle = pki.issue("root", "middle", &constrained);
    let lower = pki.issue("middle", "lower", CA);
    let paths = anchored(&[&root]);
    let bag = [middle, lower];
    let cases = [
        ("email:u@a.example", Verdict::Valid),
        ("email:u@b.example", Verdict::Invalid),
        ("email:u@x.a.example", Verdict::Invalid),
        ("DNS:x.a.example", Verdict::Valid),
        ("DNS:x.bad.a.example", Verdict::Invalid),
        ("URI:smtp://a.example", Verdict::Valid),
        ("URI:smtp://b.example", Verdict::Invalid),
        (
            "otherName:1.3.6.1.5.5.7.8.9;UTF8:u@b.example",
            Verdict::Invalid,
        ),
    ];
    for (name, expected) in cases {
        let extensions = format!("{USER}subjectAltName={name}\n");
        let user = pki.issue("lower", "user", &extensions);
        let outcome = judge(&paths, &request(&user, &bag));
        assert_eq!(outcome.verdict, expected, "{name}: {:?}", outcome.error);
    }
    // An address in the subject alone is constrained too.
    let user = pki.issue_as("lower", "user", "/CN=u/emailAddress=u@b.example", USER);
    let outcome = judge(&paths, &request(&user, &bag));
    let expected = NameFault::NotPermitted("\"u@b.example\"".into());
    assert_eq!(fault(outcome), PathFault::Names(expected));
}

#[test]
fn md5_is_refused_by_name_and_sha1_is_accepted_with_a_warning() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    pki.issue("root", "user", USER);
    let paths = anchored(&[&root]);
    let user = pki.sign("user", "-CA root.pem -CAkey root.key -sha1");
    let outcome = judge(&paths, &request(&user, &[]));
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.error);
    let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    let expected = ["CN=user: signed with ecdsa-sha1, which is weak"];
    assert_eq!(warnings, expected);

    pki.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key");
    pki.openssl("req -new -x509 -key rsa.key -subj /CN=rsa -days 365 -out rsa.pem");
    let rsa = pki.certificate("rsa.pem");
    let user = pki.sign("user", "-CA rsa.pem -CAkey rsa.key -md5");
    let outcome = judge(&anchored(&[&rsa]), &request(&user, &[]));
    let text = outcome.error.as_ref().unwrap().to_string();
    assert!(matches!(
        fault(outcome),
        PathFault::Signature(SignatureFault::Algorithm(_))
    ));
    assert!(text.to_lowercase().contains("md5"), "{text}");
}

#[test]
fn forged_namesakes_cannot_hide_the_issuer_and_a_spent_budget_says_so() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let middle = pki.issue("root", "middle", CA);
    let user = pki.issue("middle", "user", USER);
    // The forger's own root has the anchor's name, so all of these seem to be the anchor's.
    pki.request_namesake();
    let mut bag: Vec<Certificate> = (0..6)
        .map(|_| pki.issue_as("namesake", "forged", "/CN=middle", CA))
        .collect();
    bag.push(middle);
    let paths = anchored(&[&root]);
    let outcome = judge(&paths, &request(&user, &bag));
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.error);

    let few = Limits {
        key_operations: 1,
        ..Limits::default()
    };
    let outcome = paths.validate(&request(&user, &bag), &mut Budget::new(&few));
    assert!(matches!(fault(outcome), PathFault::Limit(_)));
}

#[test]
fn a_path_longer_than_the_limit_is_not_followed() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let middle = pki.issue("root", "middle", CA);
    let user = pki.issue("middle", "user", USER);
    let limits = Limits {
        path_length: 2,
        ..Limits::default()
    };
    let paths = SimplePaths::new(vec![root], provider().verification, &limits);
    let bag = [middle];
    let outcome = judge(&paths, &request(&user, &bag));
    let expected = "CN=user: length of the path is 3, more than the limit of 2";
    assert_eq!(outcome.error.as_ref().unwrap().to_string(), expected);
    assert_eq!(outcome.verdict, Verdict::Indeterminate);
}

#[test]
fn certificates_that_issue_each_other_end() {
    let pki = Pki::new();
    let other = pki.root("other", CA);
    let a = pki.root("a", CA);
    let b = pki.issue("a", "b", CA);
    let user = pki.issue("b", "user", USER);
    let a_by_b = pki.sign("a", "-CA b.pem -CAkey b.key");
    assert_ne!(a, a_by_b);
    let bag = [a_by_b.clone(), b.clone()];
    let outcome = judge(&anchored(&[&other]), &request(&user, &bag));
    assert_eq!(fault(outcome), PathFault::NotAnchored);
    let outcome = judge(&anchored(&[&a]), &request(&user, &bag));
    assert_eq!(subjects(&outcome), ["CN=user", "CN=b", "CN=a"]);
}

#[test]
fn revocation_follows_the_mode() {
    use RevocationMode::Off;
    use RevocationMode::Prefer;
    use RevocationMode::Require;
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let other = pki.root("other", CA);
    let user = pki.issue("root", "user", USER);
    let paths = anchored(&[&root, &other]);
    let line = format!(
        "R\t300101000000Z\t260101000000Z,keyCompromise\t{}\tunknown\t/CN=user\n",
        user.serial_hex().to_uppercase()
    );
    let good = [pki.crl("root", "")];
    let revoked = [pki.crl("root", &line)];
    let of_other = [pki.crl("other", "")];
    let expired = later(good[0].next_update().unwrap(), 1);
    let now = good[0].this_update();
    let since: Time = "2026-01-01T00:00:00Z".parse().unwrap();
    let is_revoked = PathFault::Revoked {
        at: since,
        reason: RevocationReason::KeyCompromise,
    };
    let unknown = |status| Some(PathFault::RevocationUnknown(status));
    let absent = || unknown(UnknownStatus::Absent("CN=root".into()));
    let outdated = || {
        unknown(UnknownStatus::Expired {
            issuer: "CN=root".into(),
            next_update: good[0].next_update().unwrap(),
        })
    };
    let none: &[Crl] = &[];
    let cases = [
        ("off", Off, &revoked[..], now, None),
        ("none, prefer", Prefer, none, now, None),
        ("none, require", Require, none, now, absent()),
        ("good, prefer", Prefer, &good, now, None),
        ("good, require", Require, &good, now, None),
        ("revoked", Prefer, &revoked, now, Some(is_revoked.clone())),
        ("of another", Prefer, &of_other, now, absent()),
        ("expired", Prefer, &good, expired, outdated()),
        (
            "expired, revoked",
            Prefer,
            &revoked,
            expired,
            Some(is_revoked),
        ),
    ];
    for (name, mode, crls, at, expected) in cases {
        let mut asked = request(&user, &[]);
        (asked.crls, asked.at, asked.revocation) = (crls, at, mode);
        let outcome = judge(&paths, &asked);
        assert_eq!(outcome.error.map(|error| error.fault), expected, "{name}");
    }
}

#[test]
fn a_crl_that_another_key_signed_is_not_believed() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let user = pki.issue("root", "user", USER);
    pki.request_namesake();
    let forged = [pki.crl("namesake", "")];
    let mut asked = request(&user, &[]);
    (asked.crls, asked.at) = (&forged, forged[0].this_update());
    let outcome = judge(&anchored(&[&root]), &asked);
    assert!(matches!(
        fault(outcome),
        PathFault::RevocationUnknown(UnknownStatus::Signature { .. })
    ));
}

#[test]
fn an_anchor_that_was_issued_again_is_valid_below_its_old_certificate() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let again = pki.sign("root", "-signkey root.key");
    assert_ne!(root, again);
    let outcome = judge(&anchored(&[&root]), &request(&again, &[]));
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.error);
}

#[test]
fn an_explicit_policy_is_not_judged_yet() {
    let pki = Pki::new();
    let root = pki.root("root", CA);
    let user = pki.issue("root", "user", USER);
    let strict = format!("{CA}policyConstraints=critical,requireExplicitPolicy:0\n");
    let strict = pki.issue("root", "strict", &strict);
    let below = pki.issue("strict", "below", USER);
    let paths = anchored(&[&root]);
    let mut asked = request(&user, &[]);
    asked.policies.explicit = true;
    assert_eq!(fault(judge(&paths, &asked)), PathFault::PolicyRequired);
    let bag = [strict];
    let outcome = judge(&paths, &request(&below, &bag));
    assert_eq!(outcome.verdict, Verdict::Indeterminate);
    assert_eq!(fault(outcome), PathFault::PolicyRequired);
}

impl Pki {
    /// A CRL of `issuer`, current for a month, with lines of OpenSSL's `index.txt`.
    fn crl(&self, issuer: &str, index: &str) -> Crl {
        self.write("index.txt", index);
        let section = "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\n";
        self.write("ca.cnf", section);
        self.openssl(&format!(
            "ca -gencrl -config ca.cnf -md sha256 -crldays 30 -keyfile {issuer}.key \
             -cert {issuer}.pem -out {issuer}.crl"
        ));
        let octets = std::fs::read(self.path(&format!("{issuer}.crl"))).unwrap();
        pem::crls(&octets, &Limits::default()).unwrap().remove(0)
    }

    /// Another root with the name of `root`, under `namesake`.
    fn request_namesake(&self) {
        self.root("namesake", CA);
        self.openssl("req -new -x509 -key namesake.key -subj /CN=root -days 365 -out namesake.pem");
    }
}
