/* The handlers of docs/webapi.md, by subject. Private to the folder. */
#ifndef WEBD_API_H
#define WEBD_API_H

#include "webd/control.h"
#include "webd/http.h"

/* api_session.c: who is there */
void api_login(struct request *q);
void api_logout(struct request *q);
void api_session(struct request *q);
void api_setup_is_valid(struct request *q);
void api_setup(struct request *q);
void api_password(struct request *q);

/* api_folders.c */
void api_folders(struct request *q);
void api_folder_create(struct request *q);
void api_folder_rename(struct request *q);
void api_folder_remove(struct request *q);
void api_folder_subscribe(struct request *q);
void api_folder_empty(struct request *q);
void api_labels(struct request *q);

/* api_lists.c: rows of messages */
void api_messages(struct request *q);
void api_uids(struct request *q);
void api_changes(struct request *q);
void api_thread(struct request *q);

/* api_moves.c: changes of many messages */
void api_flags(struct request *q);
void api_move(struct request *q);
void api_copy(struct request *q);
void api_remove(struct request *q);

/* api_message.c */
void api_message(struct request *q);
void api_message_document(struct request *q);
void api_message_source(struct request *q);
void api_part(struct request *q);

/* api_zip.c */
void api_message_zip(struct request *q);
void api_export(struct request *q);

/* api_draft.c, api_send.c, api_outbox.c */
void api_draft(struct request *q);
void api_draft_keep(struct request *q);
void api_send(struct request *q);
void api_receipt(struct request *q);
void api_outbox(struct request *q);
void api_outbox_cancel(struct request *q);

/* api_events.c */
void api_events(struct request *q);

/* api_admin.c */
void api_admin(struct request *q);
void api_admin_follow(struct request *q);
/* Passes words on for q; cb, or control_answer() in it, answers. */
void control_pass(struct request *q, const char *const *words, size_t n, control_cb cb);
void control_answer(struct request *q, int code, json_t *doc);

/* api_own.c: what is one's own */
void api_settings(struct request *q);
void api_settings_keep(struct request *q);
void api_vacation(struct request *q);
void api_vacation_keep(struct request *q);
void api_forward(struct request *q);
void api_forward_set(struct request *q);
void api_identities(struct request *q);
void api_trace(struct request *q);

/* api_contacts.c */
void api_contacts(struct request *q);
void api_contacts_save(struct request *q);
void api_contacts_remove(struct request *q);
void api_complete(struct request *q);
void api_contacts_import(struct request *q);
void api_contacts_export(struct request *q);

/* api_metrics.c */
void api_metrics(struct request *q);

/* uploads.c */
void api_upload_remove(struct request *q);
void api_upload(struct request *q);

#endif
