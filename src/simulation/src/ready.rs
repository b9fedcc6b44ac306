//! The ready file: the demonstration's addresses and the credentials that a script
//! may use. It is written atomically once the server responds: a script may start
//! when the file exists.

use std::{
    io::{self, Write},
    path::Path,
};

use data_encoding::BASE32_NOPAD;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::sample::{SAMPLE_PASSWORD, SampleNetwork};
use base::private_files;
use crypto::device::DeviceKey;
use domain::ids::{CabinetId, DeviceId, StationId};

#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// Where the API is.
    pub base_url: String,
    /// Where the keypads of simulated cabinets are, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hatch_url: Option<String>,
    /// The people in this file are not simulated: a script may act as them.
    pub operator: Credentials,
    /// On shift for a day.
    pub doctor: Credentials,
    /// On shift for a day.
    pub pharmacist: Credentials,
    pub restocker: Credentials,
    /// A safety officer.
    pub employer: Credentials,
    /// A station's screen.
    pub station: StationCredentials,
    /// The cabinet at that station.
    pub cabinet: CabinetCredentials,
    /// A worker with a card.
    pub worker: WorkerCredentials,
}

/// How a member of staff signs in.
#[derive(Debug, Clone, Serialize)]
pub struct Credentials {
    pub email: String,
    pub password: String,
    /// Base32: SHA-1, six digits, 30 s.
    pub totp_secret: String,
    /// Used by doctors and pharmacists.
    pub signing_pin: String,
}

impl Credentials {
    /// Those of a sample member of staff.
    pub fn sample(network: &SampleNetwork, email: &str) -> Self {
        Self {
            email: email.to_owned(),
            password: SAMPLE_PASSWORD.to_owned(),
            totp_secret: BASE32_NOPAD.encode(&network.totp_secret(email)),
            signing_pin: network.signing_pin(email),
        }
    }
}

/// How a script acts as a station.
#[derive(Debug, Clone, Serialize)]
pub struct StationCredentials {
    /// The enrolled key's id.
    pub device_id: DeviceId,
    /// PKCS#8 in standard base64.
    pub private_key: String,
    pub station_id: StationId,
    pub station_code: String,
}

/// How a script acts as a cabinet.
#[derive(Debug, Clone, Serialize)]
pub struct CabinetCredentials {
    /// The enrolled key's id.
    pub device_id: DeviceId,
    /// PKCS#8 in standard base64.
    pub private_key: String,
    pub cabinet_id: CabinetId,
    pub station_id: StationId,
}

/// How a script checks in.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerCredentials {
    pub card_number: String,
    pub pin: String,
}

/// A key as written to the ready file.
pub fn private_key(key: &DeviceKey) -> String {
    key.to_base64().expose_secret().to_owned()
}

impl Ready {
    /// Writes a temporary file and renames it, so that no reader sees half of it. Only
    /// the owner may read it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        name.push(".tmp");
        let unfinished = path.with_file_name(name);
        let mut file = private_files::create(&unfinished)?;
        serde_json::to_writer(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::Value;

    pub(crate) fn sample() -> Ready {
        let now = chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let network = SampleNetwork::plan(1, 1, now);
        let key = DeviceKey::from_seed(&network.station_device_seed("zhifu-01")).unwrap();
        let worker = network.worker(0);
        let staff = |email: &str| Credentials::sample(&network, email);
        Ready {
            base_url: "http://127.0.0.1:8080".into(),
            hatch_url: None,
            operator: staff(&network.operators[0].email),
            doctor: staff(&network.doctors[0].email),
            pharmacist: staff(&network.pharmacists[0].email),
            restocker: staff(&network.restockers[0].email),
            employer: staff(&network.safety_officers[0].email),
            station: StationCredentials {
                device_id: DeviceId::generate(),
                private_key: private_key(&key),
                station_id: StationId::generate(),
                station_code: "zhifu-01".into(),
            },
            cabinet: CabinetCredentials {
                device_id: DeviceId::generate(),
                private_key: private_key(&key),
                cabinet_id: CabinetId::generate(),
                station_id: StationId::generate(),
            },
            worker: WorkerCredentials {
                card_number: worker.card_number.clone(),
                pin: worker.pin.expose().to_owned(),
            },
        }
    }

    #[test]
    fn the_file_is_one_complete_object_with_usable_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        sample().write(&path).unwrap();
        let names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["ready.json"]);
        let read: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for role in ["operator", "doctor", "pharmacist", "restocker", "employer"] {
            for field in ["email", "password", "totp_secret", "signing_pin"] {
                assert!(read[role][field].is_string(), "{role}.{field}");
            }
            let secret = read[role]["totp_secret"].as_str().unwrap();
            assert!(crypto::totp::TotpSecret::from_base32(secret).is_ok());
        }
        for device in ["station", "cabinet"] {
            assert!(DeviceKey::from_base64(read[device]["private_key"].as_str().unwrap()).is_ok());
            assert!(read[device]["device_id"].is_string() && read[device]["station_id"].is_string());
        }
        assert!(read["cabinet"]["cabinet_id"].is_string() && read["station"]["station_code"] == "zhifu-01");
        assert!(read["worker"]["card_number"].is_string() && read["worker"]["pin"].is_string());
        assert!(read.get("hatch_url").is_none());
    }
}
