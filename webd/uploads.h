/*
 * Files that a user has uploaded and not yet sent: in memory files, which have no name, as long as
 * his session lasts. Private to the folder.
 */
#ifndef WEBD_UPLOADS_H
#define WEBD_UPLOADS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum { UPLOADS_USER_MAX = 100, UPLOAD_NAME_SIZE = 256, UPLOAD_TYPE_SIZE = 128 };
#define UPLOADS_ALL_MAX_BYTES (1024ULL * 1024 * 1024)
/* Of one user, in all his sessions; also a single one of the largest size has room. */
#define UPLOADS_USER_MAX_BYTES (256ULL * 1024 * 1024)

struct request;
struct web_session;

struct upload {
	LIST_ENTRY(upload) entry;
	uint64_t id, size;
	char name[UPLOAD_NAME_SIZE], type[UPLOAD_TYPE_SIZE];
	int fd;
};

/* A file for the body of the request to come, and room for it. False: it was answered. */
bool uploads_begin(struct request *q);
/* The room that is still set aside for this request. */
void uploads_release(struct request *q);
struct upload *upload_find(struct web_session *s, uint64_t id);
void upload_free(struct upload *u);
/* All of a session. */
void uploads_free(struct web_session *s);

#endif
