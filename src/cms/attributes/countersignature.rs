//! Counter-signatures (RFC 5652 §11.4): listed, not verified.

use super::names::CertificateName;
use super::names::number;
use super::oid::Oid;
use super::value::Value;
use super::value::describe_algorithm;
use crate::cms::ber::tag;
use crate::cms::error::CmsError;
use crate::cms::tlv;

/// The SignerInfo that is a counter-signature, as far as a list needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterSignature<'a> {
    /// Who signed.
    pub signer: CertificateName<'a>,
    /// digestAlgorithm.
    pub digest_algorithm: Oid,
    /// signatureAlgorithm.
    pub signature_algorithm: Oid,
}

impl<'a> CounterSignature<'a> {
    /// Reads one value of a countersignature attribute.
    pub fn decode(value: &'a [u8]) -> Result<Self, CmsError> {
        let sequence = tlv::single(value, tag::SEQUENCE, "counterSignature")?;
        let mut fields = tlv::Reader::new(sequence.value, "counterSignature");
        let version = fields.expect(tag::INTEGER, "version of counterSignature")?;
        number(&version, "version of counterSignature")?;
        let signer = CertificateName::read(
            &mut fields,
            tag::context_primitive(0),
            "sid of counterSignature",
        )?;
        let digest_algorithm = algorithm(&mut fields, "digestAlgorithm of counterSignature")?;
        fields.optional(tag::context(0))?;
        let signature_algorithm = algorithm(&mut fields, "signatureAlgorithm of counterSignature")?;
        fields.expect(tag::OCTET_STRING, "signature of counterSignature")?;
        fields.optional(tag::context(1))?;
        fields.end()?;
        Ok(Self {
            signer,
            digest_algorithm,
            signature_algorithm,
        })
    }

    pub(crate) fn describe(&self) -> Value {
        let mut described = self.signer.describe();
        if let Value::Map(fields) = &mut described {
            fields.push((
                "digest_algorithm",
                describe_algorithm(&self.digest_algorithm),
            ));
            fields.push((
                "signature_algorithm",
                describe_algorithm(&self.signature_algorithm),
            ));
        }
        described
    }
}

fn algorithm(fields: &mut tlv::Reader<'_>, field: &'static str) -> Result<Oid, CmsError> {
    let identifier = fields.expect(tag::SEQUENCE, field)?;
    Oid::read(&mut tlv::Reader::new(identifier.value, field), field)
}
