/*
 * index.db: what is known of a mailbox's folders and messages, and every change that a session with
 * folders makes. A cache: the Maildir is the truth, and the database is made anew when it is
 * missing, torn or of another version. Private to store/. All of it runs in a helper thread; one
 * struct index belongs to one thread at a time, and touches the directory of its mailbox only.
 *
 * In the mailbox's directory, besides what maildir.h has:
 * index.db, index.db-wal  the database
 * .Name.Sub/              a folder: new cur tmp, and maildirfolder, as in each Maildir++
 * subscriptions           the subscribed folders, as Dovecot writes them
 * documents/NAME          a document, written as NAME.new and renamed
 * tmp/removing-*          a removed folder, until all its files are gone
 * dovecot-keywords        of each folder: keywords by their letter
 *
 * One request is one transaction. What it does to files comes first, each by one system call, so
 * that a kill leaves them as they were or as they were to be, and the database without it: the next
 * start finds the difference. A folder that is renamed with others below it is written down
 * (meta "rename") first, and the next start finishes it.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <limits.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/folder_name.h"
#include "store/folders.h"
#include "store/id_set.h"
#include "store/index_sql.h"
#include "store/indexer.h"
#include "store/maildir.h"
#include "store/reply.h"

enum { INDEX_HOST_SIZE = 21, INDEX_FILL = 128 };

struct keywords {
	char names[FOLDERS_KEYWORDS_MAX]
		  [FOLDERS_KEYWORD_MAX_BYTES + 1]; /* "": this letter is free */
	struct stamp stamp;			   /* of the file; all zero: none */
	bool known;
};

/* Of a folder's messages: those with one keyword. */
struct label_count {
	uint64_t total, unread;
};

/* What others were last told of a folder. */
struct told {
	bool is_told;
	char name[FOLDERS_NAME_MAX_BYTES + 1];
	bool subscribed;
	uint64_t total, unread, uid_validity, uid_next, modseq;
};

struct folder {
	uint64_t id, total, unread, uid_validity, uid_next, modseq;
	uint64_t bytes;	    /* of all its messages */
	uint64_t forgotten; /* CHANGES since before this modseq cannot be told any more */
	char directory[FOLDER_DIRECTORY_SIZE], name[FOLDERS_NAME_MAX_BYTES + 1];
	enum folders_role role;
	bool subscribed;
	struct stamp stamps[2]; /* of new/ and cur/ when the names in them were last read */
	bool settled;		/* equal stamps prove equal contents */
	bool changed;		/* the row is to be written */
	bool watched;		/* others' changes come as index_event; else stamps are compared */
	bool stale;		/* the names are to be read */
	bool found;		/* while directories are read */
	struct keywords keywords;
	struct label_count labels[FOLDERS_KEYWORDS_MAX]; /* by the keywords' letters */
	struct told told;
};

struct scan_names;
struct find_sql;

struct index {
	int directory; /* of the mailbox, O_PATH; -1: closed */
	char host[INDEX_HOST_SIZE];
	sqlite3 *db;
	sqlite3_stmt *statements[SQL_STATEMENTS];
	int error; /* the first failure of the database in this request, or SQLITE_OK */
	struct folder **folders;
	size_t n_folders, folders_room;
	struct stamp stamp;	  /* of the directory when folders were last looked for */
	bool subscriptions_known; /* false: the file cannot be read now */
	bool settled, list_stale;
	struct scan_names *scan; /* a folder that is being taken in, in portions */
	uint64_t *gone;		 /* folders that others are to be told of */
	size_t n_gone;
	uint64_t last_validity, texts_dead, texts_alive;
	int64_t last_message;
	uint64_t made;		   /* chance: another one whenever the database was opened */
	const struct id_set *sets; /* what in_set(number, id) asks, while a statement runs */
	size_t n_sets;
	bool has_removed; /* tmp/removing-* */
	bool prepared;
};

/* What another has done in a watched folder. */
struct index_event {
	struct index_event *next;
	uint64_t folder;
	enum maildir_folder place;
	bool away; /* the name went; else it came */
	char name[];
};

/* A message that is to be looked into, and what was found. */
struct index_fill {
	int64_t message;
	uint64_t made; /* of the index: in another database the same number is another message */
	int fd;	       /* -1: it cannot be opened; the answer is then a problem */
	bool refill;   /* only its words are wanted */
	struct indexer_result result;
	void *memory; /* of the result's texts; NULL: no answer */
};

struct index_request {
	/* What is asked; index_open() must have been called. */
	uint32_t type; /* enum folders_message, or 0: only look what has changed */
	struct reader fields;
	int fd;		      /* the request's, or -1 */
	uint64_t room, limit; /* bytes that the mailbox may still grow by; and that it may have */
	struct index_event *events;
	struct index_fill *filled; /* what was found in messages */
	size_t n_filled;
	const int64_t *in_hand; /* messages that are being looked into */
	size_t n_in_hand;
	const uint64_t *watched; /* folders that are watched since the last request */
	size_t n_watched;
	bool overflow;	    /* events were lost */
	bool choose_fill;   /* fill is to be set */
	uint64_t settle_ms; /* not 0, in wall clock: all that was done before is in events */

	/* What is answered. */
	bool malformed;
	enum folders_refusal refusal;
	uint64_t number, modseq;
	struct reply reply; /* what comes before DONE, and notices */
	struct reply notices;
	bool sync;	/* to be made durable before it is answered */
	bool again;	/* a portion was done: the same request is to be served once more */
	bool has_usage; /* all is taken in: */
	uint64_t usage; /* bytes in all folders */
	struct index_fill *fill; /* messages that are to be looked into next: the asker's to free */
	size_t n_fill;		 /* at most INDEX_FILL */
	struct reply unwatched;	 /* folders that are not watched yet: id, directory */
	bool more_to_remove;	 /* files of removed folders: ask again */
};

/* directory: of the mailbox, O_PATH; taken. host: for names of files. */
struct index *index_new(int directory, const char *host);
/* Closes the database and frees all. */
void index_free(struct index **x);

/* Opens the database when it is not. -1: it cannot be had now. */
int index_open(struct index *x);
/* Closes it until the next index_open(). */
void index_close(struct index *x);
/* Serves one request, or a portion of what is to be done before it. */
void index_serve(struct index *x, struct index_request *q);

/* ---- inside ---- */

/* index_db.c: false, and x->error set, when the database fails. */
bool index_begin(struct index *x);
bool index_commit(struct index *x);
void index_rollback(struct index *x);
/* A statement to bind to; it was reset. */
sqlite3_stmt *index_sql(struct index *x, enum index_sql which);
/* Another one, to be finalized. NULL, and x->error set, when sql is NULL or cannot be prepared. */
sqlite3_stmt *index_prepare(struct index *x, const char *sql);
/* True: there is a row. False at the end or on an error. */
bool index_step(struct index *x, sqlite3_stmt *st);
/* A statement may take so long from now. */
void index_be_patient(struct index *x);
/* Steps to the end. */
bool index_run(struct index *x, sqlite3_stmt *st);
bool index_failed(struct index *x, int error);
uint64_t index_meta(struct index *x, const char *key, uint64_t missing);
void index_set_meta(struct index *x, const char *key, uint64_t value);

/* index_folders.c */
bool index_load_folders(struct index *x);
bool index_save_folders(struct index *x);
void index_forget_folders(struct index *x);
struct folder *index_folder(struct index *x, uint64_t id);
struct folder *index_folder_named(struct index *x, const char *name);
/* Looks which directories there are when the mailbox's has changed. */
void index_list_directories(struct index *x);
void index_say_changes(struct index *x, struct index_request *q);
void put_folder_info(struct writer *w, const struct folder *f);
/* A descriptor of new/, cur/ or tmp/ (which is made when missing) or "" itself. -1 with errno. */
int index_open_place(struct index *x, const struct folder *f, enum maildir_folder place, int flags);
int index_open_folder(struct index *x, const struct folder *f, int flags);
bool index_is_shown(const struct folder *f);

/* index_create.c: the folders that each mailbox has. -1 with errno. */
int index_make_roles(struct index *x);
/* index_rename.c: what a killed store had begun. */
void index_finish_renames(struct index *x);
/* index_remove.c: a portion of what REMOVE has left. True: there is more of it. */
bool index_remove_files(struct index *x);

/* index_sync.c: true when a portion was done and there is more. */
bool index_sync(struct index *x);
bool index_sync_folder(struct index *x, struct folder *f);
void index_take_event(struct index *x, const struct index_event *e);
void index_stamp(struct index *x, const struct folder *f, struct stamp stamps[2]);
bool index_is_quiet(const struct stamp stamps[2], uint64_t now_ms);
uint64_t index_now_ms(void);
void index_drop_scan(struct index *x);

/* A message's row, without its texts. */
struct message {
	int64_t id, text; /* text 0: not looked at */
	uint64_t folder, uid, size, arrival, modseq;
	int64_t date, thread;
	unsigned flags;
	uint32_t keywords;
	enum maildir_folder place;
	bool top;
	char base[NAME_MAX + 1], tail[NAME_MAX + 1];
};

/* index_rows.c: one message comes, goes or changes; counts, threads and modification sequences
 * follow. */
bool row_by_uid(struct index *x, const struct folder *f, uint64_t uid, struct message *m);
bool row_by_base(struct index *x, const struct folder *f, struct span base, struct message *m);
bool row_by_id(struct index *x, int64_t id, struct message *m);
void row_read(sqlite3_stmt *st, struct message *m);
/* base, tail, place, flags, keywords, size and arrival are set. Sets the rest. */
void row_insert(struct index *x, struct folder *f, struct message *m);
void row_delete(struct index *x, struct folder *f, const struct message *m);
/* m as it was is in old. Its tail, place, flags and keywords may be others now. */
void row_change(struct index *x, struct folder *f, const struct message *old, struct message *m);
/* m has its new base, tail, place and keywords. */
void row_move(struct index *x, struct folder *from, struct folder *to, const struct message *old,
    struct message *m);
void row_copy(struct index *x, struct folder *to, const struct message *old, struct message *m);

/* index_labels.c: counts of keywords, which are kept with the folder's row. */
void labels_count(struct folder *f, const struct message *m, int sign);
bool labels_are_counted(const struct folder *f);
void index_labels(struct index *x, struct index_request *q);

/* index_threads.c */
void thread_enter(struct index *x, const struct message *m);
void thread_leave(struct index *x, const struct message *m);
/* The thread of a message with these ids, which is moved into it. */
void thread_join(struct index *x, struct message *m, const struct indexer_result *r);
void thread_forget_if_empty(struct index *x, int64_t thread);

/* index_text.c */
void index_filled(struct index *x, struct index_request *q);
void text_release(struct index *x, int64_t text);
/* So many rows of texts were removed. */
void texts_dropped(struct index *x, int n);
void index_choose_fill(struct index *x, struct index_request *q);

/* index_view.c */
/* The statement of a page without an expression: ?1 folder, ?2 limit, ?3 offset. To be freed by
 * sqlite3_free(). */
char *index_view_sql(bool all, bool threads, enum folders_order order, bool descending);
void index_view(struct index *x, struct index_request *q);
void index_find(struct index *x, struct index_request *q);
void index_rows(struct index *x, struct index_request *q);
void index_changes(struct index *x, struct index_request *q);
void index_thread(struct index *x, struct index_request *q);

/* index_change.c */
void index_get(struct index *x, struct index_request *q);
void index_flag(struct index *x, struct index_request *q);
void index_copy(struct index *x, struct index_request *q);
void index_move(struct index *x, struct index_request *q);
void index_expunge(struct index *x, struct index_request *q);
void index_append(struct index *x, struct index_request *q);
/* The message's file, where it is now. -1 with errno. */
int index_open_message(struct index *x, struct folder *f, struct message *m);

/* index_folders.c, and files named for the request */
void index_list(struct index *x, struct index_request *q);
void index_create(struct index *x, struct index_request *q);
void index_rename(struct index *x, struct index_request *q);
void index_remove(struct index *x, struct index_request *q);
void index_subscribe(struct index *x, struct index_request *q);

/* documents.c */
void document_keep(struct index *x, struct index_request *q);
void document_get(struct index *x, struct index_request *q);

/* keywords.c: of a folder, read from its file when that has changed. False: it cannot be read now.
 */
bool keywords_load(struct index *x, struct folder *f);
/* The letter's number, made when it is not there. -1: all are in use, or the file cannot be read or
 * written. */
int keywords_number(struct index *x, struct folder *f, struct span name, bool make);
bool keyword_is_valid(struct span name);

/* index_matches.c: VIEW and FIND with an expression. */
struct view {
	struct folder *folder; /* NULL: all that are shown */
	uint64_t order, descending, threads, offset, limit;
};

/* Says which rows are shown. May begin one statement of index_sql() within it. */
typedef void (*match_cb)(void *arg, int64_t id);
/* Calls cb for each match of the page, in its order. Returns how many matches there are in all. */
uint64_t
matches_view(struct index *x, const struct view *v, struct find_sql *find, match_cb cb, void *arg);
/* All matches by folder and uid, which are the statement's columns. To be ended before
 * find_free(). */
sqlite3_stmt *matches_find(struct index *x, const struct folder *f, struct find_sql *find);
void matches_end(struct index *x, sqlite3_stmt *st);
/* The function in_set() of SQL. SQLITE_OK, or an error. */
int matches_prepare(struct index *x);
const char *index_order_column(enum folders_order order);

/* index_words.c: an expression as SQL. */
struct find_sql {
	sqlite3_str *text; /* with in_set(i, m.text) for matches[i] */
	struct {
		bool is_text;
		int64_t number;
		char *text;
	} params[FOLDERS_EXPRESSION_MAX_NODES * 2 + 8];
	size_t n_params;
	char *matches[FOLDERS_EXPRESSION_MAX_NODES]; /* questions to the words */
	struct id_set sets[FOLDERS_EXPRESSION_MAX_NODES + 1];
	size_t n_matches;
	bool is_all;  /* the empty expression */
	bool by_last; /* each match is among those of the last question */
	bool by_id;   /* a message id is asked for: few have it */
	bool by_flag; /* as a partial index has it */
};
/* Reads the expression until the end. -1: malformed or too deep. */
int find_compile(struct index *x, struct reader *r, struct find_sql *f);
void find_bind(const struct find_sql *f, sqlite3_stmt *st, int first);
void find_free(struct find_sql *f);

#endif
