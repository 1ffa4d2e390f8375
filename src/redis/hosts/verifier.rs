//! Verifies the certificate of a Redis as OpenSSL does for redis-py (decision 0023).
//!
//! In: the certificates that the server shows, the system's authorities and the own ones. Out: whether it is the server
//! that was meant. rustls verifies ordinary chains. This adds what rustls refuses and Redis is often run with: a
//! certificate that is pinned itself, one of version 1 or with `CA:TRUE` that an own authority signed directly, and a
//! name in the subject instead of an alternative name.

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime},
    server::ParsedCertificate,
};
use x509_cert::{
    Certificate, Version,
    der::{
        Decode, Encode, Tag, Tagged,
        asn1::{BitString, ObjectIdentifier},
        oid::AssociatedOid,
    },
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, name::GeneralName},
    spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned},
};

use super::HostError;
use crate::authorities::system_roots;

/// `commonName` of a subject.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// `nameConstraints`, which only rustls follows.
const NAME_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.30");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// The critical extensions that are understood where rustls does not verify the chain.
const UNDERSTOOD: [ObjectIdentifier; 4] =
    [BasicConstraints::OID, KeyUsage::OID, ExtendedKeyUsage::OID, SubjectAltName::OID];

/// What is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: any server is taken for Redis.
    Nothing,
    /// Who signed the certificate.
    Chain,
    /// That, and the name that it is for.
    ChainAndName,
}

/// Verifies the servers of one address.
#[derive(Debug)]
pub(super) struct Verifier {
    check: Check,
    own: Vec<CertificateDer<'static>>,
    authorities: Vec<Authority>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// An own certificate that may sign others: rustls would take each for an authority, also that of a server.
#[derive(Debug)]
struct Authority {
    /// It alone.
    roots: RootCertStore,
    /// `None` if only rustls can read it.
    certificate: Option<Certificate>,
}

impl Verifier {
    pub fn new(
        check: Check,
        own: Vec<CertificateDer<'static>>,
        algorithms: WebPkiSupportedAlgorithms,
    ) -> Result<Self, HostError> {
        let mut authorities = Vec::new();
        for one in &own {
            let mut roots = RootCertStore::empty();
            let added = roots.add(one.clone());
            added.map_err(|error| HostError::malformed(format!("an authority for TLS cannot be used: {error}")))?;
            let certificate = Certificate::from_der(one).ok();
            if certificate.as_ref().is_none_or(is_authority) {
                authorities.push(Authority { roots, certificate });
            }
        }
        Ok(Self { check, own, authorities, algorithms })
    }

    fn chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let by_roots = |roots: &RootCertStore, intermediates: &[CertificateDer<'_>]| {
            let parsed = ParsedCertificate::try_from(leaf)?;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, self.algorithms.all)
        };
        let mut first = invalid(CertificateError::UnknownIssuer);
        for authority in &self.authorities {
            let most = authority.most_between().min(intermediates.len());
            let verified = by_roots(&authority.roots, &intermediates[..most]);
            match verified.and_then(|()| authority.certificate.iter().try_for_each(|one| is_current(one, now))) {
                Ok(()) => return Ok(()),
                Err(error) if first == invalid(CertificateError::UnknownIssuer) => first = error,
                Err(_) => {}
            }
        }
        // With both, the reason of the own authorities says more.
        let system = by_roots(system_roots(), intermediates);
        match (system, self.own.is_empty()) {
            (Ok(()), _) => Ok(()),
            (Err(error), true) => Err(error),
            (Err(_), false) => self.direct(leaf, now).map_err(|error| error.unwrap_or(first)),
        }
    }

    /// A certificate that is pinned itself, or that an own authority signed directly. `None` is an error without a
    /// better reason.
    fn direct(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Option<Error>> {
        let certificate = Certificate::from_der(leaf).map_err(|_| None)?;
        is_current(&certificate, now).map_err(Some)?;
        if !serves(&certificate) {
            return Err(Some(invalid(CertificateError::InvalidPurpose)));
        }
        let is_signed = || {
            self.authorities.iter().filter_map(|one| one.certificate.as_ref()).any(|authority| {
                authority.tbs_certificate.subject == certificate.tbs_certificate.issuer
                    && is_current(authority, now).is_ok()
                    && is_followed(authority)
                    && self.is_signed_by(&certificate, authority)
            })
        };
        if self.own.iter().any(|pinned| pinned == leaf) || is_signed() { Ok(()) } else { Err(None) }
    }

    fn is_signed_by(&self, certificate: &Certificate, authority: &Certificate) -> bool {
        let (Ok(signed), Some(algorithm)) =
            (certificate.tbs_certificate.to_der(), identifier(&certificate.signature_algorithm))
        else {
            return false;
        };
        let key = &authority.tbs_certificate.subject_public_key_info;
        let suitable = self.algorithms.all.iter().filter(|one| *one.signature_alg_id() == *algorithm);
        is_valid(suitable.copied(), key, &signed, certificate.signature.raw_bytes())
    }

    fn name(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
        let by_alternative = match ParsedCertificate::try_from(leaf) {
            Ok(parsed) => verify_server_name(&parsed, name),
            Err(_) => Err(invalid(CertificateError::NotValidForName)),
        };
        match (by_alternative, name) {
            (Err(error), ServerName::DnsName(host)) => match is_common_name(leaf, host.as_ref()) {
                true => Ok(()),
                false => Err(error),
            },
            (result, _) => result,
        }
    }

    /// The signature of a handshake whose certificate rustls cannot read.
    fn signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let bad = || invalid(CertificateError::BadSignature);
        let certificate = Certificate::from_der(leaf).map_err(|_| invalid(CertificateError::BadEncoding))?;
        let of_scheme = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let algorithms = of_scheme.ok_or_else(bad)?.1.iter().copied();
        let key = &certificate.tbs_certificate.subject_public_key_info;
        match is_valid(algorithms, key, message, signed.signature()) {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(bad()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.check != Check::Nothing {
            self.chain(leaf, intermediates, now)?;
        }
        if self.check == Check::ChainAndName {
            self.name(leaf, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match ParsedCertificate::try_from(leaf) {
            Ok(_) => verify_tls12_signature(message, leaf, signed, &self.algorithms),
            Err(_) => self.signature(message, leaf, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match ParsedCertificate::try_from(leaf) {
            Ok(_) => verify_tls13_signature(message, leaf, signed, &self.algorithms),
            Err(_) => self.signature(message, leaf, signed),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn invalid(error: CertificateError) -> Error {
    Error::InvalidCertificate(error)
}

fn is_current(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let (validity, now) = (&certificate.tbs_certificate.validity, now.as_secs());
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(invalid(CertificateError::NotValidYet));
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(invalid(CertificateError::Expired));
    }
    Ok(())
}

/// An extension; `None` if it cannot be read.
fn extension<'a, T: Decode<'a> + AssociatedOid>(certificate: &'a Certificate) -> Option<Option<T>> {
    let all = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    match all.iter().find(|one| one.extn_id == T::OID) {
        None => Some(None),
        Some(found) => T::from_der(found.extn_value.as_bytes()).ok().map(Some),
    }
}

fn is_understood(certificate: &Certificate) -> bool {
    let all = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    all.iter().all(|one| !one.critical || UNDERSTOOD.contains(&one.extn_id))
}

/// Whether it may be the certificate of a server.
fn serves(certificate: &Certificate) -> bool {
    let may = |usage: ExtendedKeyUsage| usage.0.iter().any(|one| [SERVER_AUTH, ANY_USAGE].contains(one));
    is_understood(certificate) && extension::<ExtendedKeyUsage>(certificate).is_some_and(|usage| usage.is_none_or(may))
}

/// Whether it may sign another certificate, as OpenSSL decides (`X509_check_ca`): one of version 1 says nothing about
/// that, and counts if it signed itself.
fn is_authority(certificate: &Certificate) -> bool {
    let content = &certificate.tbs_certificate;
    let (Some(basic), Some(usage)) = (extension::<BasicConstraints>(certificate), extension::<KeyUsage>(certificate))
    else {
        return false;
    };
    match (basic, usage) {
        (_, Some(usage)) if !usage.key_cert_sign() => false,
        (Some(basic), _) => basic.ca,
        (None, usage) => usage.is_some() || (content.version == Version::V1 && content.subject == content.issuer),
    }
}

/// Whether all that it demands of the certificates that it signs is followed here, where rustls does not verify.
fn is_followed(authority: &Certificate) -> bool {
    let extensions = authority.tbs_certificate.extensions.as_deref().unwrap_or_default();
    is_understood(authority) && extensions.iter().all(|one| one.extn_id != NAME_CONSTRAINTS)
}

impl Authority {
    /// How many authorities may be between it and a server; rustls does not look.
    fn most_between(&self) -> usize {
        let basic = self.certificate.as_ref().and_then(|one| extension::<BasicConstraints>(one).flatten());
        basic.and_then(|basic| basic.path_len_constraint).map_or(usize::MAX, usize::from)
    }
}

/// The algorithm as rustls names it: its content, without the outer sequence.
fn identifier(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    let any = x509_cert::der::AnyRef::from_der(&der).ok()?;
    (any.tag() == Tag::Sequence).then(|| any.value().to_vec())
}

fn is_valid(
    algorithms: impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm>,
    key: &SubjectPublicKeyInfoOwned,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let Some(kind) = identifier(&key.algorithm) else { return false };
    let bits: &BitString = &key.subject_public_key;
    algorithms
        .filter(|one| *one.public_key_alg_id() == *kind)
        .any(|one| one.verify_signature(bits.raw_bytes(), message, signature).is_ok())
}

/// Whether the subject has this name, and no alternative name of a host does it for it.
fn is_common_name(leaf: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(certificate) = Certificate::from_der(leaf) else { return false };
    let has_alternative = extension::<SubjectAltName>(&certificate).is_none_or(|names| {
        names.is_some_and(|names| names.0.iter().any(|name| matches!(name, GeneralName::DnsName(_))))
    });
    if has_alternative {
        return false;
    }
    let parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    parts.filter(|part| part.oid == COMMON_NAME).any(|part| {
        let text = std::str::from_utf8(part.value.value()).unwrap_or_default();
        matches_host(text, host)
    })
}

/// Whether a name, which may begin with `*.`, is this host's.
fn matches_host(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match name.strip_prefix("*.") {
        Some(domain) => host
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest.contains('.') && rest.eq_ignore_ascii_case(domain)),
        None => !name.is_empty() && name.eq_ignore_ascii_case(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label_of_a_name_with_two_more() {
        for (name, host, is_its) in [
            ("Redis.internal", "redis.INTERNAL", true),
            ("redis.internal", "redis.internal.", true),
            ("*.example.org", "redis.example.org", true),
            ("*.example.org", "a.redis.example.org", false),
            ("*.org", "example.org", false),
            ("*", "redis", false),
            ("", "redis", false),
        ] {
            assert_eq!(matches_host(name, host), is_its, "{name} {host}");
        }
    }
}
