//! Every statement of the index. `FORMAT.md` has the tables column by column.

/// The version of the index and of the directory around it (`PRAGMA user_version`).
pub const VERSION: i64 = 1;

/// `PRAGMA application_id`: "cchn".
pub const APPLICATION: i64 = 0x6363_686e;

/// Before the first table: freed pages can be given back without rewriting the file.
pub const BEFORE_SCHEMA: &str = "PRAGMA auto_vacuum = INCREMENTAL";

/// One transaction, in the rollback journal, so that the version stands in the file's header.
pub const SCHEMA: &str = "
CREATE TABLE entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key INTEGER NOT NULL,
    digest BLOB NOT NULL,
    observed BLOB NOT NULL,
    scope TEXT NOT NULL,
    face TEXT NOT NULL,
    name TEXT,
    lineage TEXT,
    description TEXT NOT NULL,
    data_type TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    elapsed INTEGER,
    size INTEGER NOT NULL,
    seal BLOB NOT NULL,
    accessed INTEGER NOT NULL,
    hits INTEGER NOT NULL
) STRICT;
CREATE INDEX entries_digest ON entries (digest, scope);
CREATE INDEX entries_key ON entries (key);
CREATE INDEX entries_lineage ON entries (lineage) WHERE lineage IS NOT NULL;
CREATE INDEX entries_accessed ON entries (accessed);
CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL;

CREATE TABLE details (
    entry INTEGER PRIMARY KEY,
    manifest TEXT NOT NULL,
    observed TEXT NOT NULL,
    meta TEXT NOT NULL
) STRICT;

CREATE TABLE blobs (
    entry INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    size INTEGER NOT NULL,
    digest BLOB NOT NULL,
    file TEXT,
    data BLOB
) STRICT;
CREATE UNIQUE INDEX blobs_entry ON blobs (entry, ordinal);
CREATE UNIQUE INDEX blobs_file ON blobs (file) WHERE file IS NOT NULL;

CREATE TABLE garbage (file TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE totals (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    entries INTEGER NOT NULL,
    size INTEGER NOT NULL,
    hits INTEGER NOT NULL,
    misses INTEGER NOT NULL,
    saved INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0);

CREATE TABLE memo (
    path BLOB PRIMARY KEY,
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    digest BLOB NOT NULL,
    seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    UPDATE totals SET entries = entries + 1, size = size + NEW.size;
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
    INSERT OR IGNORE INTO garbage SELECT file FROM blobs WHERE entry = OLD.id AND file IS NOT NULL;
    DELETE FROM blobs WHERE entry = OLD.id;
    DELETE FROM details WHERE entry = OLD.id;
    UPDATE totals SET entries = entries - 1, size = size - OLD.size;
END;
";

pub const COUNT_TABLES: &str = "SELECT count(*) FROM sqlite_schema";

/// The statements that made the tables, as the index remembers them.
pub const REMEMBERED_SCHEMA: &str =
    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'";

/// Fails where the totals cannot be read.
pub const PROBE: &str = "SELECT entries FROM totals WHERE id = 1";

pub const INSERT_ENTRY: &str =
    "INSERT INTO entries (id, key, digest, observed, scope, face, name, lineage,
    description, data_type, created, expires, elapsed, size, seal, accessed, hits)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
pub const INSERT_DETAILS: &str =
    "INSERT INTO details (entry, manifest, observed, meta) VALUES (?1, ?2, ?3, ?4)";
pub const INSERT_BLOB: &str = "INSERT INTO blobs (entry, ordinal, kind, size, digest, file, data)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

macro_rules! entry_where {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.key, e.digest, e.observed, e.scope, e.face, e.name, e.lineage,
             e.description, e.data_type, e.created, e.expires, e.elapsed, e.size, e.seal, e.accessed,
             e.hits, d.manifest, d.observed, d.meta
             FROM entries e LEFT JOIN details d ON d.entry = e.id ",
            $rest
        )
    };
}

pub const CANDIDATES: &str =
    entry_where!("WHERE e.digest = ?1 AND e.scope = ?2 ORDER BY e.id DESC LIMIT ?3");
pub const BY_KEY: &str = entry_where!("WHERE e.key = ?1 ORDER BY e.id DESC");
pub const BY_LINEAGE: &str = entry_where!("WHERE e.lineage = ?1 ORDER BY e.id DESC LIMIT 1");
pub const LIST: &str = entry_where!(
    "WHERE (?1 IS NULL OR e.face = ?1) AND (?2 IS NULL OR e.scope = ?2)
     AND (?3 IS NULL OR e.name = ?3) ORDER BY e.id DESC LIMIT ?4 OFFSET ?5"
);
/// As LIST, only what people look at.
pub const SUMMARIES: &str = "SELECT e.key, e.scope, e.name, e.description, e.data_type, e.size,
    e.created, e.accessed, e.expires, e.elapsed, e.hits, d.manifest
    FROM entries e JOIN details d ON d.entry = e.id
    WHERE (?1 IS NULL OR e.face = ?1) AND (?2 IS NULL OR e.scope = ?2)
    AND (?3 IS NULL OR e.name = ?3) ORDER BY e.id DESC LIMIT ?4 OFFSET ?5";

pub const ALIVE: &str =
    "SELECT created FROM entries WHERE id = ?1 AND (expires IS NULL OR expires > ?2)";
pub const ALL: &str = entry_where!("ORDER BY e.id");

pub const BLOBS: &str =
    "SELECT kind, size, digest, file FROM blobs WHERE entry = ?1 ORDER BY ordinal";
pub const BLOB_DATA: &str = "SELECT file, data FROM blobs WHERE entry = ?1 AND ordinal = ?2";
pub const BLOB_FILE_KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM blobs WHERE file = ?1)";

pub const REPLACE: &str = "DELETE FROM entries WHERE digest = ?1 AND scope = ?2 AND observed = ?3";
/// What a lookup no longer considers: all but the newest ?3 of a key.
pub const TRIM: &str = "DELETE FROM entries WHERE digest = ?1 AND scope = ?2 AND id NOT IN
    (SELECT id FROM entries WHERE digest = ?1 AND scope = ?2 ORDER BY id DESC LIMIT ?3)";
pub const REMOVE_ENTRY: &str = "DELETE FROM entries WHERE id = ?1";
pub const REMOVE_KEY: &str = "DELETE FROM entries WHERE digest = ?1 AND scope = ?2";
pub const REMOVE_ALL: &str = "DELETE FROM entries";
pub const REMOVE_WHERE: &str = "DELETE FROM entries WHERE (?1 IS NULL OR face = ?1)
    AND (?2 IS NULL OR scope = ?2) AND (?3 IS NULL OR name = ?3)";
pub const REMOVE_EXPIRED: &str = "DELETE FROM entries WHERE expires <= ?1 AND id <> ?2";
pub const OLDEST: &str =
    "SELECT id, size FROM entries WHERE id <> ?1 ORDER BY accessed, id LIMIT 64";

pub const GARBAGE: &str = "SELECT file FROM garbage LIMIT 512";
pub const GARBAGE_DONE: &str = "DELETE FROM garbage WHERE file = ?1";

pub const TOTALS: &str = "SELECT entries, size, hits, misses, saved FROM totals WHERE id = 1";
pub const COUNT_HITS: &str = "UPDATE totals SET hits = hits + ?2,
    saved = saved + ?2 * coalesce((SELECT elapsed FROM entries WHERE id = ?1), 0)";
pub const COUNT_MISSES: &str = "UPDATE totals SET misses = misses + ?1";
pub const ACCESS: &str =
    "UPDATE entries SET hits = hits + ?2, accessed = max(accessed, ?3) WHERE id = ?1";

pub const MEMO_GET: &str =
    "SELECT device, inode, size, modified, changed, digest FROM memo WHERE path = ?1";
pub const MEMO_BELOW: &str = "SELECT path, device, inode, size, modified, changed, digest
    FROM memo WHERE path >= ?1 AND path < ?2";
pub const MEMO_PUT: &str = "INSERT OR REPLACE INTO memo VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub const MEMO_FORGET: &str = "DELETE FROM memo WHERE seen < ?1";

/// Before the rows of a document are read: blobs and details first, so that no trigger finds any.
pub const EMPTY: &str = "DELETE FROM blobs; DELETE FROM details; DELETE FROM entries;
    DELETE FROM garbage; DELETE FROM sqlite_sequence";
pub const LAST_ID: &str =
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'entries'), 0)";
pub const SET_LAST_ID: &str = "INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq)
    VALUES ((SELECT rowid FROM sqlite_sequence WHERE name = 'entries'), 'entries', ?1)";
pub const SET_COUNTS: &str = "UPDATE totals SET hits = ?1, misses = ?2, saved = ?3";
pub const ADD_GARBAGE: &str = "INSERT INTO garbage VALUES (?1)";
pub const ALL_GARBAGE: &str = "SELECT file FROM garbage ORDER BY file";

pub const GIVE_BACK: &str = "PRAGMA incremental_vacuum";
