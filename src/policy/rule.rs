//! One rule: whom it is for, and what becomes of their mail (CONTRACT, "Policy files").
//!
//! Refuses what contradicts itself when the policy is loaded, so that no mail can be the first to
//! meet it.

use std::time::Duration;

use super::attributes::AttributeSet;
use super::condition::Condition;
use super::error::PolicyFileError;
use super::profile::Profile;
use super::table::Entry;
use super::table::Table;
use crate::mime::protected::ConfidentialityPolicy;
use crate::notation::SignatureType;

/// A rule of the officer. Its defaults do nothing: mail passes as it came.
#[derive(Debug)]
pub struct Rule {
    /// Its name, in logs, metrics and reports: letters, digits, `-`, `_` and `.`, at most 64.
    pub name: String,
    /// Whom it is for.
    pub when: Condition,
    /// The signatures to add, the innermost first, a layer for each; never that of an originator.
    pub sign: Vec<SignatureType>,
    /// Whether mail goes on where a signature cannot be made for want of a key.
    pub signing: Need,
    /// Whether our review signature is given without a person looking.
    pub review_automatic: bool,
    /// Whether only mail that has a valid review signature may go on (draft §3.5).
    pub require_review: bool,
    /// How content stands beside a signature.
    pub form: Form,
    /// Whether to encrypt.
    pub encrypt: Encryption,
    /// Whether to encrypt even what nobody has signed.
    pub encrypt_alone: bool,
    /// For whom to encrypt.
    pub encrypt_to: EncryptTo,
    /// The name of its profile in [`super::Policy::profile`]; the default profile without one.
    pub profile: Option<String>,
    /// The name of its set in [`super::Policy::attributes`], where it adds an attributes signature.
    pub attributes: Option<String>,
    /// What an encrypted message shows outside (RFC 9788 §3).
    pub hide: ConfidentialityPolicy,
    /// Whether what came encrypted to us is opened and sent on only where its originator has signed
    /// inside. Else who is authenticated answers for it, and he may have captured it.
    pub require_signed_inside: bool,
    /// What becomes of mail for which the rule cannot be met.
    pub otherwise: Otherwise,
    /// How long to try again first, where all that is missing is an answer.
    pub defer_for: Duration,
    /// Whether to decrypt mail for recipients of ours.
    pub decrypt: bool,
    /// Whether the signatures that mail has must be good.
    pub verify: Verification,
    /// What recipients of ours get of the layers.
    pub deliver: Delivery,
}

/// Whether something has to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Mail goes on without it where every answer is `absent`.
    IfPossible,
    /// Without it the rule is not met.
    #[default]
    Required,
}

/// How content stands beside a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// In front of it, for everybody to read: multipart/signed (RFC 8551 §3.5.3).
    Detached,
    /// Within it: application/pkcs7-mime (RFC 8551 §3.5.2).
    #[default]
    Opaque,
}

/// Whether to encrypt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Mail goes on in the clear where every answer is `absent`, and nowhere else.
    IfPossible,
    /// No.
    #[default]
    Never,
    /// Without a certificate the rule is not met.
    Required,
}

/// For whom to encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptTo {
    /// Whose certificates to look for.
    pub readers: Readers,
    /// Whether our own DCA must be able to read it again.
    pub own_dca: bool,
}

/// Whose certificates to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// The recipient's own and that of its domain's DCA: both.
    Both,
    /// That of its domain's DCA.
    Dca,
    /// The recipient's own.
    Recipient,
    /// The recipient's own, else that of its domain's DCA.
    #[default]
    RecipientElseDca,
}

/// What becomes of mail for which a rule cannot be met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The sender's system tries again.
    Defer,
    /// It waits for a person.
    Hold,
    /// It goes on as it came, marked: the one way to plaintext, and the officer says so by name.
    Pass,
    /// The sender is told.
    #[default]
    Refuse,
}

/// Whether the signatures that mail has must be good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// What is wrong with them is said in the mail.
    #[default]
    Mark,
    /// The rule is met only where they are valid, and there is one.
    Require,
}

/// What recipients of ours get of the layers of their mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// All, as they came.
    #[default]
    AsIs,
    /// None: every E and every S is removed.
    Clear,
    /// The signatures: every E is removed.
    Signed,
}

/// The named tables that rules refer to.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) profiles: &'a [Profile],
    pub(super) attributes: &'a [AttributeSet],
}

impl Rule {
    /// Reads one `[[rule]]`.
    pub(super) fn read(entry: &Entry<'_, '_>, names: Names<'_>) -> Result<Self, PolicyFileError> {
        let mut table = entry.table("[[rule]]", KEYS)?;
        let name_entry = table.need("name", "every rule has one, for logs and reports")?;
        let name = name(&name_entry)?;
        table.name = format!("rule {name:?}");
        let when = table.need("when", "write when = \"true\" for all mail")?;
        let when = Condition::compile(&when, &name)?;
        let rule = Self {
            sign: signatures(&table)?,
            signing: table.word("signing", NEEDS)?,
            review_automatic: table.word("review", REVIEWS)?.unwrap_or_default(),
            require_review: table.flag("require_review")?,
            form: table.word("form", FORMS)?,
            encrypt: table.word("encrypt", ENCRYPTIONS)?,
            encrypt_alone: table.flag("encrypt_alone")?,
            encrypt_to: encrypt_to(&table)?,
            profile: reference(
                &table,
                "profile",
                names.profiles.iter().map(|one| &*one.name),
            )?,
            attributes: reference(
                &table,
                "attributes",
                names.attributes.iter().map(|one| &*one.name),
            )?,
            hide: hide(&table)?,
            require_signed_inside: table.flag("require_signed_inside")?,
            otherwise: table.word("otherwise", OTHERWISE)?,
            defer_for: match table.get("defer_for") {
                Some(entry) => entry.duration(LONGEST_DEFERRAL)?,
                None => DEFERRAL,
            },
            decrypt: table.flag("decrypt")?,
            verify: table.word("verify", VERIFICATIONS)?,
            deliver: table.word("deliver", DELIVERIES)?,
            name,
            when,
        };
        rule.check(&table)?;
        Ok(rule)
    }

    /// Whether it wants certificates of readers.
    #[must_use]
    pub fn encrypts(&self) -> bool {
        self.encrypt != Encryption::Never
    }

    /// What the rule adds is of this type.
    #[must_use]
    pub fn signs(&self, signature_type: SignatureType) -> bool {
        self.sign.contains(&signature_type)
    }

    /// Refuses keys that are right by themselves and wrong together.
    fn check(&self, table: &Table<'_, '_>) -> Result<(), PolicyFileError> {
        use SignatureType::AdditionalAttributes;
        use SignatureType::Review;
        // DESIGN, decision 13: such a signature encapsulates, and what is detached holds nothing.
        let opaque = self.sign.iter().find(|one| one.must_encapsulate());
        if let (Form::Detached, Some(opaque)) = (self.form, opaque) {
            return Err(table.conflict(
                "form",
                format!(
                    "`form = \"detached\"` goes with `delegated` alone; \
                 a signature of type {opaque} must encapsulate: write `form = \"opaque\"`"
                ),
            ));
        }
        // RFC 8551 §3.7 orders the layers; mail that is encrypted alone says nothing of its sender.
        if self.encrypt != Encryption::Never && self.sign.is_empty() && !self.encrypt_alone {
            return Err(table.conflict(
                "encrypt",
                "encryption without a signature; give `sign`, or say `encrypt_alone = true`",
            ));
        }
        if self.signs(Review) && !self.review_automatic {
            return Err(table.conflict(
                "sign",
                "`review` needs `review = \"automatic\"`: nobody is there to look at the mail",
            ));
        }
        match (self.signs(AdditionalAttributes), &self.attributes) {
            (true, None) => Err(table.conflict(
                "sign",
                "`attributes` needs `attributes = \"NAME\"`, the name of a table [attributes.NAME]",
            )),
            (false, Some(_)) => Err(table.conflict(
                "attributes",
                "the attributes are written nowhere; add `attributes` to `sign`",
            )),
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }
}

/// A name that can be a metric's label and be read in a log.
fn name(entry: &Entry<'_, '_>) -> Result<String, PolicyFileError> {
    let name = entry.text()?;
    check_name(name).map_err(|reason| entry.bad(reason))?;
    Ok(name.to_owned())
}

/// Why `name` cannot name a rule or a table.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME || !name.chars().all(good) {
        return Err(format!(
            "a name is 1 to {NAME} letters, digits, hyphens, underscores and points"
        ));
    }
    Ok(())
}

fn signatures(table: &Table<'_, '_>) -> Result<Vec<SignatureType>, PolicyFileError> {
    let Some(entry) = table.get("sign") else {
        return Ok(Vec::new());
    };
    let mut types = Vec::new();
    for element in entry.list(SIGNATURES.len())? {
        let signature_type = element.word(SIGNATURES)?;
        if types.contains(&signature_type) {
            return Err(element.bad("it stands here already; each type makes one layer"));
        }
        types.push(signature_type);
    }
    Ok(types)
}

fn encrypt_to(table: &Table<'_, '_>) -> Result<EncryptTo, PolicyFileError> {
    let Some(entry) = table.get("encrypt_to") else {
        return Ok(EncryptTo {
            readers: Readers::default(),
            own_dca: false,
        });
    };
    let mut found = Vec::new();
    for element in entry.list(READERS.len())? {
        let reader = element.word(READERS)?;
        if found.contains(&reader) {
            return Err(element.bad("it stands here already"));
        }
        found.push(reader);
    }
    let has = |reader| found.contains(&reader);
    Ok(EncryptTo {
        readers: match (has(Reader::Recipient), has(Reader::Dca)) {
            (true, true) => Readers::Both,
            (true, false) => Readers::Recipient,
            (false, true) => Readers::Dca,
            (false, false) if has(Reader::OwnDca) => Readers::RecipientElseDca,
            (false, false) => return Err(entry.bad("it names nobody who could read the mail")),
        },
        own_dca: has(Reader::OwnDca),
    })
}

/// A word of `encrypt_to`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Dca,
    OwnDca,
    Recipient,
}

/// The name in `key`, which must be one of `known`.
pub(super) fn reference<'n>(
    table: &Table<'_, '_>,
    key: &'static str,
    mut known: impl Iterator<Item = &'n str> + Clone,
) -> Result<Option<String>, PolicyFileError> {
    let Some(entry) = table.get(key) else {
        return Ok(None);
    };
    let name = entry.text()?;
    if known.clone().any(|one| one == name) {
        return Ok(Some(name.to_owned()));
    }
    Err(entry.unknown_name(key, &mut known))
}

const KEYS: &[&str] = &[
    "name",
    "when",
    "sign",
    "signing",
    "review",
    "require_review",
    "form",
    "encrypt",
    "encrypt_alone",
    "encrypt_to",
    "profile",
    "attributes",
    "hide",
    "hide_fields",
    "require_signed_inside",
    "otherwise",
    "defer_for",
    "decrypt",
    "verify",
    "deliver",
];

/// `hide` and `hide_fields`.
fn hide(table: &Table<'_, '_>) -> Result<ConfidentialityPolicy, PolicyFileError> {
    let base = match table.word("hide", HIDING)? {
        Hiding::Baseline => ConfidentialityPolicy::baseline(),
        Hiding::Nothing => ConfidentialityPolicy::no_confidentiality(),
        Hiding::Shy => ConfidentialityPolicy::shy(),
    };
    let Some(entry) = table.get("hide_fields") else {
        return Ok(base);
    };
    entry
        .list(HIDDEN_FIELDS)?
        .iter()
        .try_fold(base, |policy, field| {
            let hidden = policy.removing(field.text()?);
            hidden.map_err(|error| field.bad(error.to_string()))
        })
}

/// The policies of RFC 9788 §3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Hiding {
    #[default]
    Baseline,
    Nothing,
    Shy,
}

const HIDING: &[(&str, Hiding)] = &[
    ("baseline", Hiding::Baseline),
    ("shy", Hiding::Shy),
    ("nothing", Hiding::Nothing),
];

/// Names of fields that one rule hides; a header has some twenty.
const HIDDEN_FIELDS: usize = 100;

/// What a rule can add. An originator's signature is the originator's to make (draft §3.6).
const SIGNATURES: &[(&str, SignatureType)] = &[
    ("domain", SignatureType::Domain),
    ("review", SignatureType::Review),
    ("attributes", SignatureType::AdditionalAttributes),
    ("delegated", SignatureType::Delegated),
];

const NEEDS: &[(&str, Need)] = &[
    ("required", Need::Required),
    ("if-possible", Need::IfPossible),
];

/// There is one kind until there is a desk where people review.
const REVIEWS: &[(&str, Option<bool>)] = &[("automatic", Some(true))];

const FORMS: &[(&str, Form)] = &[("opaque", Form::Opaque), ("detached", Form::Detached)];

const ENCRYPTIONS: &[(&str, Encryption)] = &[
    ("required", Encryption::Required),
    ("if-possible", Encryption::IfPossible),
    ("never", Encryption::Never),
];

const READERS: &[(&str, Reader)] = &[
    ("recipient", Reader::Recipient),
    ("dca", Reader::Dca),
    ("own-dca", Reader::OwnDca),
];

const OTHERWISE: &[(&str, Otherwise)] = &[
    ("refuse", Otherwise::Refuse),
    ("hold", Otherwise::Hold),
    ("defer", Otherwise::Defer),
    ("pass", Otherwise::Pass),
];

const VERIFICATIONS: &[(&str, Verification)] = &[
    ("mark", Verification::Mark),
    ("require", Verification::Require),
];

const DELIVERIES: &[(&str, Delivery)] = &[
    ("clear", Delivery::Clear),
    ("signed", Delivery::Signed),
    ("as-is", Delivery::AsIs),
];

/// Characters of a name: a metric's label should stay short.
const NAME: usize = 64;
/// CONTRACT, `defer_for`: a sender's system tries again several times before it is over.
const DEFERRAL: Duration = Duration::from_secs(4 * 3_600);
/// RFC 5321 §4.5.4.1: senders give up after four or five days.
const LONGEST_DEFERRAL: Duration = Duration::from_secs(5 * 86_400);
