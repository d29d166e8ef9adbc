//! What a log record says, and how it is written.
//!
//! ```text
//! payload:  1 byte   format of the record, 1
//!           4 bytes  length of the header, little-endian
//!           header   JSON: {"define": ...}, {"commit": ...}, {"delete": ...} or {"transaction": n}
//!           then, for each batch: 4 bytes length, Arrow IPC stream of one batch;
//!           for each of the n records of a transaction: 4 bytes length, its payload
//! ```
//! The batches of a commit are, in order: the new identities if any, then those parts that are not in
//! segments. A delete begins with a batch of its own: runs of consecutive fragment ids, ascending, as
//! `first` (INT64) and `count` (INT64). What a definition or a delete did to profiles is a commit within
//! the same record, so that there is never one without the other; its batches come last.

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::definition::Definition;

const FORMAT: u8 = 1;

/// One step of the ground state.
#[derive(Clone, Debug)]
pub enum Record {
    /// A change of the catalog.
    Define(Box<Define>),
    /// Accepted rows.
    Commit(Commit),
    /// Rows that ceased to exist.
    Delete(Delete),
    /// Steps of which there is never one without the others; none is a transaction itself.
    Transaction(Vec<Record>),
}

/// A change of the catalog.
#[derive(Clone, Debug)]
pub struct Define {
    /// What was said.
    pub definition: Definition,
    /// What the store itself notes of it, if anything.
    pub noted: Option<Commit>,
}

/// Rows of one dataset that ceased to exist.
#[derive(Clone, Debug)]
pub struct Delete {
    /// The dataset's number.
    pub dataset: u32,
    /// Their fragment ids, ascending.
    pub fragment_ids: Vec<i64>,
    /// What the store itself notes of it, if anything.
    pub noted: Option<Commit>,
}

/// Accepted rows, and the identities that no row had named before.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// When it was accepted, in microseconds: the `ingested_at` of its rows.
    pub committed_at: i64,
    /// Identities that became present: number, namespace number, value.
    pub identities: Vec<(u32, u32, String)>,
    /// Runs of rows.
    pub parts: Vec<CommitPart>,
}

/// A run of rows of one dataset with consecutive fragment ids.
#[derive(Clone, Debug)]
pub struct CommitPart {
    /// The dataset's number (or an internal table's).
    pub dataset: u32,
    /// The fragment id of the first row.
    pub first_fragment_id: i64,
    /// Where the rows are.
    pub rows: PartRows,
}

/// The rows of a part.
#[derive(Clone, Debug)]
pub enum PartRows {
    /// In the record itself.
    Batch(RecordBatch),
    /// In a segment file.
    Segment(FileReference),
}

/// A file of the store, with what it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileReference {
    /// Its path.
    pub path: String,
    /// Its length in bytes.
    pub byte_count: u64,
    /// CRC32C of all of it.
    pub crc32c: u32,
    /// How many rows it has.
    pub row_count: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Header {
    Define(Box<DefineHeader>),
    Commit(CommitHeader),
    Delete(DeleteHeader),
    Transaction(u32),
}

#[derive(Serialize, Deserialize)]
struct DefineHeader {
    definition: Definition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted: Option<CommitHeader>,
}

#[derive(Serialize, Deserialize)]
struct DeleteHeader {
    dataset: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noted: Option<CommitHeader>,
}

#[derive(Serialize, Deserialize)]
struct CommitHeader {
    committed_at: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    identities: bool,
    parts: Vec<PartHeader>,
}

#[derive(Serialize, Deserialize)]
struct PartHeader {
    dataset: u32,
    first_fragment_id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment: Option<FileReference>,
}

/// The identities of a commit as a batch, the form in which they are stored.
pub fn identities_batch(identities: &[(u32, u32, String)]) -> Result<RecordBatch> {
    let fields = vec![
        Field::new("identity_id", DataType::UInt32, false),
        Field::new("namespace_id", DataType::UInt32, false),
        Field::new("identity", DataType::Utf8, false),
    ];
    let numbers: UInt32Array = identities.iter().map(|(number, _, _)| *number).collect();
    let namespaces: UInt32Array = identities.iter().map(|(_, namespace, _)| *namespace).collect();
    let values = StringArray::from_iter_values(identities.iter().map(|(_, _, value)| value));
    let columns: Vec<ArrayRef> = vec![Arc::new(numbers), Arc::new(namespaces), Arc::new(values)];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(damaged)
}

/// The identities of a stored batch.
///
/// # Errors
/// `XX001` if the batch is not one of identities.
pub fn batch_identities(batch: &RecordBatch) -> Result<Vec<(u32, u32, String)>> {
    let mut all = Vec::with_capacity(batch.num_rows());
    each_identity(batch, |number, namespace, value| {
        all.push((number, namespace, value.to_owned()));
        Ok(())
    })?;
    Ok(all)
}

/// The same, one by one: number, namespace, value.
///
/// # Errors
/// `XX001` if the batch is not one of identities; what `each` gives.
pub fn each_identity(
    batch: &RecordBatch,
    mut each: impl FnMut(u32, u32, &str) -> Result<()>,
) -> Result<()> {
    let numbers = batch.column(0).as_any().downcast_ref::<UInt32Array>();
    let namespaces = batch.column(1).as_any().downcast_ref::<UInt32Array>();
    let values = batch.column(2).as_any().downcast_ref::<StringArray>();
    let (Some(numbers), Some(namespaces), Some(values)) = (numbers, namespaces, values) else {
        return Err(Error::corrupted("a stored list of identities has other columns"));
    };
    let mut rows = 0..batch.num_rows();
    rows.try_for_each(|at| each(numbers.value(at), namespaces.value(at), values.value(at)))
}

/// Fragment ids as runs: what is deleted was often loaded together.
fn runs_batch(ascending: &[i64]) -> Result<RecordBatch> {
    let (mut firsts, mut counts): (Vec<i64>, Vec<i64>) = Default::default();
    for id in ascending {
        match (firsts.last(), counts.last_mut()) {
            (Some(first), Some(count)) if first + *count == *id => *count += 1,
            _ => {
                firsts.push(*id);
                counts.push(1);
            }
        }
    }
    let column = |name| Field::new(name, DataType::Int64, false);
    let schema = Arc::new(Schema::new(vec![column("first"), column("count")]));
    let columns: Vec<ArrayRef> =
        vec![Arc::new(Int64Array::from(firsts)), Arc::new(Int64Array::from(counts))];
    RecordBatch::try_new(schema, columns).map_err(|error| Error::internal(error.to_string()))
}

fn batch_runs(batch: &RecordBatch) -> Result<Vec<i64>> {
    let column = |at: usize| {
        let column = batch.columns().get(at);
        let numbers = column.and_then(|column| column.as_any().downcast_ref::<Int64Array>());
        numbers.ok_or_else(|| Error::corrupted("a stored list of deleted rows has other columns"))
    };
    let runs = column(0)?.values().iter().zip(column(1)?.values());
    Ok(runs.flat_map(|(first, count)| *first..*first + *count).collect())
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::corrupted(format!("a record of the log cannot be read: {error}"))
}

impl CommitHeader {
    /// The header of a commit; its batches are added.
    fn of(commit: &Commit, batches: &mut Vec<RecordBatch>) -> Result<Self> {
        if !commit.identities.is_empty() {
            batches.push(identities_batch(&commit.identities)?);
        }
        let mut parts = Vec::new();
        for part in &commit.parts {
            let segment = match &part.rows {
                PartRows::Batch(batch) => {
                    batches.push(batch.clone());
                    None
                }
                PartRows::Segment(file) => Some(file.clone()),
            };
            let first_fragment_id = part.first_fragment_id;
            parts.push(PartHeader { dataset: part.dataset, first_fragment_id, segment });
        }
        let identities = !commit.identities.is_empty();
        Ok(Self { committed_at: commit.committed_at, identities, parts })
    }

    /// The commit, with the batches that come next.
    fn read(self, rest: &mut Bytes) -> Result<Commit> {
        let mut commit = Commit { committed_at: self.committed_at, ..Commit::default() };
        if self.identities {
            commit.identities = batch_identities(&take_batch(rest)?)?;
        }
        for part in self.parts {
            let rows = match part.segment {
                Some(file) => PartRows::Segment(file),
                None => PartRows::Batch(take_batch(rest)?),
            };
            let (dataset, first_fragment_id) = (part.dataset, part.first_fragment_id);
            commit.parts.push(CommitPart { dataset, first_fragment_id, rows });
        }
        Ok(commit)
    }
}

impl Record {
    /// The steps of a transaction, or itself.
    pub fn steps(&self) -> &[Self] {
        match self {
            Self::Transaction(records) => records,
            record => std::slice::from_ref(record),
        }
    }

    /// The rows that it brings.
    pub fn commits(&self) -> Vec<&Commit> {
        match self {
            Self::Define(define) => define.noted.iter().collect(),
            Self::Commit(commit) => vec![commit],
            Self::Delete(delete) => delete.noted.iter().collect(),
            Self::Transaction(records) => records.iter().flat_map(Self::commits).collect(),
        }
    }

    fn header(&self, batches: &mut Vec<RecordBatch>) -> Result<Header> {
        let noted = |noted: &Option<Commit>, batches: &mut Vec<RecordBatch>| {
            noted.as_ref().map(|noted| CommitHeader::of(noted, batches)).transpose()
        };
        Ok(match self {
            Self::Define(define) => {
                let (definition, noted) =
                    (define.definition.clone(), noted(&define.noted, batches)?);
                Header::Define(Box::new(DefineHeader { definition, noted }))
            }
            Self::Commit(commit) => Header::Commit(CommitHeader::of(commit, batches)?),
            Self::Delete(delete) => {
                batches.push(runs_batch(&delete.fragment_ids)?);
                let noted = noted(&delete.noted, batches)?;
                Header::Delete(DeleteHeader { dataset: delete.dataset, noted })
            }
            Self::Transaction(records) => Header::Transaction(records.len() as u32),
        })
    }

    /// Writes the record as a payload of the log.
    ///
    /// # Errors
    /// `XX000` if Arrow cannot write a batch, which would be a mistake of ours.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut batches = Vec::new();
        let header = self.header(&mut batches)?;
        let internal = |error: &dyn std::fmt::Display| {
            Error::internal(format!("could not write a record of the log: {error}"))
        };
        let header = serde_json::to_vec(&header).map_err(|error| internal(&error))?;
        let mut payload = vec![FORMAT];
        payload.extend_from_slice(&(header.len() as u32).to_le_bytes());
        payload.extend_from_slice(&header);
        for batch in batches {
            let from = payload.len();
            payload.extend_from_slice(&[0; 4]);
            let mut writer = StreamWriter::try_new(&mut payload, &batch.schema())
                .map_err(|error| internal(&error))?;
            writer.write(&batch).map_err(|error| internal(&error))?;
            writer.finish().map_err(|error| internal(&error))?;
            drop(writer);
            let length = (payload.len() - from - 4) as u32;
            payload[from..from + 4].copy_from_slice(&length.to_le_bytes());
        }
        if let Self::Transaction(records) = self {
            for record in records {
                let inner = record.encode()?;
                payload.extend_from_slice(&(inner.len() as u32).to_le_bytes());
                payload.extend_from_slice(&inner);
            }
        }
        Ok(payload)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// `XX001` if it is not a record: its checksum was right, so it was written wrongly.
    pub fn decode(payload: &Bytes) -> Result<Self> {
        if payload.first() != Some(&FORMAT) {
            return Err(damaged(
                "it has another format; was the store written by a newer version?",
            ));
        }
        let mut rest = payload.slice(1..);
        let header = take(&mut rest)?;
        match serde_json::from_slice(&header).map_err(damaged)? {
            Header::Define(header) => {
                let noted = header.noted.map(|noted| noted.read(&mut rest)).transpose()?;
                Ok(Self::Define(Box::new(Define { definition: header.definition, noted })))
            }
            Header::Delete(header) => {
                let fragment_ids = batch_runs(&take_batch(&mut rest)?)?;
                let noted = header.noted.map(|noted| noted.read(&mut rest)).transpose()?;
                Ok(Self::Delete(Delete { dataset: header.dataset, fragment_ids, noted }))
            }
            Header::Commit(header) => Ok(Self::Commit(header.read(&mut rest)?)),
            Header::Transaction(count) => {
                let read = |_| match Self::decode(&take(&mut rest)?)? {
                    Self::Transaction(_) => Err(damaged("a transaction is in another")),
                    record => Ok(record),
                };
                (0..count).map(read).collect::<Result<_>>().map(Self::Transaction)
            }
        }
    }
}

/// Takes a length and so many bytes.
fn take(rest: &mut Bytes) -> Result<Bytes> {
    let length = rest.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let length = length.ok_or_else(|| damaged("it is too short"))? as usize;
    if rest.len() < 4 + length {
        return Err(damaged("it is too short"));
    }
    let taken = rest.slice(4..4 + length);
    *rest = rest.slice(4 + length..);
    Ok(taken)
}

fn take_batch(rest: &mut Bytes) -> Result<RecordBatch> {
    let bytes = take(rest)?;
    let mut reader = StreamReader::try_new(bytes.as_ref(), None).map_err(damaged)?;
    reader.next().ok_or_else(|| damaged("a batch is missing"))?.map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::definition::Existence;

    #[test]
    fn records_survive_the_log() {
        let define = Definition::DropNamespace { name: "é".into(), existence: Existence::Lenient };
        let record = Record::Define(Box::new(Define { definition: define.clone(), noted: None }));
        let payload = record.encode().unwrap().into();
        let Record::Define(read) = Record::decode(&payload).unwrap() else { panic!("a define") };
        assert!(read.definition == define && read.noted.is_none());

        let identities = vec![(7, 1, "a@x".to_owned()), (9, 0, "王伟".to_owned())];
        let batch = identities_batch(&identities).unwrap();
        let file = FileReference { path: "p".into(), byte_count: 3, crc32c: 4, row_count: 5 };
        let part = |rows| CommitPart { dataset: 2, first_fragment_id: 11, rows };
        let parts =
            vec![part(PartRows::Batch(batch.clone())), part(PartRows::Segment(file.clone()))];
        let commit = Commit { committed_at: 42, identities: identities.clone(), parts };
        let payload = Record::Commit(commit).encode().unwrap().into();
        let Record::Commit(read) = Record::decode(&payload).unwrap() else { panic!("a commit") };
        assert_eq!((read.committed_at, read.identities), (42, identities));
        assert!(matches!(&read.parts[0].rows, PartRows::Batch(rows) if *rows == batch));
        assert!(matches!(&read.parts[1].rows, PartRows::Segment(found) if *found == file));
    }

    #[test]
    fn deleted_rows_are_written_as_runs() {
        for ids in [&[7][..], &[1, 2, 3], &[1, 2, 4, 9, 10, 11, 20], &[]] {
            let delete = Delete { dataset: 4, fragment_ids: ids.to_vec(), noted: None };
            let payload = Record::Delete(delete).encode().unwrap().into();
            let Record::Delete(read) = Record::decode(&payload).unwrap() else {
                panic!("a delete")
            };
            assert_eq!((read.dataset, &read.fragment_ids[..]), (4, ids));
            assert!(read.noted.is_none());
        }
        assert_eq!(runs_batch(&[1, 2, 4, 9, 10, 11, 20]).unwrap().num_rows(), 4);
        assert_eq!(runs_batch(&(5..100_000).collect::<Vec<_>>()).unwrap().num_rows(), 1);
    }

    /// Notes of one row, as they go with a definition or a delete.
    fn noted() -> Commit {
        let rows = PartRows::Batch(runs_batch(&[5]).unwrap());
        let part = CommitPart { dataset: u32::MAX, first_fragment_id: 9, rows };
        Commit { committed_at: 42, identities: Vec::new(), parts: vec![part] }
    }

    #[test]
    fn notes_go_with_definitions_and_deletes() {
        let definition =
            Definition::DropNamespace { name: "n".into(), existence: Existence::Strict };
        for record in [
            Record::Define(Box::new(Define { definition, noted: Some(noted()) })),
            Record::Delete(Delete { dataset: 4, fragment_ids: vec![1, 7], noted: Some(noted()) }),
        ] {
            let read = Record::decode(&record.encode().unwrap().into()).unwrap();
            let commit = read.commits().pop().expect("notes");
            let part = &commit.parts[0];
            assert_eq!((commit.committed_at, part.dataset), (42, u32::MAX));
            assert_eq!(part.first_fragment_id, 9);
            let PartRows::Batch(batch) = &part.rows else { panic!("a batch") };
            assert_eq!(batch_runs(batch).unwrap(), [5]);
        }
    }

    #[test]
    fn a_transaction_is_one_record() {
        let delete = Delete { dataset: 4, fragment_ids: vec![1, 7], noted: Some(noted()) };
        let records = vec![Record::Delete(delete), Record::Commit(noted())];
        let one = Record::Transaction(records);
        let payload: Bytes = one.encode().unwrap().into();
        let read = Record::decode(&payload).unwrap();
        assert_eq!(read.commits().len(), 2);
        let Record::Transaction(read) = read else { panic!("a transaction") };
        let [Record::Delete(delete), Record::Commit(commit)] = &read[..] else { panic!("two") };
        assert_eq!((&delete.fragment_ids[..], commit.parts.len()), (&[1, 7][..], 1));
        let nested = Record::Transaction(vec![one]).encode().unwrap().into();
        assert_eq!(Record::decode(&nested).unwrap_err().code().0, "XX001");
    }

    #[test]
    fn a_short_payload_is_damage() {
        let commit = Commit { identities: vec![(1, 1, "x".into())], ..Commit::default() };
        let delete = Delete { dataset: 4, fragment_ids: vec![1], noted: Some(noted()) };
        let both = vec![Record::Commit(commit.clone()), Record::Delete(delete.clone())];
        for record in [Record::Commit(commit), Record::Delete(delete), Record::Transaction(both)] {
            let payload: Bytes = record.encode().unwrap().into();
            for length in 0..payload.len() {
                let error = Record::decode(&payload.slice(..length)).unwrap_err();
                assert_eq!(error.code().0, "XX001");
            }
        }
    }
}
