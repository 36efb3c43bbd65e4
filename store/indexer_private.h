/* Shared by the files of the program indexer only. */
#ifndef STORE_INDEXER_PRIVATE_H
#define STORE_INDEXER_PRIVATE_H

#include "common/ipc.h"
#include "store/indexer.h"

struct indexer_link {
	int fd;
	unsigned char message[IPC_MESSAGE_MAX_BYTES];
};

/* NULL: nobody is there any more. listen_fd stays the caller's. */
struct indexer_link *indexer_link_new(int listen_fd);
/* The same for an accepted connection, which it owns. */
struct indexer_link *indexer_link_on(int fd);
void indexer_link_free(struct indexer_link **l);

/* Receives one message and answers it. -1: store has closed the connection, or it is of no more
 * use. */
int indexer_link_serve(struct indexer_link *l);
/* Says that it ends. */
void indexer_link_retire(struct indexer_link *l);

/* What a row has, read from a message; the texts belong to it. */
struct indexer_row {
	bool has_date, has_attachment;
	int64_t date;
	char *from, *to, *recipients, *subject, *message_id, *references, *preview, *text;
	size_t text_len;
	char *problem;
};

void indexer_read(int fd, struct indexer_row *row);
void indexer_row_free(struct indexer_row *row);

#endif
