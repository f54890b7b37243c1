//! What a source answered as octets for a column: DER of a SEQUENCE of our own.
//!
//! ```text
//! Answer      ::= SEQUENCE { candidates SEQUENCE OF Candidate, associations SEQUENCE OF Association, keys SEQUENCE OF Key }
//! Candidate   ::= SEQUENCE { certificate OCTET STRING, chain Chain, source UTF8String, authentication UTF8String, seen UTF8String }
//! Chain       ::= SEQUENCE OF OCTET STRING
//! Association ::= SEQUENCE { usage ENUMERATED, selector ENUMERATED, matching ENUMERATED, data OCTET STRING }
//! Key         ::= SEQUENCE { spki OCTET STRING, source UTF8String, authentication UTF8String }
//! ```

use crate::gateway::search::Association;
use crate::gateway::search::Authentication;
use crate::gateway::search::BareKey;
use crate::gateway::search::Candidate;
use crate::gateway::search::Matching;
use crate::gateway::search::Provenance;
use crate::gateway::search::Selector;
use crate::gateway::search::Usage;
use crate::policy::facts::LookupSource;
use crate::tlv::Asn1Error;
use crate::tlv::Element;
use crate::tlv::Reader;
use crate::tlv::element;
use crate::tlv::only;
use crate::tlv::tag;
use crate::x509::Certificate;
use crate::x509::CertificateError;
use crate::x509::Time;

/// What stands in an answer besides its words and times.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) candidates: Vec<Candidate>,
    pub(super) associations: Vec<Association>,
    pub(super) keys: Vec<BareKey>,
}

/// Why octets of the store are not what was written there.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("an answer in the store is malformed")]
    Asn1(#[from] Asn1Error),
    #[error("a certificate in the store is malformed")]
    Certificate(#[from] CertificateError),
    #[error("{0:?} in the store is no {1}")]
    Word(String, &'static str),
}

/// An answer's content as DER.
pub(super) fn content(
    candidates: &[Candidate],
    associations: &[Association],
    keys: &[BareKey],
) -> Vec<u8> {
    let candidates: Vec<_> = candidates.iter().map(candidate).collect();
    let associations: Vec<_> = associations.iter().map(association).collect();
    let keys: Vec<_> = keys.iter().map(key).collect();
    sequence(&[
        &sequence(&slices(&candidates)),
        &sequence(&slices(&associations)),
        &sequence(&slices(&keys)),
    ])
}

/// The opposite.
pub(super) fn read_content(der: &[u8]) -> Result<Content, DecodeError> {
    let mut fields = only(der, tag::SEQUENCE)?.reader();
    let (candidates, associations, keys) = (
        fields.expect(tag::SEQUENCE)?,
        fields.expect(tag::SEQUENCE)?,
        fields.expect(tag::SEQUENCE)?,
    );
    fields.finish()?;
    Ok(Content {
        candidates: each(&candidates, read_candidate)?,
        associations: each(&associations, read_association)?,
        keys: each(&keys, read_key)?,
    })
}

/// Certificates as DER.
pub(super) fn chain(certificates: &[Certificate]) -> Vec<u8> {
    let certificates: Vec<_> = certificates.iter().map(|one| octets(one.der())).collect();
    sequence(&slices(&certificates))
}

/// The opposite.
pub(super) fn read_chain(der: &[u8]) -> Result<Vec<Certificate>, DecodeError> {
    read_certificates(&only(der, tag::SEQUENCE)?)
}

/// The source of that name.
pub(super) fn source(name: &str) -> Result<LookupSource, DecodeError> {
    LookupSource::named(name).ok_or_else(|| DecodeError::Word(name.to_owned(), "source"))
}

/// The authentication of that name.
pub(super) fn authentication(name: &str) -> Result<Authentication, DecodeError> {
    let mut all = Authentication::ALL.into_iter();
    let found = all.find(|authentication| authentication.as_str() == name);
    found.ok_or_else(|| DecodeError::Word(name.to_owned(), "authentication"))
}

/// The time that many seconds after 1970 began.
pub(super) fn time(seconds: i64) -> Result<Time, DecodeError> {
    Time::from_unix(seconds).ok_or_else(|| DecodeError::Word(seconds.to_string(), "time"))
}

fn candidate(from: &Candidate) -> Vec<u8> {
    let Provenance {
        source,
        authentication,
        seen,
    } = from.provenance;
    sequence(&[
        &octets(from.certificate.der()),
        &chain(&from.chain),
        &text(source.as_str()),
        &text(authentication.as_str()),
        &text(&seen.unix().to_string()),
    ])
}

fn read_candidate(element: &Element<'_>) -> Result<Candidate, DecodeError> {
    let mut fields = element.expect(tag::SEQUENCE)?.reader();
    let certificate = Certificate::parse(fields.expect(tag::OCTET_STRING)?.content)?;
    let chain = read_certificates(&fields.expect(tag::SEQUENCE)?)?;
    let (source_name, authenticated, seen) = (
        read_text(&mut fields)?,
        read_text(&mut fields)?,
        read_text(&mut fields)?,
    );
    fields.finish()?;
    let seconds = seen.parse().map_err(|_| DecodeError::Word(seen, "time"))?;
    Ok(Candidate {
        certificate,
        chain,
        provenance: Provenance {
            source: source(&source_name)?,
            authentication: authentication(&authenticated)?,
            seen: time(seconds)?,
        },
    })
}

fn read_certificates(sequence: &Element<'_>) -> Result<Vec<Certificate>, DecodeError> {
    each(sequence, |element| {
        let der = element.expect(tag::OCTET_STRING)?.content;
        Ok(Certificate::parse(der)?)
    })
}

fn association(from: &Association) -> Vec<u8> {
    let usage = match from.usage {
        Usage::CaConstraint => 0,
        Usage::ServiceCertificateConstraint => 1,
        Usage::TrustAnchorAssertion => 2,
        Usage::DomainIssuedCertificate => 3,
    };
    let selector = match from.selector {
        Selector::Full => 0,
        Selector::SubjectPublicKeyInfo => 1,
    };
    let matching = match from.matching {
        Matching::Exact => 0,
        Matching::Sha256 => 1,
        Matching::Sha512 => 2,
    };
    let number = |number: u8| element(tag::ENUMERATED, &[&[number]]);
    sequence(&[
        &number(usage),
        &number(selector),
        &number(matching),
        &octets(&from.data),
    ])
}

fn read_association(element: &Element<'_>) -> Result<Association, DecodeError> {
    let mut fields = element.expect(tag::SEQUENCE)?.reader();
    let mut number = || fields.expect(tag::ENUMERATED)?.unsigned();
    let (usage, selector, matching) = (number()?, number()?, number()?);
    let data = fields.expect(tag::OCTET_STRING)?.content.to_vec();
    fields.finish()?;
    let unknown = |number: u32, what| DecodeError::Word(number.to_string(), what);
    Ok(Association {
        usage: match usage {
            0 => Usage::CaConstraint,
            1 => Usage::ServiceCertificateConstraint,
            2 => Usage::TrustAnchorAssertion,
            3 => Usage::DomainIssuedCertificate,
            other => return Err(unknown(other, "certificate usage")),
        },
        selector: match selector {
            0 => Selector::Full,
            1 => Selector::SubjectPublicKeyInfo,
            other => return Err(unknown(other, "selector")),
        },
        matching: match matching {
            0 => Matching::Exact,
            1 => Matching::Sha256,
            2 => Matching::Sha512,
            other => return Err(unknown(other, "matching type")),
        },
        data,
    })
}

fn key(from: &BareKey) -> Vec<u8> {
    sequence(&[
        &octets(&from.spki),
        &text(from.source.as_str()),
        &text(from.authentication.as_str()),
    ])
}

fn read_key(element: &Element<'_>) -> Result<BareKey, DecodeError> {
    let mut fields = element.expect(tag::SEQUENCE)?.reader();
    let spki = fields.expect(tag::OCTET_STRING)?.content.to_vec();
    let (source_name, authenticated) = (read_text(&mut fields)?, read_text(&mut fields)?);
    fields.finish()?;
    Ok(BareKey {
        spki,
        source: source(&source_name)?,
        authentication: authentication(&authenticated)?,
    })
}

fn each<T>(
    sequence: &Element<'_>,
    read: impl Fn(&Element<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    sequence.reader().map(|element| read(&element?)).collect()
}

fn read_text(fields: &mut Reader<'_>) -> Result<String, DecodeError> {
    let octets = fields.expect(tag::UTF8_STRING)?.content;
    let text = std::str::from_utf8(octets).map_err(|_| Asn1Error::Value)?;
    Ok(text.to_owned())
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(tag::SEQUENCE, parts)
}

fn octets(content: &[u8]) -> Vec<u8> {
    element(tag::OCTET_STRING, &[content])
}

fn text(content: &str) -> Vec<u8> {
    element(tag::UTF8_STRING, &[content.as_bytes()])
}

fn slices(parts: &[Vec<u8>]) -> Vec<&[u8]> {
    parts.iter().map(Vec::as_slice).collect()
}
