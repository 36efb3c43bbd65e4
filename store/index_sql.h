/* The statements of index.db that are kept prepared. Private to store/'s index. */
#ifndef STORE_INDEX_SQL_H
#define STORE_INDEX_SQL_H

enum index_sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_META,
	SQL_SET_META,
	SQL_META_TEXT,
	SQL_SET_META_TEXT,
	SQL_FOLDERS,
	SQL_ADD_FOLDER,
	SQL_SAVE_FOLDER,
	SQL_DROP_FOLDER,
	SQL_DROP_FOLDER_VANISHED,
	SQL_DROP_FOLDER_TEXTS,
	SQL_DROP_FOLDER_THREADS,
	SQL_DROP_FOLDER_MESSAGES,
	SQL_SHOW_FOLDER,
	SQL_BY_UID,
	SQL_BY_BASE,
	SQL_BY_ID,
	SQL_NAMES,
	SQL_LAST_MESSAGE,
	SQL_INSERT,
	SQL_DELETE,
	SQL_CHANGE,
	SQL_MOVE,
	SQL_VANISH,
	SQL_FORGET_VANISHED,
	SQL_OLDEST_VANISHED,
	SQL_NEWEST_OF_THREAD,
	SQL_SET_TOP,
	SQL_SET_THREAD,
	SQL_OF_THREAD,
	SQL_SIZE_OF_THREAD,
	SQL_COUNT_THREAD,
	SQL_THREAD_OF,
	SQL_MAP_THREAD,
	SQL_UNMAP_THREAD,
	SQL_REMAP_THREAD,
	SQL_TO_FILL,
	SQL_TO_FILL_WORDS,
	SQL_SET_IN_WORDS,
	SQL_MATCH,
	SQL_CLEAR_WORDS,
	SQL_WANT_WORDS,
	SQL_ADD_TEXT,
	SQL_ADD_WORDS,
	SQL_SET_TEXT,
	SQL_TEXT_IS_USED,
	SQL_DROP_TEXT,
	SQL_CHANGED,
	SQL_VANISHED,
	SQL_ROW,
	SQL_ROW_BY_ID,
	SQL_COUNT_TOPS,
	SQL_THREAD_ROWS,
	SQL_STATEMENTS
};

extern const char *const index_sql_texts[SQL_STATEMENTS];
extern const char index_sql_settings[], index_sql_schema[];

/* Of another number: made anew. */
enum { INDEX_VERSION = 4 };

/* What row_read() and put_row() read, in this order. */
#define SQL_MESSAGE_COLUMNS                                                                      \
	"m.id, m.text, m.folder, m.uid, m.size, m.arrival, m.modseq, m.date, m.thread, m.flags," \
	" m.keywords, m.place, m.top, m.base, m.tail"
#define SQL_ROW_COLUMNS                                                                           \
	"m.folder, m.uid, m.thread, m.modseq, m.flags, m.attachments, m.text, m.size, m.arrival," \
	" m.date, t.sender, t.recipients, t.subject, t.preview, t.message_id, m.keywords"

#endif
