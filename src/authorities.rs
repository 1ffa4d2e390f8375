//! The authorities that this machine trusts, for TLS to Redis, to the backend and to issuers of tokens.
//!
//! In: the system's store, or the file or directory in `SSL_CERT_FILE` and `SSL_CERT_DIR`, as for OpenSSL and Python.
//! Out: root certificates, read once; in a container without any, those of Mozilla.

use std::sync::OnceLock;

use rustls::RootCertStore;

/// The roots of the system.
pub fn system_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}
