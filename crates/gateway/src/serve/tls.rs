//! TLS by rustls, whose certificate can be exchanged while it serves.

use std::fmt;
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key: TLS 1.2 and 1.3, and HTTP/2 for whoever speaks it.
#[derive(Clone)]
pub struct TlsConfig(Arc<ServerConfig>);

/// TLS as it is served. Cheap to clone; all clones have the same certificate.
#[derive(Clone)]
pub struct Tls(RustlsConfig);

impl TlsConfig {
    /// Reads certificates, the server's own first, and their private key, all as PEM.
    ///
    /// # Errors
    /// What is wrong with them, without anything of the key.
    pub fn of_pem(certificates: &[u8], key: &[u8]) -> Result<Self, String> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| "the certificate is no PEM".to_owned())?;
        if chain.is_empty() {
            return Err("the file of the certificate holds none".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| "the key is no private key as PEM".to_owned())?;
        let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| format!("certificate and key do not fit: {error}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl Tls {
    /// Serves this certificate.
    #[must_use]
    pub fn new(config: &TlsConfig) -> Self {
        Self(RustlsConfig::from_config(Arc::clone(&config.0)))
    }

    /// Serves another one to whoever comes from now on.
    pub fn exchange(&self, config: &TlsConfig) {
        self.0.reload_from_config(Arc::clone(&config.0));
    }

    pub(super) fn config(&self) -> RustlsConfig {
        self.0.clone()
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
