//! The names of a certificate: those that CMS uses for it, and those that stand in its subject.

use super::Certificate;
use super::name;
use crate::crypto::KeyName;

impl Certificate {
    /// Whether a message that names a key so means this certificate's.
    ///
    /// Where the certificate has no subjectKeyIdentifier, the SHA-1 of the key stands for it
    /// (RFC 5280 §4.2.1.2, method 1).
    #[must_use]
    pub fn is_named(&self, name: KeyName<'_>) -> bool {
        match name {
            KeyName::IssuerAndSerialNumber(issuer, serial) => {
                self.serial() == serial && name::same(self.issuer(), issuer)
            }
            KeyName::SubjectKeyIdentifier(identifier) => self.key_identifier() == identifier,
        }
    }

    /// The commonName attributes of the subject; read when they are first asked for.
    #[must_use]
    pub fn common_names(&self) -> &[String] {
        &self.subject_parts().common_names
    }

    /// The domainComponent attributes of the subject, the top-level domain first.
    #[must_use]
    pub fn domain_components(&self) -> &[String] {
        &self.subject_parts().domain_components
    }
}
