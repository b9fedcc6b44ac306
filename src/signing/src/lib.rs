//! Asks the signing service of a certificate authority for a doctor's signature, through a gateway on
//! this machine that speaks the authority's protocol. The service is sent a digest and the number of a
//! licence, never health data. This crate verifies nothing: its caller does, before it uses an answer.

use std::{path::PathBuf, time::Duration};

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use base::config::{SigningConfig, SigningProvider};
use crypto::{
    CryptoError,
    certificate::{Certificate, LONGEST_CERTIFICATE},
    sm2::{self, SM2},
};
use domain::time::Timestamp;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 4 * LONGEST_CERTIFICATE;
/// The pause before another try.
const PAUSE: Duration = Duration::from_millis(200);

/// Who verifies signatures that were made elsewhere, and who makes them.
#[derive(Default)]
pub struct Signing {
    /// The certificates of the authorities.
    pub authorities: Vec<Certificate>,
    /// `None` where doctors' keys are in the database.
    pub service: Option<SigningService>,
}

/// The client of a signing service.
pub struct SigningService {
    client: reqwest::Client,
    url: String,
    token: Option<SecretString>,
    tries: u32,
}

/// What is to be signed, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The same at every try: the service may answer a repeat as it answered before.
    pub id: Uuid,
    pub licence_no: &'a str,
    /// SM3.
    pub digest: [u8; 32],
}

/// The answer of a service, not verified yet.
#[derive(Debug)]
pub struct Signed {
    pub signature: [u8; 64],
    pub certificate: Certificate,
    /// The time of the service.
    pub signed_at: Timestamp,
}

/// Why there is no signature. The texts contain neither the address nor what the service said.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// It cannot be reached, or does not answer in time.
    #[error("the signing service does not answer")]
    NoAnswer,
    /// It answered with a failure of its own.
    #[error("the signing service failed with status {0}")]
    Failed(u16),
    /// It will not sign for this doctor.
    #[error("the signing service refused with status {0}")]
    Refused(u16),
    /// What it answered is no signature, or for something else.
    #[error("the signing service's answer cannot be used: {0}")]
    Nonsense(&'static str),
}

impl SigningError {
    /// Whether another try may succeed. Signing the same digest again is harmless.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Failed(status) => matches!(status, 429 | 500 | 502..=504),
            Self::Refused(_) | Self::Nonsense(_) => false,
        }
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("signing.token_env: {0} is not set")]
    Token(String),
    #[error("signing.ca_file: {0}")]
    File(PathBuf, #[source] std::io::Error),
    #[error("signing.ca_file: {0} does not contain certificates of authorities with SM2 or Ed25519 keys")]
    Authorities(PathBuf, #[source] CryptoError),
    #[error("the client of the signing service")]
    Client(#[source] reqwest::Error),
}

#[derive(Serialize)]
struct Request<'a> {
    id: Uuid,
    licence_no: &'a str,
    algorithm: &'static str,
    digest: String,
}

#[derive(Deserialize)]
struct Answer {
    id: Uuid,
    algorithm: String,
    signature: String,
    certificate: String,
    signed_at: Timestamp,
}

impl Signing {
    /// As configured.
    ///
    /// # Errors
    /// Which setting cannot be used, and why.
    pub fn new(config: &SigningConfig) -> Result<Self, SettingsError> {
        let authorities = match &config.ca_file {
            None => Vec::new(),
            Some(path) => {
                let pem = std::fs::read(path).map_err(|error| SettingsError::File(path.clone(), error))?;
                Certificate::authorities(&pem)
                    .map_err(|error| SettingsError::Authorities(path.clone(), error))?
            }
        };
        let service = match &config.provider {
            SigningProvider::Network => None,
            SigningProvider::Service { url, token_env, timeout_ms, tries } => {
                let read = |name: &String| {
                    std::env::var(name)
                        .map(SecretString::from)
                        .map_err(|_| SettingsError::Token(name.clone()))
                };
                Some(SigningService {
                    client: reqwest::Client::builder()
                        .timeout(Duration::from_millis(*timeout_ms))
                        .redirect(reqwest::redirect::Policy::none())
                        .no_proxy()
                        .build()
                        .map_err(SettingsError::Client)?,
                    url: url.clone(),
                    token: token_env.as_ref().map(read).transpose()?,
                    tries: *tries,
                })
            }
        };
        Ok(Self { authorities, service })
    }
}

impl SigningService {
    /// Asks for one signature, several times if need be.
    ///
    /// # Errors
    /// That of the last try.
    pub async fn sign(&self, asked: Asked<'_>) -> Result<Signed, SigningError> {
        let mut tried = 1;
        loop {
            match self.try_once(asked).await {
                Err(error) if error.may_pass() && tried < self.tries => {
                    tried += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_once(&self, asked: Asked<'_>) -> Result<Signed, SigningError> {
        let body = Request {
            id: asked.id,
            licence_no: asked.licence_no,
            algorithm: SM2,
            digest: BASE64.encode(&asked.digest),
        };
        let mut request = self.client.post(&self.url).json(&body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        // The error's text may contain the URL with its secrets.
        let mut response = request.send().await.map_err(|_| SigningError::NoAnswer)?;
        let status = response.status();
        if matches!(status.as_u16(), 403 | 404 | 422) {
            return Err(SigningError::Refused(status.as_u16()));
        }
        if status.as_u16() != 200 {
            return Err(SigningError::Failed(status.as_u16()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| SigningError::NoAnswer)? {
            if bytes.len() + chunk.len() > LONGEST_ANSWER {
                return Err(SigningError::Nonsense("it is too long"));
            }
            bytes.extend_from_slice(&chunk);
        }
        read(&bytes, asked.id)
    }
}

fn read(bytes: &[u8], id: Uuid) -> Result<Signed, SigningError> {
    let answer: Answer =
        serde_json::from_slice(bytes).map_err(|_| SigningError::Nonsense("its members are others"))?;
    if answer.id != id {
        return Err(SigningError::Nonsense("it answers another request"));
    }
    if answer.algorithm != SM2 {
        return Err(SigningError::Nonsense("the algorithm is another"));
    }
    let decode = |text: &str, why| BASE64.decode(text.as_bytes()).map_err(|_| SigningError::Nonsense(why));
    let signature = decode(&answer.signature, "the signature is not base64")?;
    let certificate = decode(&answer.certificate, "the certificate is not base64")?;
    Ok(Signed {
        signature: sm2::signature_bytes(&signature)
            .map_err(|_| SigningError::Nonsense("the signature is none"))?,
        certificate: Certificate::parse(&certificate)
            .map_err(|_| SigningError::Nonsense("the certificate cannot be read"))?,
        signed_at: answer.signed_at,
    })
}
