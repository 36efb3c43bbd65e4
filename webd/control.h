/*
 * A session with master, for the user who has logged in: requests in words, answers in JSON
 * (master/control.h). Private to the folder.
 */
#ifndef WEBD_CONTROL_H
#define WEBD_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

struct control;
struct control_call;

enum { CONTROL_WORDS_MAX = 64, CONTROL_WORDS_MAX_BYTES = 60000 };

/* The session is lost: all calls were answered; free it. */
typedef void (*control_close_cb)(void *arg);
/* Owns fd. */
struct control *control_new(struct event_base *base, int fd, control_close_cb on_close, void *arg);
/* Forgets all calls. Clears the pointer; safe within any callback. */
void control_free(struct control **c);

/*
 * The whole answer: code is 0 or of sysexits.h. doc is borrowed, and an object. With more, further
 * ones follow: each part of the answer is a document of its own then (control_follow()).
 */
typedef void (*control_cb)(void *arg, int code, json_t *doc, bool more);
/* NULL: the words are too many or too long. cb is called later. */
struct control_call *
control_ask(struct control *c, const char *const *words, size_t n, control_cb cb, void *arg);
struct control_call *
control_follow(struct control *c, const char *const *words, size_t n, control_cb cb, void *arg);
/* What was asked happens all the same, but a follow ends. Clears the pointer; harmless on NULL. */
void control_cancel(struct control_call **call);

#endif
