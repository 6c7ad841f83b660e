//! What the files of a series have in common.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::arrow::ArrowSchemaConverter;
use ::parquet::basic::{Encoding, LogicalType, Repetition, Type as Physical};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::{ColumnPath, Type, TypePtr};
use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef};

use super::config::ParquetCompression;
use super::kind::Kind;

/// A column of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnSpec {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) packing: Packing,
}

/// How a column's values are best put into few bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// A dictionary as long as it is small, with the smallest and largest value of each column chunk.
    Usual,
    /// Numbers that grow: differences.
    Deltas,
    /// Long values that are rarely the same: neither a dictionary nor statistics, which would only cost time.
    Plain,
}

impl ColumnSpec {
    pub(crate) fn new(name: &str, kind: Kind, nullable: bool, packing: Packing) -> Self {
        Self { name: name.to_owned(), kind, nullable, packing }
    }
}

/// The columns of a series of files, and where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema {
    /// Below the sink's directory; empty for the directory itself.
    pub(crate) folder: PathBuf,
    pub(crate) columns: Vec<ColumnSpec>,
    /// What is said in the footer: keys and values.
    pub(crate) notes: Vec<(&'static str, String)>,
}

impl Schema {
    /// The schema of the arrays that are encoded.
    pub(crate) fn encoded(&self) -> SchemaRef {
        let fields =
            self.columns.iter().map(|column| Field::new(&column.name, column.kind.encoded_type(), column.nullable));
        Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
    }

    /// The schema that stands in the file.
    pub(crate) fn written(&self) -> Result<TypePtr, ParquetError> {
        let fields =
            self.columns.iter().map(|column| Field::new(&column.name, column.kind.arrow_type(), column.nullable));
        let arrow = ArrowSchema::new(fields.collect::<Vec<_>>());
        let converted = ArrowSchemaConverter::new().with_coerce_types(true).convert(&arrow)?;
        let mut fields = converted.root_schema().get_fields().to_vec();
        // Arrow has no type for JSON.
        for (field, column) in fields.iter_mut().zip(&self.columns).filter(|(_, column)| column.kind == Kind::Json) {
            let repetition = if column.nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
            let json = Type::primitive_type_builder(&column.name, Physical::BYTE_ARRAY)
                .with_repetition(repetition)
                .with_logical_type(Some(LogicalType::Json))
                .build()?;
            *field = Arc::new(json);
        }
        Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
    }

    pub(crate) fn properties(&self, compression: ParquetCompression) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_compression(compression.codec())
            .set_created_by(concat!("mysql-interceptor version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_coerce_types(true)
            .set_key_value_metadata(Some(
                self.notes.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect(),
            ));
        for column in &self.columns {
            let mut path = vec![column.name.clone()];
            if column.kind == Kind::Vector {
                path.extend(["list".to_owned(), "element".to_owned()]);
            }
            let path = ColumnPath::new(path);
            properties = match column.packing {
                Packing::Usual => properties,
                Packing::Deltas => properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
                Packing::Plain => properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_statistics_enabled(path, EnabledStatistics::None),
            };
        }
        properties.build()
    }
}

/// The schemas that messages name by number; the forms and the sink share it.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    schemas: Mutex<Vec<Arc<Schema>>>,
}

impl Registry {
    /// The number of a schema. A table's grow in number with its definitions only: an equal schema has the same number again.
    pub(crate) fn number(&self, schema: Schema) -> (u32, Arc<Schema>) {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        let known = schemas.iter().rposition(|known| **known == schema);
        let index = known.unwrap_or_else(|| {
            schemas.push(Arc::new(schema));
            schemas.len() - 1
        });
        // Just found or put there; the alternative would be an index.
        let schema = schemas.get(index).cloned().unwrap_or_else(|| Arc::new(Schema::empty()));
        (u32::try_from(index).unwrap_or(u32::MAX), schema)
    }

    pub(crate) fn schema(&self, number: u32) -> Option<Arc<Schema>> {
        let schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.get(usize::try_from(number).ok()?).cloned()
    }
}

impl Schema {
    fn empty() -> Self {
        Self { folder: PathBuf::new(), columns: Vec::new(), notes: Vec::new() }
    }
}
