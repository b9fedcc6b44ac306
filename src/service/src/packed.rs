//! Sealed documents that are stored compressed: JSON, deflated before it is encrypted.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::{Serialize, de::DeserializeOwned};

use crate::{AppState, Failure};
use crypto::seal::FieldPlace;
use domain::ids::Id;

/// The first byte of a deflated document. Earlier versions stored plain JSON, which begins with `{`.
const DEFLATED: u8 = 1;

thread_local! {
    // Each is a quarter of a megabyte, which takes longer to clear than a document to compress.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
    static INFLATE: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// A column of compressed documents.
pub(crate) struct PackedColumn {
    pub table: &'static str,
    pub name: &'static str,
    /// What most documents contain, the most frequent last: a document of a kilobyte has hardly
    /// anything to repeat in itself. It never changes: stored documents need it.
    pub dictionary: &'static str,
}

impl PackedColumn {
    /// Compresses and encrypts a document, bound to its column and row.
    pub(crate) fn seal<K>(
        &self,
        app: &AppState,
        row: Id<K>,
        document: &impl Serialize,
    ) -> Result<Vec<u8>, Failure> {
        self.seal_bytes(app, row, &serde_json::to_vec(document)?)
    }

    /// As [`PackedColumn::seal`], for a document whose bytes must come back as they are.
    pub(crate) fn seal_bytes<K>(&self, app: &AppState, row: Id<K>, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(app.keys.sealer.seal(&self.place(app, row), &self.pack(plain)?)?)
    }

    /// Decrypts a document that [`PackedColumn::seal`], or an earlier version uncompressed, wrote.
    pub(crate) fn open<K, T: DeserializeOwned>(
        &self,
        app: &AppState,
        row: Id<K>,
        sealed: &[u8],
    ) -> Result<T, Failure> {
        Ok(serde_json::from_slice(&self.open_bytes(app, row, sealed)?)?)
    }

    /// As [`PackedColumn::open`], for the bytes themselves.
    pub(crate) fn open_bytes<K>(
        &self,
        app: &AppState,
        row: Id<K>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        let packed = app.keys.sealer.open(&self.place(app, row), sealed)?;
        match packed.split_first() {
            Some((&DEFLATED, deflated)) => self.unpack(deflated),
            _ => Ok(packed),
        }
    }

    fn place<'a, K>(&self, app: &'a AppState, row: Id<K>) -> FieldPlace<'a> {
        FieldPlace::of(&app.policy.network, self.table, self.name, row)
    }

    fn pack(&self, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        // Deflate adds a few bytes at most.
        let mut packed = Vec::with_capacity(plain.len() + plain.len() / 1000 + 64);
        packed.push(DEFLATED);
        let status = DEFLATE.with_borrow_mut(|deflate| {
            deflate.reset();
            deflate.set_dictionary(self.dictionary.as_bytes())?;
            deflate.compress_vec(plain, &mut packed, FlushCompress::Finish)
        });
        match status.map_err(unpackable)? {
            Status::StreamEnd => Ok(packed),
            Status::Ok | Status::BufError => {
                Err(Failure::inconsistent("a document that does not fit when compressed"))
            }
        }
    }

    fn unpack(&self, deflated: &[u8]) -> Result<Vec<u8>, Failure> {
        INFLATE.with_borrow_mut(|inflate| {
            inflate.reset(false);
            inflate.set_dictionary(self.dictionary.as_bytes()).map_err(unpackable)?;
            inflate_all(inflate, deflated)
        })
    }
}

fn inflate_all(inflate: &mut Decompress, deflated: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    loop {
        plain.reserve(4 * deflated.len().max(256));
        let read = usize::try_from(inflate.total_in()).unwrap_or(deflated.len());
        let before = plain.len();
        let rest = &deflated[read..];
        match inflate.decompress_vec(rest, &mut plain, FlushDecompress::Finish).map_err(unpackable)? {
            Status::StreamEnd => return Ok(plain),
            Status::Ok | Status::BufError if plain.len() > before => {}
            Status::Ok | Status::BufError => {
                return Err(Failure::inconsistent("a compressed document that is cut off"));
            }
        }
    }
}

fn unpackable(cause: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::caused("a compressed document", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN: PackedColumn = PackedColumn { table: "t", name: "c", dictionary: r#"{"word":"long"}"# };

    #[test]
    fn a_document_of_any_size_comes_back() {
        for size in [0, 1, 15, 1_000, 100_000] {
            let plain: Vec<u8> = (0..size).map(|at: u64| (at * at % 251) as u8).collect();
            let packed = COLUMN.pack(&plain).expect("packed");
            assert_eq!(packed[0], DEFLATED);
            assert_eq!(COLUMN.unpack(&packed[1..]).expect("unpacked"), plain, "{size}");
            assert!(COLUMN.unpack(&packed[1..packed.len() - 1]).is_err(), "{size}");
        }
        let known = COLUMN.pack(br#"{"word":"long"}"#).expect("packed");
        assert!(known.len() < 8, "the dictionary is used: {}", known.len());
    }
}
