//! What searches for certificates come to, in metrics and in the log.

use crate::gateway::choice::Event;
use crate::gateway::search::Asked;
use crate::gateway::search::Owner;
use crate::lookup::ordered::Watch;
use crate::telemetry::metrics::Metrics;

/// Counts, and tells the administrator what he should look at.
#[derive(Clone, Debug)]
pub struct Counting(pub Metrics);

impl Watch for Counting {
    fn asked(&self, asked: &Asked) {
        self.0
            .certificate_looked_up(asked.source, asked.said.result(), asked.elapsed);
    }

    /// The log names the domain and the certificate, never an address.
    fn happened(&self, owner: &Owner, event: &Event) {
        self.0.certificate_event(event);
        let domain = owner.domain();
        match event {
            Event::Contradicted(source) => tracing::warn!(
                %domain,
                source = source.as_str(),
                "another key is given there than that of the certificate that was chosen: look at it with domsec lookup"
            ),
            Event::Conflict(one, other) => tracing::warn!(
                %domain,
                "{} and {} name different keys: pin the right one with domsec certs pin",
                one.as_str(),
                other.as_str()
            ),
            Event::KeyChanged(fingerprint, true) => tracing::info!(
                %domain,
                certificate = %fingerprint,
                "an address has another key from now on, as the policy lets its source change it"
            ),
            Event::KeyChanged(fingerprint, false) => tracing::warn!(
                %domain,
                certificate = %fingerprint,
                "an address has another key, which waits: approve or reject it with domsec certs"
            ),
        }
    }
}
