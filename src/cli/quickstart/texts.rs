//! The configurations and policies that `domsec quickstart` writes.

use zeroize::Zeroizing;

use crate::address::Domain;
use crate::address::Mailbox;

/// A text that is no secret, but is written as keys are.
pub(super) struct Text(String);

impl From<Text> for Zeroizing<Vec<u8>> {
    fn from(text: Text) -> Self {
        Self::new(text.0.into_bytes())
    }
}

/// Every text with the name of its file, the configurations after what they name.
pub(super) fn all(domain: &Domain, partner: &Domain, user: &Mailbox) -> [(&'static str, Text); 4] {
    let ours = Names {
        domain,
        partner,
        user,
    };
    let theirs = Names {
        domain: partner,
        partner: domain,
        user,
    };
    [
        ("policy.toml", ours.policy()),
        ("partner/policy.toml", theirs.policy()),
        ("partner/domsec.toml", theirs.filled(PARTNER)),
        ("domsec.toml", ours.filled(CONFIG)),
    ]
}

/// What is filled in.
struct Names<'a> {
    domain: &'a Domain,
    partner: &'a Domain,
    user: &'a Mailbox,
}

impl Names<'_> {
    fn filled(&self, template: &str) -> Text {
        Text(
            template
                .replace("{domain}", self.domain.as_str())
                .replace("{partner}", self.partner.as_str())
                .replace("{user}", &self.user.to_string()),
        )
    }

    /// The rules that are compiled in, so that there is one text of them; what may be added is around.
    fn policy(&self) -> Text {
        let Text(head) = self.filled(POLICY_HEAD);
        let Text(tail) = self.filled(POLICY_TAIL);
        Text(format!("{head}\n{RULES}\n{tail}"))
    }
}

const CONFIG: &str = include_str!("templates/domsec.toml");
const PARTNER: &str = include_str!("templates/partner.toml");
const POLICY_HEAD: &str = include_str!("templates/policy-head.toml");
const POLICY_TAIL: &str = include_str!("templates/policy-tail.toml");
const RULES: &str = include_str!("../../../policy/default.toml");
