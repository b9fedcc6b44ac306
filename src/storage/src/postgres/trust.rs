//! Which server certificates a TLS connection to PostgreSQL accepts. webpki checks the chain and
//! the name; the weaker modes leave out the parts that PostgreSQL's documentation names, and no
//! more.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::url::{Roots, TlsPlan, Trust};

/// TLS client configuration, 1.2 or newer.
///
/// # Errors
/// Which file cannot be read or used.
pub(crate) fn client_config(plan: &TlsPlan) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match &plan.trust {
        Trust::Anyone => Arc::new(NoNameVerifier { roots: None, provider: Arc::clone(&provider) }),
        Trust::Chain(roots) => {
            Arc::new(NoNameVerifier { roots: Some(load(roots)?), provider: Arc::clone(&provider) })
        }
        Trust::Name(roots) => {
            WebPkiServerVerifier::builder_with_provider(Arc::new(load(roots)?), Arc::clone(&provider))
                .build()
                .map_err(|error| format!("sslrootcert: {error}"))?
        }
    };
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match &plan.identity {
        None => Ok(client.with_no_client_auth()),
        Some((cert, key)) => {
            let chain = certificates("sslcert", cert)?;
            let key = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("sslkey: {error}"))?;
            client.with_client_auth_cert(chain, key).map_err(|error| format!("sslcert, sslkey: {error}"))
        }
    }
}

fn load(roots: &Roots) -> Result<RootCertStore, String> {
    let (found, path) = match roots {
        Roots::System => (rustls_native_certs::load_native_certs().certs, "system"),
        Roots::File(path) => (certificates("sslrootcert", path)?, "the file"),
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found);
    if added == 0 {
        return Err(format!("sslrootcert: {path} holds no authority"));
    }
    Ok(store)
}

fn certificates(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{setting}: {error}"))
}

/// Does not check the name: with roots the chain only, without them only that the server has the
/// key of the certificate it shows.
#[derive(Debug)]
struct NoNameVerifier {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for NoNameVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let algorithms = self.provider.signature_verification_algorithms.all;
            let cert = ParsedCertificate::try_from(end_entity)?;
            verify_server_cert_signed_by_trust_anchor(&cert, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
