//! Every bound on what a peer may make us do, with its source.
//!
//! Bounds are checked before memory is taken. What passes one is refused with a [`LimitError`] that
//! names the bound, what was asked for and what is allowed.

/// The bounds on one message. All are inclusive.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Layers of S, E and Z above each other.
    pub layers: usize,
    /// Parts of all multiparts of one entity together, and the messages in them.
    pub parts: usize,
    /// Multiparts within each other.
    pub multipart_depth: usize,
    /// Octets of one entity's header.
    pub header_octets: usize,
    /// Fields of one entity's header.
    pub header_fields: usize,
    /// Constructed ASN.1 values within each other.
    pub asn1_depth: usize,
    /// Pieces of one constructed OCTET STRING.
    pub segments: usize,
    /// Octets of everything in one CMS layer but its content, together: certificates, CRLs, infos,
    /// attributes.
    pub structure_octets: usize,
    /// SignerInfos of one SignedData.
    pub signers: usize,
    /// RecipientInfos of one EnvelopedData, each RecipientEncryptedKey counted.
    pub recipients: usize,
    /// Certificates of one SignedData.
    pub certificates: usize,
    /// Attributes of one SignerInfo.
    pub attributes: usize,
    /// Public-key operations for one message: verifications and key unwraps.
    pub key_operations: usize,
    /// Octets of all layers of one message together after decompression.
    pub decompressed_octets: u64,
    /// Certificates in one path.
    pub path_length: usize,
    /// Iterations of a password-based key derivation function.
    pub kdf_iterations: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Draft §5.1 nests at most four; three domains or lists that each add as many, and room
            // to show what is beneath. No specification gives a maximum.
            layers: 16,
            // A digest of a busy list has some hundreds; Dovecot and Postfix stop near here.
            parts: 10_000,
            // RFC 2049 has no maximum; Postfix's mime_nesting_limit is 100, mail in use stays below 10.
            multipart_depth: 32,
            // Postfix header_size_limit is 102,400 for one field.
            header_octets: 1024 * 1024,
            // Postfix has no count; Sendmail's MaxHeadersLength and list software stay below this.
            header_fields: 2_000,
            // A certificate's deepest extension is at 12; CMS adds six.
            asn1_depth: 32,
            // 25 MB in the 1,000-octet pieces that Bouncy Castle writes is 25,000.
            segments: 262_144,
            // 5,000 RecipientInfos of 400 octets are 2 MB; a CRL of a large CA can have some more.
            structure_octets: 16 * 1024 * 1024,
            // Several algorithms at once are a handful; as many as webpki tries signatures.
            signers: 100,
            // A large distribution list.
            recipients: 10_000,
            // A cross-signed chain has some ten for each signer.
            certificates: 500,
            // RFC 5652, 2634 and 5035 define about 20.
            attributes: 100,
            // As webpki: the remediation of Go's CVE-2018-16875.
            key_operations: 100,
            // Twice what large providers accept as a message.
            decompressed_octets: 100 * 1024 * 1024,
            // Longer ones are not seen outside test suites; OpenSSL allows 100.
            path_length: 12,
            // OWASP 2023 advises 600,000 for PBKDF2 with SHA-256; a file may ask for more, not for hours.
            kdf_iterations: 10_000_000,
        }
    }
}

/// A bound was passed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {asked}, more than the limit of {allowed}")]
pub struct LimitError {
    /// What is bounded, as in "number of recipientInfos".
    pub what: &'static str,
    /// What the message asks for, as far as it was counted.
    pub asked: u64,
    /// What is allowed.
    pub allowed: u64,
}

impl LimitError {
    /// Refuses `asked` of `what` when it is more than `allowed`.
    pub fn check(what: &'static str, asked: usize, allowed: usize) -> Result<(), Self> {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Self::check_wide(what, wide(asked), wide(allowed))
    }

    /// As [`LimitError::check`], for lengths of messages.
    pub fn check_wide(what: &'static str, asked: u64, allowed: u64) -> Result<(), Self> {
        if asked > allowed {
            Err(Self {
                what,
                asked,
                allowed,
            })
        } else {
            Ok(())
        }
    }
}

/// What one message may still cost; passed down by reference and used up.
#[derive(Clone, Debug)]
pub struct Budget {
    key_operations: usize,
    decompressed_octets: u64,
    allowed: Limits,
}

impl Budget {
    /// The budget of one message.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            key_operations: limits.key_operations,
            decompressed_octets: limits.decompressed_octets,
            allowed: *limits,
        }
    }

    /// Takes one public-key operation from the budget.
    pub fn key_operation(&mut self) -> Result<(), LimitError> {
        match self.key_operations.checked_sub(1) {
            Some(rest) => {
                self.key_operations = rest;
                Ok(())
            }
            None => LimitError::check(
                "number of public-key operations",
                self.allowed.key_operations.saturating_add(1),
                self.allowed.key_operations,
            ),
        }
    }

    /// Takes `octets` that came out of a decompression from the budget.
    ///
    /// One bound for all layers and parts: many small bombs cost as much as a large one.
    pub fn decompressed(&mut self, octets: u64) -> Result<(), LimitError> {
        let allowed = self.allowed.decompressed_octets;
        let before = allowed.saturating_sub(self.decompressed_octets);
        LimitError::check_wide(
            "number of octets that the content decompresses to",
            before.saturating_add(octets),
            allowed,
        )?;
        self.decompressed_octets = self.decompressed_octets.saturating_sub(octets);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_budget_refuses() {
        let mut budget = Budget::new(&Limits {
            key_operations: 1,
            ..Limits::default()
        });
        budget.key_operation().unwrap();
        let error = budget.key_operation().unwrap_err();
        assert_eq!(
            error.to_string(),
            "number of public-key operations is 2, more than the limit of 1"
        );
    }

    #[test]
    fn decompressed_octets_are_counted_together() {
        let mut budget = Budget::new(&Limits {
            decompressed_octets: 10,
            ..Limits::default()
        });
        budget.decompressed(4).unwrap();
        budget.decompressed(6).unwrap();
        budget.decompressed(0).unwrap();
        let error = budget.decompressed(1).unwrap_err();
        assert_eq!((error.asked, error.allowed), (11, 10));
    }
}
