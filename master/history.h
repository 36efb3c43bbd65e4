/*
 * config/history: who has changed the configuration when, and what, one JSON document a line, the
 * oldest first. Written by sambarctl and by the supervisor, readable by the owner only. Secrets
 * are in it as config_masked.
 *
 * {"id": N, "when": seconds, "who": text, "client": text, "undo": N or null, "what": as in
 * config_changed.what}
 *
 * A line is appended by one write and synced; a torn last one is skipped. When the file has grown
 * beyond HISTORY_MAX_BYTES, its newer half replaces it (history.new, renamed).
 */
#ifndef MASTER_HISTORY_H
#define MASTER_HISTORY_H

#include <jansson.h>
#include <stdint.h>

enum { HISTORY_MAX_BYTES = 2 * 1024 * 1024, HISTORY_PAGE = 50 };

/* Adds a change. client: from where, "" for this host; undo: the change that it takes back, or 0.
 * what is borrowed. Its id, or 0 with errno. */
uint64_t history_add(
    const char *root, const char *who, const char *client, uint64_t undo, const json_t *what);

/* {"changes": [...], "next": id or null}: HISTORY_PAGE changes, the newest first, those before the
 * one with the id `after` (0: from the newest on). NULL with errno. */
json_t *history_page(const char *root, uint64_t after);

/* One change. NULL with errno; ENOENT: there is no such change. */
json_t *history_find(const char *root, uint64_t id);

#endif
