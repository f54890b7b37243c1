//! The proof that a wildcard's answer had to be a wildcard's, by NSEC (RFC 4035 §5.3.4).
//!
//! hickory 0.26.3 wants a record that covers the wildcard itself, and so takes every such answer for bogus in which
//! the wildcard's own NSEC record is the proof: that of most zones with NSEC. For NSEC3 it is right.

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::dnssec::rdata::NSEC;
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::proto::rr::RData;

use super::answer;

/// Whether secure NSEC records prove that neither `name` exists nor a closer wildcard than the one whose answer
/// `message` is. False for what is no such answer.
pub(super) fn is_proven(message: &Message, name: &Name) -> bool {
    let wildcards: Vec<(u8, &Name)> = message
        .answers
        .iter()
        .filter_map(answer::rrsig)
        .map(|rrsig| (rrsig.input().num_labels, &rrsig.input().signer_name))
        .collect();
    !wildcards.is_empty()
        && wildcards.iter().all(|(labels, zone)| {
            message.authorities.iter().any(|record| {
                let RData::DNSSEC(DNSSECRData::NSEC(nsec)) = &record.data else {
                    return false;
                };
                record.proof == Proof::Secure
                    && zone.zone_of(&record.name)
                    && closest_encloser((&record.name, nsec), name) == Some(*labels)
            })
        })
}

/// How many labels the longest name has that exists and is above `name`, where the record proves that `name` itself
/// does not exist.
fn closest_encloser((owner, nsec): (&Name, &NSEC), name: &Name) -> Option<u8> {
    let next = nsec.next_domain_name();
    // The last one of a zone leads back to its apex.
    let covers = owner < name && (name < next || (next <= owner && next.zone_of(name)));
    // Something below the name exists, and so does it.
    let is_above = next != name && name.zone_of(next);
    // From above a zone cut nothing is known of what is below it (RFC 6840 §4.1).
    let is_above_cut = nsec.is_ancestor_delegation() && owner.zone_of(name);
    (covers && !is_above && !is_above_cut).then(|| common(name, owner).max(common(name, next)))
}

/// How many labels both names end with.
fn common(one: &Name, other: &Name) -> u8 {
    let pairs = one.iter().rev().zip(other.iter().rev());
    let same = pairs.take_while(|(one, other)| one.eq_ignore_ascii_case(other));
    u8::try_from(same.count()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::RecordType;

    use super::super::name::parse;
    use super::*;

    fn found(owner: &str, next: &str, types: &[RecordType], name: &str) -> Option<u8> {
        let nsec = NSEC::new(parse(next).unwrap(), types.iter().copied());
        closest_encloser((&parse(owner).unwrap(), &nsec), &parse(name).unwrap())
    }

    #[test]
    fn the_closest_encloser_is_the_longest_name_in_common() {
        let found = |owner, next, name| found(owner, next, &[RecordType::TXT], name);
        assert_eq!(
            found("*.w.example", "x.w.example", "any.w.example"),
            Some(2)
        );
        assert_eq!(found("*.w.example", "z.example", "any.w.example"), Some(2));
        assert_eq!(found("ns.example", "x.y.w.example", "a.z.w.example"), None);
        assert_eq!(
            found("x.y.w.example", "xx.example", "a.z.w.example"),
            Some(2)
        );
        // The last of the zone.
        assert_eq!(found("*.W.example", "example", "any.w.Example"), Some(2));
        // A closer name exists, whose wildcard would be another.
        assert_eq!(
            found("b.any.w.example", "x.w.example", "c.any.w.example"),
            Some(3)
        );
    }

    #[test]
    fn a_name_that_exists_is_not_covered() {
        let found = |owner, next, name| found(owner, next, &[RecordType::TXT], name);
        assert_eq!(found("any.w.example", "x.w.example", "any.w.example"), None);
        assert_eq!(found("*.w.example", "any.w.example", "any.w.example"), None);
        // An empty non-terminal.
        assert_eq!(
            found("*.w.example", "b.any.w.example", "any.w.example"),
            None
        );
        assert_eq!(found("x.w.example", "example", "any.w.example"), None);
        assert_eq!(found("a.example", "example", "b.test"), None);
    }

    #[test]
    fn above_a_zone_cut_nothing_is_known_of_what_is_below() {
        let (owner, next, name) = ("w.example", "z.example", "any.w.example");
        assert_eq!(found(owner, next, &[RecordType::NS], name), None);
        assert_eq!(found(owner, next, &[RecordType::A], name), Some(2));
    }
}
