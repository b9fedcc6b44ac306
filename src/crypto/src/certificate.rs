//! Certificates of doctors' signing keys (X.509, RFC 5280): issued by the network's own key for keys
//! that are made here, and read and verified for those of a certificate authority.

use std::{borrow::Cow, time::Duration};

use chrono::DateTime;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose,
    PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use x509_parser::{
    certificate::X509Certificate,
    pem::Pem,
    prelude::FromDer,
    x509::{SubjectPublicKeyInfo, X509Name},
};

use super::{
    CryptoError, digest,
    public_key::Ed25519PublicKey,
    signer::{Ed25519Signer, Signer, Verifier},
    sm2::Sm2PublicKey,
};
use domain::{ids::StaffId, time::Timestamp};

/// Attribute type serialNumber (X.520): the number of the licence.
const LICENCE: &[u64] = &[2, 5, 4, 5];
const ED25519: &str = "1.3.101.112";
const EC_KEY: &str = "1.2.840.10045.2.1";
const SM2_CURVE: &str = "1.2.156.10197.1.301";
const SM2_WITH_SM3: &str = "1.2.156.10197.1.501";
/// Bytes; ours have about 500, those of authorities a few thousand.
pub const LONGEST_CERTIFICATE: usize = 16 * 1024;

/// Who a doctor's certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Common name.
    pub name: String,
    /// Serial number.
    pub licence_no: String,
    /// Organisation.
    pub hospital: String,
}

/// The first and the last instant of a certificate, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A certificate that was read; nothing of it is proven before [`Certificate::check_issued_by`].
#[derive(Debug, Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// The values of the subject's attributes.
    subject: Vec<String>,
    pub holder: Holder,
    pub validity: Validity,
    issuer_name: Vec<u8>,
    subject_name: Vec<u8>,
    is_authority: bool,
    may_sign: bool,
    signed: Vec<u8>,
    algorithm: String,
    signature: Vec<u8>,
    key: PublicKey,
}

#[derive(Debug, Clone)]
enum PublicKey {
    Ed25519(Ed25519PublicKey),
    Sm2(Sm2PublicKey),
}

impl PublicKey {
    fn read(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, CryptoError> {
        let bytes = &info.subject_public_key.data;
        let curve = || Some(info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string());
        match info.algorithm.algorithm.to_id_string().as_str() {
            ED25519 => Ed25519PublicKey::from_bytes(bytes).map(Self::Ed25519),
            EC_KEY if curve().as_deref() == Some(SM2_CURVE) => Sm2PublicKey::from_point(bytes).map(Self::Sm2),
            _ => Err(CryptoError::KeyInvalid),
        }
    }

    fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        match self {
            Self::Ed25519(key) if algorithm == ED25519 => key.verify(signed, signature),
            Self::Sm2(key) if algorithm == SM2_WITH_SM3 => key.verify_der(signed, signature),
            Self::Ed25519(_) | Self::Sm2(_) => Err(CryptoError::WrongKind),
        }
    }
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`]; [`CryptoError::KeyInvalid`] for a key of another kind than Ed25519
    /// and SM2.
    pub fn parse(der: &[u8]) -> Result<Self, CryptoError> {
        if der.len() > LONGEST_CERTIFICATE {
            return Err(CryptoError::Malformed);
        }
        let (rest, read) = X509Certificate::from_der(der).map_err(|_| CryptoError::Malformed)?;
        let same_algorithm = read.tbs_certificate.signature == read.signature_algorithm;
        if !rest.is_empty() || !same_algorithm || !ends_with_signature(der, &read.signature_value.data) {
            return Err(CryptoError::Malformed);
        }
        let time = |seconds: i64| DateTime::from_timestamp(seconds, 0).ok_or(CryptoError::Malformed);
        let usage = read.key_usage().map_err(|_| CryptoError::Malformed)?;
        let of = |oid: &[u64]| value_of(read.subject(), oid);
        Ok(Self {
            der: der.to_vec(),
            subject: read
                .subject()
                .iter_attributes()
                .filter_map(|one| one.as_str().ok().map(str::to_owned))
                .collect(),
            holder: Holder { name: of(&[2, 5, 4, 3]), licence_no: of(LICENCE), hospital: of(&[2, 5, 4, 10]) },
            validity: Validity {
                from: time(read.validity().not_before.timestamp())?,
                until: time(read.validity().not_after.timestamp())?,
            },
            issuer_name: read.issuer().as_raw().to_vec(),
            subject_name: read.subject().as_raw().to_vec(),
            is_authority: read.is_ca(),
            may_sign: usage
                .is_none_or(|usage| usage.value.digital_signature() || usage.value.non_repudiation()),
            signed: read.tbs_certificate.as_ref().to_vec(),
            algorithm: read.signature_algorithm.algorithm.to_id_string(),
            signature: read.signature_value.data.to_vec(),
            key: PublicKey::read(read.public_key())?,
        })
    }

    /// Reads all certificates of a PEM file, which must be those of authorities.
    ///
    /// # Errors
    /// As [`Certificate::parse`]; [`CryptoError::WrongKind`] for one that is no authority's;
    /// [`CryptoError::Malformed`] for a file without any.
    pub fn authorities(pem: &[u8]) -> Result<Vec<Self>, CryptoError> {
        let mut found = Vec::new();
        for block in Pem::iter_from_buffer(pem) {
            let one = Self::parse(&block.map_err(|_| CryptoError::Malformed)?.contents)?;
            if !one.is_authority {
                return Err(CryptoError::WrongKind);
            }
            found.push(one);
        }
        if found.is_empty() { Err(CryptoError::Malformed) } else { Ok(found) }
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether an attribute of the subject has this value.
    pub fn names(&self, value: &str) -> bool {
        self.subject.iter().any(|known| known == value)
    }

    /// Whether it is a certificate for signatures that is valid at `at`.
    pub fn may_sign_at(&self, at: Timestamp) -> bool {
        // A certificate's times are whole seconds.
        let at = at.timestamp();
        self.may_sign
            && !self.is_authority
            && (self.validity.from.timestamp()..=self.validity.until.timestamp()).contains(&at)
    }

    /// Checks that the network's own key issued it.
    ///
    /// # Errors
    /// [`CryptoError::SignatureInvalid`], [`CryptoError::WrongKind`].
    pub fn check_issued_by(&self, issuer: &dyn Verifier) -> Result<(), CryptoError> {
        if self.algorithm != ED25519 {
            return Err(CryptoError::WrongKind);
        }
        issuer.verify(&self.signed, &self.signature)
    }

    /// Checks that one of these authorities issued it, and was valid itself at `at`.
    ///
    /// # Errors
    /// [`CryptoError::KeyUnknown`] if none did.
    pub fn check_authority(&self, authorities: &[Certificate], at: Timestamp) -> Result<(), CryptoError> {
        let issued = |authority: &&Certificate| {
            authority.subject_name == self.issuer_name
                && authority.validity.from <= at
                && at <= authority.validity.until
                && authority.key.verify(&self.algorithm, &self.signed, &self.signature).is_ok()
        };
        authorities.iter().find(issued).map(|_| ()).ok_or(CryptoError::KeyUnknown)
    }

    /// Whether it is the certificate of this key.
    pub fn certifies(&self, key: &Ed25519PublicKey) -> bool {
        matches!(&self.key, PublicKey::Ed25519(own) if own == key)
    }

    /// The key that it certifies.
    pub fn verifier(&self) -> Box<dyn Verifier> {
        match &self.key {
            PublicKey::Ed25519(key) => Box::new(*key),
            PublicKey::Sm2(key) => Box::new(key.clone()),
        }
    }
}

/// The ends of certificates before the signature: the algorithm, for SM2 also with its empty parameters.
const ALGORITHMS: [&[u8]; 3] = [
    &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
    &[0x30, 10, 6, 8, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x75],
    &[0x30, 12, 6, 8, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x83, 0x75, 5, 0],
];

/// Whether algorithm and signature, which nothing signs, are in DER: the parser reads them under other
/// tags, too. Signatures of both algorithms are shorter than 126 bytes.
fn ends_with_signature(der: &[u8], signature: &[u8]) -> bool {
    const BIT_STRING: u8 = 3;
    let length = u8::try_from(signature.len() + 1).unwrap_or(u8::MAX);
    let tail = [&[BIT_STRING, length, 0], signature].concat();
    der.strip_suffix(tail.as_slice()).is_some_and(|head| ALGORITHMS.iter().any(|one| head.ends_with(one)))
}

fn value_of(name: &X509Name<'_>, oid: &[u64]) -> String {
    let wanted = x509_parser::der_parser::oid::Oid::from(oid);
    let found = wanted.ok().and_then(|oid| Some(name.iter_by_oid(&oid).next()?.as_str().ok()?.to_owned()));
    found.unwrap_or_default()
}

/// The network's key as an issuer of certificates.
struct IssuingKey<'a>(&'a Ed25519Signer, Ed25519PublicKey);

impl PublicKeyData for IssuingKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.1.as_bytes()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}
impl SigningKey for IssuingKey<'_> {
    fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(bytes).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

struct CertifiedKey(Ed25519PublicKey);

impl PublicKeyData for CertifiedKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

/// Issues a doctor's certificate with the network's key.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if it cannot be written or signed.
pub fn issue(
    issuer: &Ed25519Signer,
    network: &str,
    (staff, holder): (StaffId, &Holder),
    key: Ed25519PublicKey,
    validity: Validity,
) -> Result<Vec<u8>, CryptoError> {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, holder.name.as_str());
    name.push(DnType::CustomDnType(LICENCE.to_vec()), holder.licence_no.as_str());
    name.push(DnType::OrganizationName, holder.hospital.as_str());
    let uri = format!("urn:uuid:{staff}").as_str().try_into().map_err(|_| CryptoError::OperationFailed)?;
    let mut params = params(validity, key.as_bytes());
    params.distinguished_name = name;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    params.use_authority_key_identifier_extension = true;
    let authority = authority_params(issuer, network, validity.from);
    let issuing = Issuer::new(authority, IssuingKey(issuer, issuer.public_key()));
    let made = params.signed_by(&CertifiedKey(key), &issuing).map_err(|_| CryptoError::OperationFailed)?;
    Ok(made.der().to_vec())
}

/// The certificate of the network's key itself, for those who verify elsewhere. It is the same at
/// every call.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if it cannot be written or signed.
pub fn authority(issuer: &Ed25519Signer, network: &str, since: Timestamp) -> Result<Vec<u8>, CryptoError> {
    let made = authority_params(issuer, network, since).self_signed(&IssuingKey(issuer, issuer.public_key()));
    Ok(made.map_err(|_| CryptoError::OperationFailed)?.der().to_vec())
}

fn authority_params(issuer: &Ed25519Signer, network: &str, since: Timestamp) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, network);
    name.push(DnType::CommonName, format!("prescriptions {}", issuer.key_id()));
    // It ends with the retirement of the key, which no certificate knows (RFC 5280, section 4.1.2.5).
    let until = DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(since);
    let mut params = params(Validity { from: since, until }, issuer.public_key().as_bytes());
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn params(validity: Validity, key: &[u8]) -> CertificateParams {
    let time = |at: Timestamp| {
        let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    // Sixteen bytes of the key's digest: unique, and positive as RFC 5280 requires.
    let mut serial = digest::sha256(key)[..16].to_vec();
    serial[0] = serial[0] & 0x7f | 0x40;
    let mut params = CertificateParams::default();
    params.not_before = time(validity.from);
    params.not_after = time(validity.until);
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

/// A certificate in PEM (RFC 7468).
pub fn to_pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut lines: Vec<Cow<'_, str>> = vec!["-----BEGIN CERTIFICATE-----".into()];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, left) = rest.split_at(rest.len().min(64));
        lines.push(line.into());
        rest = left;
    }
    lines.push("-----END CERTIFICATE-----\n".into());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn holder() -> Holder {
        Holder {
            name: "李医生".into(), licence_no: "110370000000001".into(), hospital: "烟台一院".into()
        }
    }

    #[test]
    fn a_certificate_says_who_signs_and_is_the_networks() {
        let (network, doctor) = (Ed25519Signer::generate().unwrap(), Ed25519Signer::generate().unwrap());
        let staff = StaffId::generate();
        let validity = Validity { from: at(1_800_000_000), until: at(1_831_000_000) };
        let der = issue(&network, "yantai", (staff, &holder()), doctor.public_key(), validity).unwrap();
        let read = Certificate::parse(&der).unwrap();
        assert_eq!((&read.holder, read.validity), (&holder(), validity));
        assert_eq!(read.check_issued_by(&network.public_key()), Ok(()));
        let other = Ed25519Signer::generate().unwrap().public_key();
        assert_eq!(read.check_issued_by(&other), Err(CryptoError::SignatureInvalid));
        assert!(read.may_sign_at(validity.from) && read.may_sign_at(validity.until));
        assert!(!read.may_sign_at(at(1_799_999_999)) && !read.may_sign_at(at(1_831_000_001)));
        let signature = doctor.sign(b"x").unwrap();
        assert_eq!(read.verifier().verify(b"x", &signature), Ok(()));
        // The network's own certificate is an authority's, always the same, and names the issuer.
        let own = authority(&network, "yantai", at(1_700_000_000)).unwrap();
        assert_eq!(own, authority(&network, "yantai", at(1_700_000_000)).unwrap());
        let authorities = Certificate::authorities(to_pem(&own).as_bytes()).unwrap();
        assert_eq!(read.check_authority(&authorities, validity.from), Ok(()));
        assert!(read.check_authority(&authorities, at(1_600_000_000)).is_err());
        assert!(!authorities[0].may_sign_at(validity.from), "it signs certificates only");
        let leaf = Certificate::authorities(to_pem(&der).as_bytes());
        assert_eq!(leaf.err(), Some(CryptoError::WrongKind));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let network = Ed25519Signer::generate().unwrap();
        let validity = Validity { from: at(1_800_000_000), until: at(1_831_000_000) };
        let key = Ed25519Signer::generate().unwrap().public_key();
        let der = issue(&network, "n", (StaffId::generate(), &holder()), key, validity).unwrap();
        for place in 0..der.len() {
            let mut changed = der.clone();
            changed[place] ^= 1;
            let accepted = Certificate::parse(&changed)
                .is_ok_and(|read| read.check_issued_by(&network.public_key()).is_ok());
            assert!(!accepted, "byte {place}");
        }
        for length in 0..der.len() {
            assert!(Certificate::parse(&der[..length]).is_err(), "length {length}");
        }
        assert!(Certificate::parse(&[der.as_slice(), b"x"].concat()).is_err(), "longer");
        assert_eq!(Certificate::authorities(b"no PEM").err(), Some(CryptoError::Malformed));
    }
}
