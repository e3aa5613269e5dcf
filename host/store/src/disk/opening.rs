//! Opening the database's file: what stands in the way, and its schema.

use std::io::ErrorKind;

use redb::{Database, DatabaseError, ReadableDatabase, StorageError, TableError};

use super::{
    FILE, FRAMES, HEADS, Inner, KV, META, Place, SCHEMA, SCHEMA_KEY, STREAMS, failed, is_full, room,
};
use crate::error::EngineError;

impl Inner {
    pub(super) fn open(&self) -> Result<Database, EngineError> {
        let database = match self.open_file() {
            Err(Opening::Full(_)) => {
                if let Some(room) = &self.room {
                    room.give_up_ballast();
                }
                self.open_file()
            }
            other => other,
        };
        let database = database.map_err(|error| self.explain(error))?;
        self.check_schema(&database)?;
        if let Some(room) = &self.room {
            room.restore_ballast();
        }
        Ok(database)
    }

    fn open_file(&self) -> Result<Database, Opening> {
        let mut builder = Database::builder();
        builder.set_cache_size(self.options.cache_bytes);
        match &self.place {
            Place::Backend(backend) => builder
                .create_with_backend(backend.clone())
                .map_err(Opening::from),
            Place::Folder(folder) => {
                std::fs::create_dir_all(folder).map_err(Opening::from)?;
                let path = folder.join(FILE);
                if path.exists() {
                    room::settle_cache(&path)?;
                }
                builder.create(path).map_err(Opening::from)
            }
        }
    }

    fn explain(&self, error: Opening) -> EngineError {
        match error {
            Opening::InUse => EngineError::InUse { path: self.path() },
            Opening::Full(why) => EngineError::Full {
                doing: "opening the database",
                path: self.path(),
                why,
            },
            Opening::Damaged(why) => {
                let file = self.path().join(FILE);
                EngineError::Damaged(format!("{} cannot be opened: {why}", file.display()))
            }
            Opening::Other(why) => EngineError::Failed {
                doing: "opening the database",
                why: format!("{why} (in {})", self.path().display()),
            },
        }
    }

    /// Refuses a newer schema; gives a new file this program's schema and empty tables.
    fn check_schema(&self, database: &Database) -> Result<(), EngineError> {
        let doing = "reading the store's schema";
        let read = database.begin_read().map_err(failed(doing))?;
        match read.open_table(META) {
            Ok(meta) => {
                let stored = meta.get(SCHEMA_KEY).map_err(failed(doing))?;
                let bytes = stored
                    .as_ref()
                    .and_then(|value| value.value().try_into().ok());
                let found = u32::from_be_bytes(bytes.ok_or_else(|| {
                    EngineError::Damaged(format!("{} names no schema", self.path().display()))
                })?);
                // An older one is read as it is: so far none differs in more than records may.
                if found > SCHEMA {
                    let path = self.path();
                    return Err(EngineError::NewerSchema {
                        path,
                        found,
                        known: SCHEMA,
                    });
                }
                Ok(())
            }
            Err(TableError::TableDoesNotExist(_)) => {
                drop(read);
                self.write_schema(database)
            }
            Err(error) => Err(failed(doing)(error)),
        }
    }

    fn write_schema(&self, database: &Database) -> Result<(), EngineError> {
        let doing = "preparing the store";
        let mut write = database.begin_write().map_err(failed(doing))?;
        write.set_quick_repair(true);
        for table in [HEADS, KV, STREAMS, FRAMES] {
            write.open_table(table).map_err(failed(doing))?;
        }
        write
            .open_table(META)
            .map_err(failed(doing))?
            .insert(SCHEMA_KEY, SCHEMA.to_be_bytes().as_slice())
            .map_err(failed(doing))?;
        write.commit().map_err(failed(doing))?;
        if let Place::Folder(folder) = &self.place {
            // The new file's name must be as durable as its content.
            let folder = std::fs::File::open(folder).map_err(failed(doing))?;
            folder.sync_all().map_err(failed(doing))?;
        }
        Ok(())
    }
}

/// Why the file could not be opened, as far as it matters what to do then.
pub(super) enum Opening {
    InUse,
    Full(String),
    Damaged(String),
    Other(String),
}

impl From<std::io::Error> for Opening {
    fn from(error: std::io::Error) -> Opening {
        match error.kind() {
            kind if is_full(kind) => Opening::Full(error.to_string()),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => {
                Opening::Damaged(error.to_string())
            }
            _ => Opening::Other(error.to_string()),
        }
    }
}

impl From<DatabaseError> for Opening {
    fn from(error: DatabaseError) -> Opening {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Opening::InUse,
            DatabaseError::Storage(StorageError::Io(error)) => error.into(),
            DatabaseError::Storage(StorageError::Corrupted(why)) => Opening::Damaged(why),
            other => Opening::Other(other.to_string()),
        }
    }
}
