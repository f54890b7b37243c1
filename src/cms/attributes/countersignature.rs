//! Counter-signatures (RFC 5652 §11.4): listed, not verified.

use super::names::CertificateName;
use super::names::number;
use super::oid::Oid;
use super::value::Value;
use super::value::describe_algorithm;
use crate::cms::error::CmsError;
use crate::cms::tlv;
use crate::tlv::tag;

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
        let mut fields = tlv::Reader::new(sequence.content, "counterSignature");
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
    Oid::read(&mut tlv::Reader::new(identifier.content, field), field)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::hex as octets;
    use super::super::fixtures::mutilated;
    use super::super::fixtures::name;
    use super::super::fixtures::sequence;
    use super::super::value::hex;
    use super::super::value::map;
    use super::*;
    use crate::cms::tlv::element;

    fn signer_info(sid: &[u8], signed: &[u8]) -> Vec<u8> {
        sequence(&[
            &[2, 1, 1],
            sid,
            &octets("300b0609608648016503040201"),
            signed,
            &octets("300d06092a864886f70d01010b0500"),
            &[4, 1, 9],
        ])
    }

    #[test]
    fn signer_and_algorithms_are_listed() {
        let issuer = sequence(&[&name("CA"), &[2, 1, 9]]);
        let signed = element(tag::context(0), &[]);
        let value = signer_info(&issuer, &signed);
        assert_eq!(
            CounterSignature::decode(&value).unwrap().describe(),
            map([
                ("issuer", Value::Text("CN=CA".into())),
                ("serial", hex(&[9])),
                ("digest_algorithm", Value::Text("sha-256".into())),
                (
                    "signature_algorithm",
                    Value::Text("rsa-pkcs1-sha256".into())
                ),
            ])
        );
        let by_key = signer_info(&[0x80, 1, 7], &[]);
        assert_eq!(
            CounterSignature::decode(&by_key).unwrap().signer,
            CertificateName::SubjectKeyIdentifier(&[7])
        );
    }

    #[test]
    fn mutilated_signer_infos_never_panic() {
        let issuer = sequence(&[&name("CA"), &[2, 1, 9]]);
        mutilated(&signer_info(&issuer, &[]), |octets| {
            if let Ok(decoded) = CounterSignature::decode(octets) {
                let _ = decoded.describe();
            }
        });
    }
}
