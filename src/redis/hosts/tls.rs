//! TLS to Redis with the settings of redis-py (decision 0023).
//!
//! In: the keywords that begin with `ssl`. Out: a configuration for one connection, with certificates as the files have
//! them now. What OpenSSL could do and rustls cannot is refused, with what to write instead.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, CipherSuite, ClientConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};
use serde_json::Value as Json;

use super::{
    HostError,
    keywords::Keywords,
    verifier::{Check, Verifier},
};

/// The cipher suites of TLS 1.2, by their names in OpenSSL. Those of TLS 1.3 are always on, as there.
const SUITES: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];

/// Flags of Python's `ssl.VerifyFlags` that are in effect anyway.
const ALWAYS_INCLUDED: [&str; 3] = ["VERIFY_DEFAULT", "VERIFY_X509_PARTIAL_CHAIN", "VERIFY_X509_TRUSTED_FIRST"];

/// Flags that are never in effect.
const ALWAYS_EXCLUDED: [&str; 4] =
    ["VERIFY_X509_STRICT", "VERIFY_CRL_CHECK_LEAF", "VERIFY_CRL_CHECK_CHAIN", "VERIFY_ALLOW_PROXY_CERTS"];

/// How connections to a server are protected.
pub(super) struct TlsOptions {
    check: Check,
    authorities: Authorities,
    /// The client's certificate and its key.
    identity: Option<(PathBuf, PathBuf)>,
    versions: &'static [&'static SupportedProtocolVersion],
    suites: Option<Vec<CipherSuite>>,
}

/// Where the own authorities and pinned certificates are. Those of the system are trusted, too, as in Python.
#[derive(Default)]
struct Authorities {
    file: Option<PathBuf>,
    directory: Option<PathBuf>,
    text: Option<String>,
}

impl TlsOptions {
    /// Takes the keywords; `None` without TLS. The files are read once, so that a wrong one is an error now.
    pub fn of(keywords: &mut Keywords) -> Result<Option<Self>, HostError> {
        if keywords.flag("ssl")? != Some(true) {
            return match keywords.beginning("ssl_").next() {
                Some((name, _)) => Err(HostError::malformed(format!(
                    "{name} needs TLS: write rediss:// instead of redis://, or ssl = true in a table"
                ))),
                None => Ok(None),
            };
        }
        let check = check(keywords)?;
        let path = |text: Option<String>| text.map(PathBuf::from);
        let authorities = Authorities {
            file: path(keywords.text("ssl_ca_certs")?),
            directory: path(keywords.text("ssl_ca_path")?),
            text: keywords.text("ssl_ca_data")?,
        };
        let (certificate, key) = (path(keywords.text("ssl_certfile")?), path(keywords.text("ssl_keyfile")?));
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(both), None) => Some((both.clone(), both)),
            (None, None) => None,
            (None, Some(_)) => return Err(HostError::malformed("ssl_keyfile needs ssl_certfile, its certificate")),
        };
        let (versions, suites) = (versions(keywords)?, suites(keywords)?);
        flags(keywords, "ssl_include_verify_flags", &ALWAYS_INCLUDED)?;
        flags(keywords, "ssl_exclude_verify_flags", &ALWAYS_EXCLUDED)?;
        let options = Self { check, authorities, identity, versions, suites };
        options.client_config()?;
        Ok(Some(options))
    }

    /// The configuration of one connection.
    ///
    /// # Errors
    /// A file cannot be read, or is not what it should be.
    pub fn client_config(&self) -> Result<ClientConfig, HostError> {
        let mut provider: CryptoProvider = ring::default_provider();
        if let Some(suites) = &self.suites {
            provider.cipher_suites.retain(|one| one.tls13().is_some() || suites.contains(&one.suite()));
        }
        let failed = |error: rustls::Error| HostError::malformed(error.to_string());
        let verifier = Verifier::new(self.check, self.authorities.read()?, provider.signature_verification_algorithms)?;
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(self.versions)
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let Some((certificate, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(certificate, &read(certificate)?)?;
        let of_key = |reason: String| HostError::File { path: key.display().to_string(), reason };
        let key = private_key(&read(key)?).map_err(of_key)?;
        builder.with_client_auth_cert(chain, key).map_err(|error| of_key(format!("does not fit: {error}")))
    }

    /// Whether any server is taken for Redis.
    pub fn is_unverified(&self) -> bool {
        self.check == Check::Nothing
    }

    /// What to change after a certificate was refused.
    pub fn advice(&self, error: &CertificateError) -> Option<&'static str> {
        match error {
            CertificateError::UnknownIssuer if self.authorities.is_empty() => {
                Some("name its authority, or the certificate itself, with ssl_ca_certs")
            }
            CertificateError::UnknownIssuer => Some("what ssl_ca_certs names did not sign it"),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Some("use the name that it is for, or ssl_check_hostname=false")
            }
            _ => None,
        }
    }
}

impl Authorities {
    const fn is_empty(&self) -> bool {
        self.file.is_none() && self.directory.is_none() && self.text.is_none()
    }

    fn read(&self) -> Result<Vec<CertificateDer<'static>>, HostError> {
        let mut found = Vec::new();
        if let Some(file) = &self.file {
            found.extend(certificates(file, &read(file)?)?);
        }
        if let Some(directory) = &self.directory {
            found.extend(hashed(directory)?);
        }
        if let Some(text) = &self.text {
            found.extend(certificates(Path::new("ssl_ca_data"), text.as_bytes())?);
        }
        Ok(found)
    }
}

fn check(keywords: &mut Keywords) -> Result<Check, HostError> {
    let required = match keywords.take("ssl_cert_reqs") {
        None => true,
        // Python's None.
        Some(Json::Null) => false,
        Some(Json::String(word)) => required(&word)?,
        Some(Json::Number(number)) => required(&number.to_string())?,
        Some(_) => required("")?,
    };
    let name = keywords.flag("ssl_check_hostname")?.unwrap_or(true);
    Ok(match (required, name) {
        (false, _) => Check::Nothing,
        (true, false) => Check::Chain,
        (true, true) => Check::ChainAndName,
    })
}

fn required(word: &str) -> Result<bool, HostError> {
    match word {
        "none" | "0" => Ok(false),
        // Of a server, both demand a certificate.
        "optional" | "1" | "required" | "2" => Ok(true),
        _ => Err(HostError::malformed(
            "ssl_cert_reqs must be \"none\", \"optional\" or \"required\" (CERT_NONE is \"none\")",
        )),
    }
}

fn versions(keywords: &mut Keywords) -> Result<&'static [&'static SupportedProtocolVersion], HostError> {
    let Some(word) = keywords.text("ssl_min_version")? else { return Ok(BOTH) };
    match word.strip_prefix("TLSVersion.").unwrap_or(&word) {
        "TLSv1_2" | "TLSv1.2" | "771" => Ok(BOTH),
        "TLSv1_3" | "TLSv1.3" | "772" | "MAXIMUM_SUPPORTED" => Ok(NEWEST),
        _ => Err(HostError::malformed("ssl_min_version must be \"TLSv1_2\", the lowest here, or \"TLSv1_3\"")),
    }
}

fn suites(keywords: &mut Keywords) -> Result<Option<Vec<CipherSuite>>, HostError> {
    let Some(list) = keywords.text("ssl_ciphers")? else { return Ok(None) };
    let names = list.split([':', ',', ' ']).filter(|name| !name.is_empty());
    let suite = |name: &str| SUITES.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite);
    let found: Option<Vec<_>> = names.map(suite).collect();
    found.filter(|found| !found.is_empty()).map(Some).ok_or_else(|| {
        let known: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
        HostError::malformed(format!("ssl_ciphers may name, separated by \":\", {}", known.join(", ")))
    })
}

/// Takes flags that change nothing here; every other one is refused.
fn flags(keywords: &mut Keywords, name: &str, fulfilled: &[&str]) -> Result<(), HostError> {
    let words: Vec<String> = match keywords.take(name) {
        None => return Ok(()),
        Some(Json::String(text)) => {
            text.trim_matches(['[', ']']).split(',').map(|flag| flag.trim().to_owned()).collect()
        }
        Some(Json::Array(items)) => {
            items.into_iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
        }
        Some(_) => vec![String::new()],
    };
    match words.iter().all(|word| fulfilled.contains(&word.trim_start_matches("VerifyFlags."))) {
        true => Ok(()),
        false => Err(HostError::malformed(format!("{name} may have only {}", fulfilled.join(", ")))),
    }
}

/// The certificates of a directory that `openssl rehash` has prepared; OpenSSL reads only these names.
fn hashed(directory: &Path) -> Result<Vec<CertificateDer<'static>>, HostError> {
    let failed =
        |error: io::Error| HostError::File { path: directory.display().to_string(), reason: error.to_string() };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_hash = name.split_once('.').is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if is_hash {
            found.extend(certificates(&path, &read(&path)?)?);
        }
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(HostError::File {
            path: directory.display().to_string(),
            reason: "has no certificate under the name of its hash; run openssl rehash on it".to_owned(),
        }),
    }
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, HostError> {
    let failed = |reason: String| HostError::File { path: path.display().to_string(), reason };
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match found.map_err(|error| failed(error.to_string()))? {
        found if found.is_empty() => Err(failed("has no certificate in PEM form".to_owned())),
        found => Ok(found),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        let text = String::from_utf8_lossy(pem);
        match text.contains("ENCRYPTED") {
            true => "the key has a password; write it without: openssl pkey -in key.pem -out plain.pem",
            false => "has no private key in PEM form",
        }
        .to_owned()
    })
}

fn read(path: &Path) -> Result<Vec<u8>, HostError> {
    fs::read(path).map_err(|error| HostError::File { path: path.display().to_string(), reason: error.to_string() })
}
