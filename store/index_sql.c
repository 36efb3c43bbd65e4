/* The tables of index.db and the statements on them. The only file with SQL but for what
 * index_view.c and index_words.c put together. */
#include "store/index_sql.h"

/*
 * The exclusive lock spares the shared memory of WAL. NORMAL: a power cut may take the last
 * transactions, never the database; index_db.c sees to it that no UID is used twice then.
 */
const char index_sql_settings[] = "PRAGMA locking_mode = EXCLUSIVE;"
				  "PRAGMA journal_mode = WAL;"
				  "PRAGMA synchronous = NORMAL;"
				  "PRAGMA temp_store = MEMORY;"
				  "PRAGMA wal_autocheckpoint = 4000;"
				  "PRAGMA journal_size_limit = 33554432;"
				  "PRAGMA cache_size = -4000;"
				  "PRAGMA trusted_schema = OFF;";

/*
 * messages has what is sorted and counted, texts what is shown; copies of a message share their
 * text. words is keyed as texts and keeps no text: rows of texts that are gone stay in it, match
 * nothing, and go when it is made anew. top marks the newest message of a thread in its folder.
 */
const char index_sql_schema[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"

    "CREATE TABLE folders ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, directory BLOB NOT NULL UNIQUE,"
    " uid_validity INTEGER NOT NULL, uid_next INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " forgotten INTEGER NOT NULL, total INTEGER NOT NULL, unread INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL DEFAULT 0,"
    " stamps BLOB, settled INTEGER NOT NULL, labels BLOB);"

    "CREATE TABLE messages ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, folder INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " thread INTEGER NOT NULL, modseq INTEGER NOT NULL, date INTEGER NOT NULL,"
    " arrival INTEGER NOT NULL, size INTEGER NOT NULL, flags INTEGER NOT NULL,"
    " keywords INTEGER NOT NULL, attachments INTEGER NOT NULL, text INTEGER NOT NULL,"
    " top INTEGER NOT NULL, shown INTEGER NOT NULL, place INTEGER NOT NULL,"
    " base BLOB NOT NULL, tail BLOB NOT NULL, from_key TEXT NOT NULL,"
    " subject_key TEXT NOT NULL);"
    "CREATE UNIQUE INDEX messages_uid ON messages (folder, uid);"
    "CREATE UNIQUE INDEX messages_base ON messages (folder, base);"
    "CREATE INDEX messages_modseq ON messages (folder, modseq);"
    "CREATE INDEX messages_thread ON messages (thread, folder, date, uid);"
    "CREATE INDEX messages_text ON messages (text, folder, shown, date, uid, thread);"
    "CREATE INDEX messages_unread ON messages (folder, date, uid, flags, text, thread)"
    " WHERE (flags & 1) = 0;"
    "CREATE INDEX messages_flagged ON messages (folder, date, uid, flags, text, thread)"
    " WHERE (flags & 4) <> 0;"
    "CREATE INDEX messages_fill ON messages (id) WHERE text = 0;"
    /* These two have all that an expression asks of a message: it is searched by walking them. */
    "CREATE INDEX by_date ON messages (folder, date, uid, text, thread, flags, keywords, size,"
    " arrival, attachments);"
    "CREATE INDEX by_arrival ON messages (folder, arrival, uid);"
    "CREATE INDEX by_from ON messages (folder, from_key, uid);"
    "CREATE INDEX by_subject ON messages (folder, subject_key, uid);"
    "CREATE INDEX by_size ON messages (folder, size, uid);"
    "CREATE INDEX top_date ON messages (folder, date, uid, top) WHERE top = 1;"
    "CREATE INDEX top_arrival ON messages (folder, arrival, uid, top) WHERE top = 1;"
    "CREATE INDEX top_from ON messages (folder, from_key, uid, top) WHERE top = 1;"
    "CREATE INDEX top_subject ON messages (folder, subject_key, uid, top) WHERE top = 1;"
    "CREATE INDEX top_size ON messages (folder, size, uid, top) WHERE top = 1;"
    "CREATE INDEX shown_date ON messages (date, id, shown, text, thread, folder, uid, flags,"
    " keywords, size, arrival, attachments) WHERE shown = 1;"
    "CREATE INDEX shown_arrival ON messages (arrival, id, shown) WHERE shown = 1;"

    "CREATE TABLE texts ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, sender TEXT NOT NULL, recipients TEXT NOT NULL,"
    " subject TEXT NOT NULL, preview TEXT NOT NULL, message_id TEXT NOT NULL,"
    " in_words INTEGER NOT NULL DEFAULT 1);"
    "CREATE INDEX texts_fill ON texts (id) WHERE in_words = 0;"
    "CREATE INDEX texts_message_id ON texts (message_id) WHERE message_id <> '';"

    "CREATE TABLE vanished ("
    " folder INTEGER NOT NULL, modseq INTEGER NOT NULL, uid INTEGER NOT NULL,"
    " PRIMARY KEY (folder, modseq, uid)) WITHOUT ROWID;"

    "CREATE TABLE threads (key INTEGER PRIMARY KEY, thread INTEGER NOT NULL);"
    "CREATE INDEX threads_thread ON threads (thread);"

    /* prefix: else one letter, which begins half of all words, would gather them one by one. */
    "CREATE VIRTUAL TABLE words USING fts5 (sender, recipients, subject, body, content = '',"
    " tokenize = 'unicode61 remove_diacritics 2', prefix = '1');"
    /* Fewer and larger pieces, that are merged less often: half the time to take words in. */
    "INSERT INTO words (words, rank) VALUES ('hashsize', 8388608);"
    "INSERT INTO words (words, rank) VALUES ('automerge', 8);";

const char *const index_sql_texts[SQL_STATEMENTS] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_META] = "SELECT value FROM meta WHERE key = ?1",
    [SQL_SET_META] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
    [SQL_META_TEXT] = "SELECT value FROM meta WHERE key = ?1 AND value <> ''",
    [SQL_SET_META_TEXT] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",

    [SQL_FOLDERS] = "SELECT id, directory, uid_validity, uid_next, modseq, forgotten, total,"
		    " unread, stamps, settled, bytes, labels FROM folders ORDER BY id",
    [SQL_ADD_FOLDER] = "INSERT INTO folders (id, directory, uid_validity, uid_next, modseq,"
		       " forgotten, total, unread, settled)"
		       " VALUES (?1, ?2, ?3, 1, 1, 0, 0, 0, 0)",
    [SQL_SAVE_FOLDER] = "UPDATE folders SET directory = ?2, uid_validity = ?3, uid_next = ?4,"
			" modseq = ?5, forgotten = ?6, total = ?7, unread = ?8, stamps = ?9,"
			" settled = ?10, bytes = ?11, labels = ?12 WHERE id = ?1",
    [SQL_DROP_FOLDER] = "DELETE FROM folders WHERE id = ?1",
    [SQL_DROP_FOLDER_VANISHED] = "DELETE FROM vanished WHERE folder = ?1",
    [SQL_DROP_FOLDER_TEXTS] = "DELETE FROM texts WHERE id IN"
			      " (SELECT text FROM messages WHERE folder = ?1 AND text <> 0)"
			      " AND NOT EXISTS (SELECT 1 FROM messages o"
			      "  WHERE o.text = texts.id AND o.folder <> ?1)",
    [SQL_DROP_FOLDER_THREADS] = "DELETE FROM threads WHERE thread IN"
				" (SELECT thread FROM messages WHERE folder = ?1)"
				" AND NOT EXISTS (SELECT 1 FROM messages o"
				"  WHERE o.thread = threads.thread AND o.folder <> ?1)",
    [SQL_DROP_FOLDER_MESSAGES] = "DELETE FROM messages WHERE folder = ?1",
    [SQL_SHOW_FOLDER] = "UPDATE messages SET shown = ?2 WHERE folder = ?1",

    [SQL_BY_UID] = "SELECT " SQL_MESSAGE_COLUMNS " FROM messages m"
		   " WHERE m.folder = ?1 AND m.uid = ?2",
    [SQL_BY_BASE] = "SELECT " SQL_MESSAGE_COLUMNS " FROM messages m"
		    " WHERE m.folder = ?1 AND m.base = ?2",
    [SQL_BY_ID] = "SELECT " SQL_MESSAGE_COLUMNS " FROM messages m WHERE m.id = ?1",
    [SQL_NAMES] = "SELECT base, tail, place FROM messages WHERE folder = ?1 ORDER BY base",
    [SQL_LAST_MESSAGE] = "SELECT seq FROM sqlite_sequence WHERE name = 'messages'",
    [SQL_INSERT] =
	"INSERT INTO messages (id, folder, uid, thread, modseq, date, arrival, size, flags,"
	" keywords, attachments, text, top, shown, place, base, tail, from_key,"
	" subject_key)"
	" SELECT ?14, ?1, ?2, iif(coalesce(o.text, 0) = 0, ?14, o.thread), ?3, coalesce(o.date, "
	"?4), ?4, ?5, ?6,"
	" ?7, coalesce(o.attachments, 0), coalesce(o.text, 0), ?8, ?9, ?10, ?11, ?12,"
	" coalesce(o.from_key, ''), coalesce(o.subject_key, '')"
	" FROM (SELECT 1) LEFT JOIN messages o ON o.id = ?13",
    [SQL_DELETE] = "DELETE FROM messages WHERE id = ?1",
    [SQL_CHANGE] = "UPDATE messages SET modseq = ?2, flags = ?3, keywords = ?4, place = ?5,"
		   " tail = ?6 WHERE id = ?1",
    [SQL_MOVE] = "UPDATE messages SET folder = ?2, uid = ?3, modseq = ?4, keywords = ?5,"
		 " place = ?6, base = ?7, tail = ?8, shown = ?9, top = 0, flags = ?10"
		 " WHERE id = ?1",

    [SQL_VANISH] = "INSERT OR IGNORE INTO vanished (folder, modseq, uid) VALUES (?1, ?2, ?3)",
    [SQL_FORGET_VANISHED] = "DELETE FROM vanished WHERE folder = ?1 AND modseq <= ?2",
    [SQL_OLDEST_VANISHED] = "SELECT modseq FROM vanished WHERE folder = ?1"
			    " ORDER BY modseq DESC LIMIT 1 OFFSET ?2",

    [SQL_NEWEST_OF_THREAD] = "SELECT id, date, uid, top FROM messages"
			     " WHERE thread = ?1 AND folder = ?2"
			     " ORDER BY date DESC, uid DESC LIMIT 2",
    [SQL_SET_TOP] = "UPDATE messages SET top = ?2 WHERE id = ?1",
    [SQL_SET_THREAD] = "UPDATE messages SET thread = ?2, top = 0 WHERE id = ?1",
    [SQL_OF_THREAD] = "SELECT id, folder FROM messages WHERE thread = ?1 ORDER BY folder LIMIT ?2",
    [SQL_SIZE_OF_THREAD] = "SELECT count(*) FROM messages WHERE thread = ?1",
    [SQL_COUNT_THREAD] = "SELECT count(*), sum((flags & 1) = 0) FROM messages"
			 " WHERE thread = ?1 AND (shown = 1 OR folder = ?2)",
    [SQL_THREAD_OF] = "SELECT thread FROM threads WHERE key = ?1",
    [SQL_MAP_THREAD] = "INSERT OR REPLACE INTO threads (key, thread) VALUES (?1, ?2)",
    [SQL_UNMAP_THREAD] = "DELETE FROM threads WHERE thread = ?1",
    [SQL_REMAP_THREAD] = "UPDATE threads SET thread = ?2 WHERE thread = ?1",

    [SQL_TO_FILL] = "SELECT id FROM messages INDEXED BY messages_fill"
		    " WHERE text = 0 ORDER BY id DESC LIMIT ?1",
    [SQL_TO_FILL_WORDS] = "SELECT (SELECT max(id) FROM messages WHERE text = t.id) FROM texts t"
			  " INDEXED BY texts_fill WHERE t.in_words = 0 ORDER BY t.id DESC LIMIT ?1",
    [SQL_SET_IN_WORDS] = "UPDATE texts SET in_words = 1 WHERE id = ?1",
    [SQL_MATCH] = "SELECT rowid FROM words WHERE words MATCH ?1",
    [SQL_CLEAR_WORDS] = "INSERT INTO words (words) VALUES ('delete-all')",
    [SQL_WANT_WORDS] = "UPDATE texts SET in_words = 0",
    [SQL_ADD_TEXT] = "INSERT INTO texts (sender, recipients, subject, preview, message_id)"
		     " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_ADD_WORDS] = "INSERT INTO words (rowid, sender, recipients, subject, body)"
		      " VALUES (?1, ?2, ?3, ?4, ?5)",
    [SQL_SET_TEXT] = "UPDATE messages SET text = ?2, date = ?3, attachments = ?4, from_key = ?5,"
		     " subject_key = ?6, modseq = ?7, top = 0 WHERE id = ?1",
    [SQL_TEXT_IS_USED] = "SELECT 1 FROM messages WHERE text = ?1",
    [SQL_DROP_TEXT] = "DELETE FROM texts WHERE id = ?1",

    [SQL_CHANGED] = "SELECT " SQL_ROW_COLUMNS " FROM messages m LEFT JOIN texts t ON t.id = m.text"
		    " WHERE m.folder = ?1 AND m.modseq > ?2 AND m.modseq <= ?3"
		    " ORDER BY m.modseq LIMIT ?4",
    [SQL_VANISHED] = "SELECT uid, modseq FROM vanished WHERE folder = ?1 AND modseq > ?2"
		     " ORDER BY modseq LIMIT ?3",
    [SQL_ROW] = "SELECT " SQL_ROW_COLUMNS " FROM messages m LEFT JOIN texts t ON t.id = m.text"
		" WHERE m.folder = ?1 AND m.uid = ?2",
    [SQL_ROW_BY_ID] = "SELECT " SQL_ROW_COLUMNS
		      " FROM messages m LEFT JOIN texts t ON t.id = m.text WHERE m.id = ?1",
    [SQL_COUNT_TOPS] = "SELECT count(*) FROM messages WHERE folder = ?1 AND top = 1",
    [SQL_THREAD_ROWS] =
	"SELECT " SQL_ROW_COLUMNS " FROM (SELECT id AS i FROM messages WHERE thread = ?1"
	"  ORDER BY date DESC, id DESC LIMIT ?2)"
	" JOIN messages m ON m.id = i LEFT JOIN texts t ON t.id = m.text"
	" ORDER BY m.date, m.id",
};
