//! Which certificate is chosen of what a search found, and what counts as none: failure is not absence.

use std::collections::BTreeSet;
use std::time::Duration;

use domsec::address::Domain;
use domsec::crypto::provider;
use domsec::gateway::choice::Choice;
use domsec::gateway::choice::Event;
use domsec::gateway::choice::Finding;
use domsec::gateway::choice::Terms;
use domsec::gateway::chooser::Chooser;
use domsec::gateway::search::Asked;
use domsec::gateway::search::Association;
use domsec::gateway::search::Authentication;
use domsec::gateway::search::BareKey;
use domsec::gateway::search::Candidate;
use domsec::gateway::search::KeyInUse;
use domsec::gateway::search::Known;
use domsec::gateway::search::Matching;
use domsec::gateway::search::Provenance;
use domsec::gateway::search::Said;
use domsec::gateway::search::Search;
use domsec::gateway::search::Selector;
use domsec::gateway::search::Subject;
use domsec::gateway::search::Usage;
use domsec::limits::Budget;
use domsec::limits::Limits;
use domsec::policy::Policy;
use domsec::policy::facts::LookupResult;
use domsec::policy::facts::LookupSource;
use domsec::policy::lookup::ChangeBy;
use domsec::policy::lookup::Lookup;
use domsec::policy::partner::Fingerprint;
use domsec::policy::partner::Partner;
use domsec::x509::Certificate;
use domsec::x509::Crl;
use domsec::x509::SimplePaths;
use domsec::x509::Time;
use domsec::x509::path::RevocationMode;
use domsec::x509::pem;
use rcgen::BasicConstraints;
use rcgen::CertificateParams;
use rcgen::CertificateRevocationListParams;
use rcgen::DnType;
use rcgen::ExtendedKeyUsagePurpose;
use rcgen::IsCa;
use rcgen::Issuer;
use rcgen::KeyIdMethod;
use rcgen::KeyPair;
use rcgen::KeyUsagePurpose;
use rcgen::RevokedCertParams;
use rcgen::SanType;
use rcgen::SerialNumber;
use sha2::Digest;

use crate::stack::NOW;

const BOB: &str = "bob@b.example";

/// A CA of the tests.
struct Authority {
    parameters: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = parameters(name, 0);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = parameters.self_signed(&key).unwrap();
        let certificate = Certificate::parse(made.der()).unwrap();
        Self {
            parameters,
            key,
            certificate,
        }
    }

    /// Bob's certificate for `key`, valid since the `day`th day.
    fn bob(&self, key: &KeyPair, day: i64) -> Certificate {
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let made = user(day).signed_by(key, &issuer).unwrap();
        Certificate::parse(made.der()).unwrap()
    }

    fn crl(&self, revoked: &Certificate) -> Crl {
        let at = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
        let now = u64::try_from(NOW).unwrap();
        let parameters = CertificateRevocationListParams {
            this_update: at(now - 3600),
            next_update: at(now + 86_400),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from_slice(revoked.serial()),
                revocation_time: at(now - 7200),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let made = parameters.signed_by(&issuer).unwrap();
        pem::crls(made.der(), &Limits::default()).unwrap().remove(0)
    }
}

fn parameters(name: &str, day: i64) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let begin = u64::try_from(NOW - (100 - day) * 86_400).unwrap();
    let at = |seconds| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    parameters.not_before = at(begin);
    parameters.not_after = at(begin + 1_000 * 86_400);
    parameters
}

fn user(day: i64) -> CertificateParams {
    let mut parameters = parameters("Bob", day);
    parameters.subject_alt_names = vec![SanType::Rfc822Name(BOB.try_into().unwrap())];
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// Bob's own word and nobody else's.
fn self_signed(key: &KeyPair) -> Certificate {
    Certificate::parse(user(0).self_signed(key).unwrap().der()).unwrap()
}

fn asked(source: LookupSource, said: Said, authentic: bool) -> Asked {
    Asked {
        source,
        said,
        authentic,
        elapsed: Duration::ZERO,
        cached: false,
    }
}

fn candidate(
    source: LookupSource,
    authentication: Authentication,
    certificate: &Certificate,
) -> Candidate {
    Candidate {
        certificate: certificate.clone(),
        chain: Vec::new(),
        provenance: Provenance {
            source,
            authentication,
            seen: now(),
        },
    }
}

/// A search that found these, each source for itself.
fn found(all: &[(LookupSource, Authentication, &Certificate)]) -> Search {
    let mut search = Search::default();
    for (source, authentication, certificate) in all {
        search.asked.push(asked(*source, Said::Found, true));
        let candidate = candidate(*source, *authentication, certificate);
        search.candidates.push(candidate);
    }
    search
}

fn now() -> Time {
    Time::from_unix(NOW).unwrap()
}

struct Judging {
    anchors: Vec<Certificate>,
    crls: Vec<Crl>,
    change_by: Vec<ChangeBy>,
}

impl Judging {
    fn by(authority: &Authority) -> Self {
        Self {
            anchors: vec![authority.certificate.clone()],
            crls: Vec::new(),
            change_by: Lookup::default().change_by,
        }
    }

    fn choose(&self, search: &Search) -> Choice {
        let bob = BOB.parse().unwrap();
        self.choose_for(Subject::Recipient(&bob), None, search)
    }

    fn choose_for(
        &self,
        subject: Subject<'_>,
        partner: Option<&Partner>,
        search: &Search,
    ) -> Choice {
        let limits = Limits::default();
        let verification = provider().verification;
        let paths = SimplePaths::new(self.anchors.clone(), verification, &limits);
        let chooser = Chooser {
            paths: &paths,
            intermediates: &[],
            crls: &self.crls,
            now: now(),
            revocation: RevocationMode::Prefer,
            former_names: &[],
            provider: provider(),
            limits: &limits,
        };
        let terms = Terms {
            partner,
            change_by: &self.change_by,
        };
        let mut budget = Budget::new(&limits);
        chooser.choose(subject, search, terms, &mut budget)
    }

    fn finding(&self, search: &Search) -> Finding {
        self.choose(search).finding
    }
}

fn chosen(finding: &Finding) -> &Certificate {
    finding
        .certificate()
        .unwrap_or_else(|| panic!("{finding:?}"))
}

fn using(certificate: &Certificate) -> Known {
    Known {
        in_use: Some(KeyInUse::of(certificate)),
        ..Known::default()
    }
}

#[test]
fn absent_is_what_every_source_calls_absent_and_nothing_else() {
    let judging = Judging::by(&Authority::new("CA"));
    let reason = || "why".to_owned();
    let words = [
        Said::Absent(reason()),
        Said::Found,
        Said::Invalid(reason()),
        Said::Unavailable(reason()),
    ];
    let sources = LookupSource::ALL;
    for number in 0..4_usize.pow(6) {
        let said = |place: u32| words[number / 4_usize.pow(place) % 4].clone();
        let search = Search {
            asked: (0..)
                .zip(sources)
                .map(|(place, source)| asked(source, said(place), false))
                .collect(),
            ..Search::default()
        };
        let all = || search.asked.iter().map(|one| one.said.result());
        let want = if all().any(|one| one == LookupResult::Unavailable) {
            LookupResult::Unavailable
        } else if all().any(|one| one == LookupResult::Invalid) {
            LookupResult::Invalid
        } else if all().any(|one| one == LookupResult::Found) {
            // And it has shown nothing.
            LookupResult::Unavailable
        } else {
            LookupResult::Absent
        };
        assert_eq!(judging.finding(&search).result(), want, "{search:?}");
    }
    assert!(matches!(
        judging.finding(&Search::unavailable(reason())),
        Finding::Unavailable(_)
    ));
}

#[test]
fn what_was_in_use_is_not_withdrawn_by_whoever_stands_on_the_way() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let certificate = authority.bob(&key(), 1);
    let shown = candidate(LookupSource::Smtp, Authentication::None, &certificate);
    let known = Known {
        kept: Some(Box::new(shown)),
        ..using(&certificate)
    };
    let said = || Said::Absent("550".to_owned());
    for (source, authentic, want) in [
        (LookupSource::Smtp, false, LookupResult::Unavailable),
        (LookupSource::Smtp, true, LookupResult::Absent),
        // Another source never had it.
        (LookupSource::Directory, true, LookupResult::Unavailable),
    ] {
        let search = Search {
            asked: vec![asked(source, said(), authentic)],
            known: known.clone(),
            ..Search::default()
        };
        assert_eq!(judging.finding(&search).result(), want, "{source:?}");
    }
    // Who is asked about by nobody, and of whom a certificate waits, is not absent either.
    let nobody = Search::default();
    assert_eq!(judging.finding(&nobody).result(), LookupResult::Unavailable);
    let waiting = Search {
        asked: vec![asked(LookupSource::Smtp, said(), true)],
        known: Known {
            pending: vec![Fingerprint([7; 32])],
            ..Known::default()
        },
        ..Search::default()
    };
    assert_eq!(
        judging.finding(&waiting).result(),
        LookupResult::Unavailable
    );
}

#[test]
fn a_learned_certificate_that_has_expired_is_invalid_and_not_absent() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let expired = authority.bob(&key(), -1_000);
    let mut search = found(&[(LookupSource::Harvest, Authentication::None, &expired)]);
    // Never used, and nobody else has one.
    let none = || Said::Absent("no such user".to_owned());
    search.asked.push(asked(LookupSource::Mcek, none(), true));
    let choice = judging.choose(&search);
    let Finding::Invalid(reasons) = &choice.finding else {
        panic!("{:?}", choice.finding);
    };
    assert!(reasons[0].contains("not now"), "{reasons:?}");
    assert_eq!(choice.refused, [Some(reasons[0].clone())]);
    // One that is good is used all the same.
    let good = authority.bob(&key(), 1);
    search
        .asked
        .push(asked(LookupSource::Ldap, Said::Found, true));
    search
        .candidates
        .push(candidate(LookupSource::Ldap, Authentication::Bind, &good));
    assert_eq!(chosen(&judging.finding(&search)), &good);
}

#[test]
fn a_path_stands_on_its_own_and_its_absence_needs_a_source_that_proves_the_owner() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let good = authority.bob(&key(), 1);
    let lone = self_signed(&key());
    for authentication in Authentication::ALL {
        let with_path = found(&[(LookupSource::Smtp, authentication, &good)]);
        assert_eq!(*chosen(&judging.finding(&with_path)), good);
        let without = found(&[(LookupSource::Mcek, authentication, &lone)]);
        let want = if authentication.is_authenticated() {
            LookupResult::Found
        } else {
            LookupResult::Invalid
        };
        assert_eq!(
            judging.finding(&without).result(),
            want,
            "{authentication:?}"
        );
    }
}

/// Somebody who keeps the surer source from answering must not get his own certificate used.
#[test]
fn without_a_path_no_certificate_is_used_while_a_surer_source_is_silent() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let lone = self_signed(&key());
    let good = authority.bob(&key(), 1);
    let silent = asked(
        LookupSource::Smimea,
        Said::Unavailable("SERVFAIL".to_owned()),
        false,
    );
    let with = |certificate| {
        let mut search = found(&[(LookupSource::Ldap, Authentication::Bind, certificate)]);
        search.asked.push(silent.clone());
        search
    };
    assert_eq!(
        judging.finding(&with(&lone)).result(),
        LookupResult::Unavailable
    );
    assert_eq!(*chosen(&judging.finding(&with(&good))), good);
    let mut known = with(&lone);
    known.known = using(&lone);
    assert_eq!(*chosen(&judging.finding(&known)), lone);
}

#[test]
fn the_surest_source_comes_first_and_then_the_newest_certificate() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let own = key();
    let (old, new) = (authority.bob(&own, 1), authority.bob(&own, 2));
    let search = found(&[
        (LookupSource::Smtp, Authentication::None, &new),
        (LookupSource::Ldap, Authentication::Bind, &old),
    ]);
    assert_eq!(*chosen(&judging.finding(&search)), old);
    let search = found(&[
        (LookupSource::Ldap, Authentication::Bind, &old),
        (LookupSource::Ldap, Authentication::Bind, &new),
    ]);
    let choice = judging.choose(&search);
    assert_eq!(*chosen(&choice.finding), new);
    assert_eq!(choice.events, []);
}

#[test]
fn sources_that_name_different_keys_are_never_settled_by_chance() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let (one, other) = (authority.bob(&key(), 1), authority.bob(&key(), 2));
    let conflict = Event::Conflict(LookupSource::Mcek, LookupSource::Smtp);
    let tie = [
        (LookupSource::Mcek, Authentication::None, &one),
        (LookupSource::Smtp, Authentication::None, &other),
    ];
    let choice = judging.choose(&found(&tie));
    assert_eq!(choice.finding.result(), LookupResult::Unavailable);
    assert_eq!(choice.events, std::slice::from_ref(&conflict));
    // An administrator who is told to pin one finds both.
    let both: BTreeSet<usize> = choice.pending.iter().map(|(place, _)| *place).collect();
    assert_eq!(both, BTreeSet::from([0, 1]));
    // The order of the answers makes no difference.
    let [first, second] = tie;
    let choice = judging.choose(&found(&[second, first]));
    assert_eq!(choice.finding.result(), LookupResult::Unavailable);
    let mut known = found(&tie);
    known.known = using(&one);
    let choice = judging.choose(&known);
    assert_eq!(*chosen(&choice.finding), one);
    assert!(choice.events.contains(&conflict));
    let ranked = found(&[
        (LookupSource::Mcek, Authentication::Dnssec, &one),
        (LookupSource::Smtp, Authentication::None, &other),
    ]);
    let choice = judging.choose(&ranked);
    assert_eq!(*chosen(&choice.finding), one);
    assert_eq!(choice.events, [conflict]);
}

#[test]
fn another_key_waits_unless_the_policy_lets_its_source_change_it() {
    let (authority, other) = (Authority::new("CA"), Authority::new("Another CA"));
    let mut judging = Judging::by(&authority);
    judging.anchors.push(other.certificate.clone());
    let own = key();
    let old = authority.bob(&own, 1);
    let changed = other.bob(&key(), 2);
    let event = |used| Event::KeyChanged(Fingerprint::of(&changed), used);
    let after = |source, authentication, certificate: &Certificate| {
        let mut search = found(&[(source, authentication, certificate)]);
        search.known = using(&old);
        search
    };
    let search = after(LookupSource::Mcek, Authentication::PublicTls, &changed);
    let choice = judging.choose(&search);
    assert_eq!(choice.finding.result(), LookupResult::Unavailable);
    assert_eq!(choice.events, [event(false)]);
    assert_eq!(choice.pending.len(), 1);
    assert!(choice.is_to_be_noted());
    // The old one goes on where it is still published.
    let mut both = search.clone();
    both.asked
        .push(asked(LookupSource::Smtp, Said::Found, false));
    both.candidates
        .push(candidate(LookupSource::Smtp, Authentication::None, &old));
    let choice = judging.choose(&both);
    assert_eq!(*chosen(&choice.finding), old);
    assert!(choice.events.contains(&event(false)));
    // Who may change it.
    let choice = judging.choose(&after(
        LookupSource::Smimea,
        Authentication::Dnssec,
        &changed,
    ));
    assert_eq!(*chosen(&choice.finding), changed);
    assert_eq!(choice.events, [event(true)]);
    let reissued = authority.bob(&key(), 3);
    let choice = judging.choose(&after(LookupSource::Smtp, Authentication::None, &reissued));
    assert_eq!(*chosen(&choice.finding), reissued);
    judging.change_by = vec![ChangeBy::Source(LookupSource::Mcek)];
    let choice = judging.choose(&search);
    assert_eq!(*chosen(&choice.finding), changed);
    // A new certificate for the same key is no event, whoever has it.
    judging.change_by.clear();
    let renewed = authority.bob(&own, 4);
    let search = after(LookupSource::Smtp, Authentication::None, &renewed);
    let choice = judging.choose(&search);
    assert_eq!(*chosen(&choice.finding), renewed);
    assert_eq!(choice.events, []);
    assert!(choice.is_to_be_noted());
}

#[test]
fn a_pinned_one_never_changes_and_is_never_absent() {
    let authority = Authority::new("CA");
    let mut judging = Judging::by(&authority);
    let (pinned, other) = (self_signed(&key()), authority.bob(&key(), 2));
    let known = Known {
        pinned: Some(Fingerprint::of(&pinned)),
        ..Known::default()
    };
    let with = |mut search: Search| {
        search.known = known.clone();
        search
    };
    let both = with(found(&[
        (LookupSource::Ldap, Authentication::Bind, &other),
        (LookupSource::Smtp, Authentication::None, &pinned),
    ]));
    let choice = judging.choose(&both);
    assert_eq!(*chosen(&choice.finding), pinned);
    // And whoever has another key is told of, and waits.
    let told = Event::KeyChanged(Fingerprint::of(&other), false);
    assert_eq!(choice.events, [told]);
    assert!(matches!(choice.pending.as_slice(), [(0, reason)] if reason.contains("is pinned")));
    let without = with(found(&[(LookupSource::Ldap, Authentication::Bind, &other)]));
    assert_eq!(judging.finding(&without).result(), LookupResult::Invalid);
    let nothing = with(Search {
        asked: vec![asked(
            LookupSource::Ldap,
            Said::Absent("none".to_owned()),
            true,
        )],
        ..Search::default()
    });
    assert_eq!(
        judging.finding(&nothing).result(),
        LookupResult::Unavailable
    );
    // Its issuer's word counts all the same.
    let issued = authority.bob(&key(), 1);
    judging.crls = vec![authority.crl(&issued)];
    let mut revoked = found(&[(LookupSource::Ldap, Authentication::Bind, &issued)]);
    revoked.known.pinned = Some(Fingerprint::of(&issued));
    assert_eq!(judging.finding(&revoked).result(), LookupResult::Invalid);
}

#[test]
fn another_certificate_of_a_pinned_key_is_no_event() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let own = key();
    let (pinned, renewed) = (authority.bob(&own, 1), authority.bob(&own, 2));
    let mut search = found(&[
        (LookupSource::Ldap, Authentication::Bind, &renewed),
        (LookupSource::Smtp, Authentication::None, &pinned),
    ]);
    search.known.pinned = Some(Fingerprint::of(&pinned));
    let choice = judging.choose(&search);
    assert_eq!(*chosen(&choice.finding), pinned);
    assert_eq!((choice.events.len(), choice.pending.len()), (0, 0));
}

#[test]
fn two_pins_are_for_an_administrator_to_settle() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let domain: Domain = "b.example".parse().unwrap();
    let certificate = authority.bob(&key(), 1);
    let by_policy = Fingerprint::of(&certificate);
    let mut search = found(&[(LookupSource::Ldap, Authentication::Bind, &certificate)]);
    search.known.pinned = Some(Fingerprint::of(&authority.bob(&key(), 2)));
    let policy = format!(
        "[partner.\"b.example\"]\ndca = \"{by_policy}\"\n\
         [[rule]]\nname = \"all\"\nwhen = \"true\"\n"
    );
    let policy = Policy::parse(&policy, "policy of a test").unwrap();
    let choice = judging.choose_for(Subject::Dca(&domain), policy.partner(&domain), &search);
    let Finding::Unavailable(reason) = &choice.finding else {
        panic!("{choice:?}");
    };
    assert!(reason.contains(&by_policy.to_string()), "{reason}");
    assert!(reason.contains("certs unpin"), "{reason}");
}

#[test]
fn a_key_that_an_administrator_has_rejected_is_not_used_in_another_certificate() {
    let (authority, another) = (Authority::new("CA"), Authority::new("another CA"));
    let mut judging = Judging::by(&authority);
    judging.anchors.push(another.certificate.clone());
    let (bad, good) = (key(), key());
    let rejected = authority.bob(&bad, 1);
    for again in [authority.bob(&bad, 2), another.bob(&bad, 2)] {
        let mut search = found(&[(LookupSource::Smimea, Authentication::Dnssec, &again)]);
        search.known.rejected = vec![Fingerprint::of(&rejected)];
        // Its key may come again, where that was not rejected with it.
        assert_eq!(*chosen(&judging.finding(&search)), again);
        search.known.rejected_keys = vec![rejected.spki_sha256()];
        let choice = judging.choose(&search);
        assert_eq!(choice.finding.result(), LookupResult::Invalid);
        let reason = choice.refused[0].as_ref().unwrap();
        assert!(reason.contains("has rejected its key"), "{reason}");
        search.known.pinned = Some(Fingerprint::of(&again));
        assert_eq!(judging.finding(&search).result(), LookupResult::Invalid);
    }
    let next = authority.bob(&good, 3);
    let mut search = found(&[(LookupSource::Smimea, Authentication::Dnssec, &next)]);
    search.known.rejected_keys = vec![rejected.spki_sha256()];
    assert_eq!(*chosen(&judging.finding(&search)), next);
}

#[test]
fn what_an_administrator_has_rejected_is_never_used() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let certificate = authority.bob(&key(), 1);
    let mut search = found(&[(LookupSource::Smimea, Authentication::Dnssec, &certificate)]);
    search.known.rejected = vec![Fingerprint::of(&certificate)];
    let choice = judging.choose(&search);
    assert_eq!(choice.finding.result(), LookupResult::Invalid);
    assert!(choice.refused[0].as_ref().unwrap().contains("rejected"));
    // The next one is no first one: it must come from who may change a key.
    let next = authority.bob(&key(), 2);
    let mut search = found(&[(LookupSource::Smtp, Authentication::None, &next)]);
    search.known.rejected = vec![Fingerprint::of(&certificate)];
    let choice = judging.choose(&search);
    assert_eq!(choice.finding.result(), LookupResult::Unavailable);
    assert_eq!(choice.pending.len(), 1);
    search.candidates[0].provenance.authentication = Authentication::Dnssec;
    assert_eq!(*chosen(&judging.finding(&search)), next);
}

#[test]
fn a_bare_key_contradicts_and_is_never_encrypted_to() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let (mine, another) = (authority.bob(&key(), 1), authority.bob(&key(), 1));
    let bare = |spki: &[u8], authentication| BareKey {
        spki: spki.to_vec(),
        source: LookupSource::Smtp,
        authentication,
    };
    let mut search = found(&[(LookupSource::Mcek, Authentication::PublicTls, &mine)]);
    search.keys = vec![bare(mine.spki(), Authentication::None)];
    assert_eq!(judging.choose(&search).events, []);
    search.keys = vec![bare(another.spki(), Authentication::None)];
    let choice = judging.choose(&search);
    assert_eq!(*chosen(&choice.finding), mine);
    assert_eq!(choice.events, [Event::Contradicted(LookupSource::Smtp)]);
    search.keys = vec![bare(another.spki(), Authentication::PublicTls)];
    let choice = judging.choose(&search);
    assert_eq!(choice.finding.result(), LookupResult::Unavailable);
    assert_eq!(choice.pending.len(), 1);
    // What is in use is given up for a word that is surer than its own.
    search.known = using(&mine);
    let choice = judging.choose(&search);
    assert_eq!(*chosen(&choice.finding), mine);
    assert_eq!(choice.events, [Event::Contradicted(LookupSource::Smtp)]);
    search.keys = vec![bare(another.spki(), Authentication::Dnssec)];
    let choice = judging.choose(&search);
    assert_eq!(choice.finding.result(), LookupResult::Unavailable);
    assert_eq!(choice.pending, []);
    let alone = Search {
        asked: vec![asked(LookupSource::Smtp, Said::Found, true)],
        keys: vec![bare(another.spki(), Authentication::Dnssec)],
        ..Search::default()
    };
    assert_eq!(judging.finding(&alone).result(), LookupResult::Unavailable);
}

/// What RFC 8162 and RFC 6698 §2.1 let a record do, by usage, selector and matching type.
#[test]
fn smimea_records_constrain_what_other_sources_find() {
    let (authority, stranger) = (Authority::new("CA"), Authority::new("A stranger's CA"));
    let judging = Judging::by(&authority);
    let (ours, theirs) = (authority.bob(&key(), 1), stranger.bob(&key(), 1));
    let lone = self_signed(&key());
    let data = |certificate: &Certificate, selector, matching| {
        let octets = match selector {
            Selector::Full => certificate.der(),
            Selector::SubjectPublicKeyInfo => certificate.spki(),
        };
        match matching {
            Matching::Exact => octets.to_vec(),
            Matching::Sha256 => sha2::Sha256::digest(octets).to_vec(),
            Matching::Sha512 => sha2::Sha512::digest(octets).to_vec(),
        }
    };
    for selector in [Selector::Full, Selector::SubjectPublicKeyInfo] {
        for matching in [Matching::Exact, Matching::Sha256, Matching::Sha512] {
            let judge = |certificate: &Certificate, usage, named: &Certificate| {
                let mut search = found(&[(LookupSource::Mcek, Authentication::None, certificate)]);
                search.candidates[0].chain = vec![stranger.certificate.clone()];
                search.associations = vec![Association {
                    usage,
                    selector,
                    matching,
                    data: data(named, selector, matching),
                }];
                judging.finding(&search).result()
            };
            use LookupResult::{Found, Invalid};
            // The certificate itself, in the place of a path.
            let itself = Usage::DomainIssuedCertificate;
            assert_eq!(judge(&lone, itself, &lone), Found);
            assert_eq!(judge(&theirs, itself, &theirs), Found);
            assert_eq!(judge(&ours, itself, &lone), Invalid);
            // The certificate itself, with a path.
            let constraint = Usage::ServiceCertificateConstraint;
            assert_eq!(judge(&ours, constraint, &ours), Found);
            assert_eq!(judge(&theirs, constraint, &theirs), Invalid);
            assert_eq!(judge(&ours, constraint, &theirs), Invalid);
            // An anchor in the place of ours.
            let anchor = Usage::TrustAnchorAssertion;
            assert_eq!(judge(&theirs, anchor, &stranger.certificate), Found);
            assert_eq!(judge(&ours, anchor, &stranger.certificate), Invalid);
            // One of several anchors, the other of which leads nowhere: as while a domain changes its CA.
            for named in [[&authority, &stranger], [&stranger, &authority]] {
                let mut search = found(&[(LookupSource::Mcek, Authentication::None, &theirs)]);
                let chain = named.map(|one| one.certificate.clone());
                search.candidates[0].chain = chain.to_vec();
                let records = named.map(|one| Association {
                    usage: anchor,
                    selector,
                    matching,
                    data: data(&one.certificate, selector, matching),
                });
                search.associations = records.to_vec();
                assert_eq!(judging.finding(&search).result(), Found);
            }
            // Another record is enough, as while a domain comes from a public CA to its own.
            for (usage, named) in [
                (constraint, &ours),
                (Usage::CaConstraint, &authority.certificate),
            ] {
                let mut search = found(&[(LookupSource::Mcek, Authentication::None, &ours)]);
                let record = |usage, named: &Certificate| Association {
                    usage,
                    selector,
                    matching,
                    data: data(named, selector, matching),
                };
                search.candidates[0].chain = vec![stranger.certificate.clone()];
                search.associations = vec![record(anchor, &stranger.certificate)];
                assert_eq!(judging.finding(&search).result(), Invalid);
                search.associations.push(record(usage, named));
                assert_eq!(judging.finding(&search).result(), Found, "{usage:?}");
                let revoking = Judging {
                    crls: vec![authority.crl(&ours)],
                    ..Judging::by(&authority)
                };
                assert_eq!(revoking.finding(&search).result(), Invalid, "{usage:?}");
            }
            // A CA on a path that leads to one of ours.
            let through = Usage::CaConstraint;
            assert_eq!(judge(&ours, through, &authority.certificate), Found);
            assert_eq!(judge(&ours, through, &stranger.certificate), Invalid);
            assert_eq!(judge(&theirs, through, &stranger.certificate), Invalid);
        }
    }
    // A digest of what nobody has is no absence.
    let search = Search {
        asked: vec![asked(LookupSource::Smimea, Said::Found, true)],
        associations: vec![Association {
            usage: Usage::DomainIssuedCertificate,
            selector: Selector::Full,
            matching: Matching::Sha256,
            data: vec![7; 32],
        }],
        ..Search::default()
    };
    assert_eq!(judging.finding(&search).result(), LookupResult::Unavailable);
}

/// A flood of candidates does not use up the budget before the one in use is judged.
#[test]
fn the_certificate_in_use_is_judged_first() {
    let authority = Authority::new("CA");
    let judging = Judging::by(&authority);
    let own = authority.bob(&key(), 1);
    let mut all = Vec::new();
    for day in 0..300 {
        all.push(authority.bob(&key(), day % 90));
    }
    let mut list: Vec<_> = all
        .iter()
        .map(|one| (LookupSource::Smtp, Authentication::None, one))
        .collect();
    list.push((LookupSource::Smtp, Authentication::None, &own));
    let mut search = found(&list);
    search.known = using(&own);
    let choice = judging.choose(&search);
    assert!(choice.refused.last().unwrap().is_none());
}
