//! The messages of an Arrow stream.
//!
//! Each batch carries a little about itself in its message's `custom_metadata`: the earliest and the latest start of its records, so that
//! a reader finds the batches of a time without reading them, and a CRC-32 of its content.

use std::collections::HashMap;

use arrow_ipc::writer::EncodedData;
use arrow_ipc::{
    BodyCompressionArgs, DictionaryBatchArgs, FieldNode, KeyValue, KeyValueArgs, Message, MessageArgs, MetadataVersion,
    RecordBatchArgs, root_as_message,
};
use flatbuffers::{FlatBufferBuilder, WIPOffset};

use super::error::Failure;

/// What each message begins with.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The bytes before a message's metadata: the mark, and the metadata's length.
pub(super) const PREFIX: usize = 8;
/// The end of a stream.
pub(super) const END: [u8; PREFIX] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
/// Metadata of more than this is not ours.
const MAX_METADATA: usize = 1 << 20;
/// Nor is a body, or what it unpacks to: a batch ends far earlier, but for a single record that is large.
pub(super) const MAX_BODY: u64 = 1 << 30;
const ALIGNMENT: usize = 8;

const FIRST_KEY: &str = "first_started_ns";
const LAST_KEY: &str = "last_started_ns";
const CRC_KEY: &str = "crc32";
const COMPLETE_KEY: &str = "recording_complete";

/// What a batch says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BatchFacts {
    /// The earliest start of its records.
    pub(super) first_ns: u64,
    /// The latest.
    pub(super) last_ns: u64,
    /// Whether the recording ends after it, as it should.
    pub(super) complete: bool,
}

/// A message as it stands in the file: its beginning, and its body as the encoder made it.
pub(super) struct Encoded {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Encoded {
    pub(super) fn new(metadata: &[u8], body: Vec<u8>) -> Result<Self, Failure> {
        let padded = metadata.len().next_multiple_of(ALIGNMENT);
        let length = i32::try_from(padded).map_err(Failure::invalid)?;
        let mut head = Vec::with_capacity(PREFIX + padded);
        head.extend_from_slice(&CONTINUATION);
        head.extend_from_slice(&length.to_le_bytes());
        head.extend_from_slice(metadata);
        head.resize(PREFIX + padded, 0);
        Ok(Self { head, body })
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> u64 {
        (self.head.len() + self.body.len()) as u64
    }
}

/// The metadata of an encoded batch, with what it says of itself.
pub(super) fn with_facts(encoded: &EncodedData, facts: BatchFacts) -> Result<Vec<u8>, Failure> {
    let mut pairs = vec![(FIRST_KEY, facts.first_ns.to_string()), (LAST_KEY, facts.last_ns.to_string())];
    if facts.complete {
        pairs.push((COMPLETE_KEY, "true".to_owned()));
    }
    with_pairs(encoded, &pairs)
}

/// The metadata of an encoded batch or dictionary, with these pairs and a checksum. Arrow's writer has no place for them.
pub(super) fn with_pairs(encoded: &EncodedData, pairs: &[(&str, String)]) -> Result<Vec<u8>, Failure> {
    let message = root_as_message(&encoded.ipc_message).map_err(Failure::invalid)?;
    let dictionary = message.header_as_dictionary_batch();
    let batch = rows_of(message).ok_or_else(|| Failure::invalid("a batch that is none"))?;
    let mut builder = FlatBufferBuilder::new();
    let rows = copy_rows(&mut builder, batch);
    let header = match dictionary {
        Some(dictionary) => {
            let args = DictionaryBatchArgs { id: dictionary.id(), data: Some(rows), isDelta: dictionary.isDelta() };
            arrow_ipc::DictionaryBatch::create(&mut builder, &args).as_union_value()
        }
        None => rows.as_union_value(),
    };
    let crc = format!("{:08x}", checksum(batch, &encoded.arrow_data));
    let mut written: Vec<_> = pairs.iter().map(|(key, value)| pair(&mut builder, key, value)).collect();
    written.push(pair(&mut builder, CRC_KEY, &crc));
    let custom_metadata = builder.create_vector(&written);
    let args = MessageArgs {
        version: message.version(),
        header_type: message.header_type(),
        header: Some(header),
        bodyLength: message.bodyLength(),
        custom_metadata: Some(custom_metadata),
    };
    let message = Message::create(&mut builder, &args);
    builder.finish(message, None);
    Ok(builder.finished_data().to_vec())
}

fn copy_rows<'a>(
    builder: &mut FlatBufferBuilder<'a>,
    batch: arrow_ipc::RecordBatch<'_>,
) -> WIPOffset<arrow_ipc::RecordBatch<'a>> {
    let nodes: Vec<FieldNode> = batch.nodes().into_iter().flatten().copied().collect();
    let buffers: Vec<arrow_ipc::Buffer> = batch.buffers().into_iter().flatten().copied().collect();
    let (nodes, buffers) = (builder.create_vector(&nodes), builder.create_vector(&buffers));
    let compression = batch.compression().map(|compression| {
        let args = BodyCompressionArgs { codec: compression.codec(), method: compression.method() };
        arrow_ipc::BodyCompression::create(builder, &args)
    });
    let args = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(nodes),
        buffers: Some(buffers),
        compression,
        variadicBufferCounts: None,
    };
    arrow_ipc::RecordBatch::create(builder, &args)
}

/// The rows of a batch's or of a dictionary's message.
pub(super) fn rows_of(message: Message<'_>) -> Option<arrow_ipc::RecordBatch<'_>> {
    match message.header_as_dictionary_batch() {
        Some(dictionary) => dictionary.data(),
        None => message.header_as_record_batch(),
    }
}

fn pair<'a>(builder: &mut FlatBufferBuilder<'a>, key: &str, value: &str) -> WIPOffset<KeyValue<'a>> {
    let (key, value) = (builder.create_string(key), builder.create_string(value));
    KeyValue::create(builder, &KeyValueArgs { key: Some(key), value: Some(value) })
}

/// Of a batch: its length, its fields' and buffers' places, its body.
pub(super) fn checksum(batch: arrow_ipc::RecordBatch<'_>, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    let mut number = |number: i64| crc.update(&number.to_le_bytes());
    number(batch.length());
    for node in batch.nodes().into_iter().flatten() {
        number(node.length());
        number(node.null_count());
    }
    for buffer in batch.buffers().into_iter().flatten() {
        number(buffer.offset());
        number(buffer.length());
    }
    crc.update(body);
    crc.finalize()
}

/// How many bytes of metadata follow a prefix: none at the end of the stream.
pub(super) fn metadata_length(prefix: [u8; PREFIX]) -> Result<usize, Failure> {
    let [a, b, c, d, e, f, g, h] = prefix;
    let length = usize::try_from(i32::from_le_bytes([e, f, g, h])).ok();
    match length {
        Some(length) if [a, b, c, d] == CONTINUATION && length <= MAX_METADATA => Ok(length),
        _ => Err(Failure::damaged("a message does not begin where one should")),
    }
}

/// What a message's metadata says.
pub(super) enum Head {
    Schema(Box<arrow_schema::Schema>),
    Dictionary,
    Batch { rows: u64, facts: BatchFacts },
}

/// Reads a message's metadata: how long its body is, and what it is.
pub(super) fn read_head(metadata: &[u8]) -> Result<(u64, Head), Failure> {
    let message = root_as_message(metadata).map_err(Failure::damaged)?;
    let body = u64::try_from(message.bodyLength()).ok().filter(|body| *body <= MAX_BODY);
    let body = body.ok_or_else(|| Failure::damaged("a message of an impossible length"))?;
    if let Some(schema) = message.header_as_schema() {
        if message.version() != MetadataVersion::V5 {
            return Err(Failure::Foreign);
        }
        return Ok((body, Head::Schema(Box::new(read_schema(schema)?))));
    }
    if message.header_as_dictionary_batch().is_some() {
        return Ok((body, Head::Dictionary));
    }
    let batch = message.header_as_record_batch().ok_or_else(|| Failure::damaged("a message of an unknown kind"))?;
    let rows = u64::try_from(batch.length()).map_err(Failure::damaged)?;
    let values = pairs(message)?;
    let number = |key: &str| {
        let value = values.get(key).and_then(|value| value.parse().ok());
        value.ok_or_else(|| Failure::damaged("a batch does not say when it is of"))
    };
    let facts = BatchFacts {
        first_ns: number(FIRST_KEY)?,
        last_ns: number(LAST_KEY)?,
        complete: values.get(COMPLETE_KEY) == Some(&"true"),
    };
    Ok((body, Head::Batch { rows, facts }))
}

/// The checksum that a message says it has.
pub(super) fn written_checksum(message: Message<'_>) -> Result<Option<u32>, Failure> {
    Ok(pairs(message)?.get(CRC_KEY).and_then(|crc| u32::from_str_radix(crc, 16).ok()))
}

fn pairs(message: Message<'_>) -> Result<HashMap<&str, &str>, Failure> {
    let pairs = message.custom_metadata().into_iter().flatten();
    Ok(pairs.filter_map(|pair| Some((pair.key()?, pair.value()?))).collect())
}

/// Reads a schema. Arrow's own function panics on types that it does not know: they are looked at before.
fn read_schema(schema: arrow_ipc::Schema<'_>) -> Result<arrow_schema::Schema, Failure> {
    let fields = schema.fields().ok_or(Failure::Foreign)?;
    for field in fields {
        check_field(field, 0)?;
    }
    arrow_ipc::convert::try_fb_to_schema(schema).map_err(|_| Failure::Foreign)
}

/// How deep lists and structures may be in each other.
const MAX_DEPTH: usize = 4;

fn check_field(field: arrow_ipc::Field<'_>, depth: usize) -> Result<(), Failure> {
    use arrow_ipc::Type;
    if depth > MAX_DEPTH || field.name().is_none() {
        return Err(Failure::Foreign);
    }
    let is_known_int = |int: arrow_ipc::Int<'_>| matches!(int.bitWidth(), 8 | 16 | 32 | 64);
    if field.dictionary().is_some_and(|it| it.indexType().is_some_and(|index| !is_known_int(index))) {
        return Err(Failure::Foreign);
    }
    let is_known = match field.type_type() {
        Type::Utf8 | Type::Binary | Type::Bool => true,
        Type::Int => field.type_as_int().is_some_and(is_known_int),
        Type::Timestamp => field.type_as_timestamp().is_some_and(|it| it.unit() == arrow_ipc::TimeUnit::MILLISECOND),
        Type::List => field.children().is_some_and(|children| children.len() == 1),
        Type::Struct_ => field.children().is_some(),
        _ => false,
    };
    if !is_known {
        return Err(Failure::Foreign);
    }
    field.children().into_iter().flatten().try_for_each(|child| check_field(child, depth + 1))
}
