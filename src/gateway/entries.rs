//! The certificate of a DCA in the directory's entry of a recipient (draft §4.1, the first of two ways).
//!
//! It is judged once, as the DCA's. Whoever may write an entry need not speak for the domain: what lies there is
//! authenticated by nobody, and stands by its path alone.

use crate::address::Mailbox;
use crate::gateway::chooser::Chooser;
use crate::gateway::search::Authentication;
use crate::gateway::search::Candidate;
use crate::gateway::search::Said;
use crate::gateway::search::Search;
use crate::gateway::search::Subject;
use crate::policy::facts::LookupSource;

/// The source whose answers are entries, of which certificates of several subjects may be a part.
const ENTRIES: LookupSource = LookupSource::Ldap;

impl Chooser<'_> {
    /// Takes the certificates of its domain's DCA out of what was found for a recipient. Where nothing else was in the
    /// entry, it has none of the recipient's.
    pub(super) fn take_dcas(&self, mailbox: &Mailbox, search: &mut Search) -> Vec<Candidate> {
        let domain = mailbox.domain();
        let is_dcas = |one: &mut Candidate| {
            let names = |subject| self.check_names(subject, &one.certificate).is_ok();
            one.provenance.source == ENTRIES
                && names(Subject::Dca(domain))
                && !names(Subject::Recipient(mailbox))
        };
        let mut taken: Vec<Candidate> = search.candidates.extract_if(.., is_dcas).collect();
        for one in &mut taken {
            one.provenance.authentication = Authentication::None;
        }
        let is_left = |one: &Candidate| one.provenance.source == ENTRIES;
        if !taken.is_empty() && !search.candidates.iter().any(is_left) {
            let found = |said: &Said| matches!(said, Said::Found);
            for asked in &mut search.asked {
                if asked.source == ENTRIES && found(&asked.said) {
                    let reason =
                        format!("its entry has the certificate of the DCA of {domain} alone");
                    asked.said = Said::Absent(reason);
                }
            }
        }
        taken
    }
}

impl Search {
    /// Adds what entries of recipients have, to a search for the DCA of their domain.
    pub fn add_of_entries(&mut self, taken: Vec<Candidate>) {
        // The policy's own word is the only one.
        if self.by_policy {
            return;
        }
        for one in taken {
            let mut known = self.candidates.iter();
            if !known.any(|known| known.certificate == one.certificate) {
                self.candidates.push(one);
            }
        }
    }
}
