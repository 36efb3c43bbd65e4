/*
 * A message on its way into a mailbox. Makes files without names: in memory, large ones in the
 * directory for temporary files.
 */
#include "master/import_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/write_all.h"
#include "store/copy_file.h"

/* What is larger than IN_MEMORY_MAX_BYTES goes to the disk. */
enum { BUFFER_BYTES = 64 * 1024, IN_MEMORY_MAX_BYTES = 8 << 20, NAME_DIGEST_BYTES = 16 };

struct import_file {
	char *folder;
	EVP_MD_CTX *md;
	int fd, error;
	bool on_disk;
	uint64_t size; /* written to fd */
	size_t n;
	char last;
	char buffer[BUFFER_BYTES];
};

struct import_file *
import_file_new(const char *folder)
{
	struct import_file *f = xcalloc(1, sizeof *f);

	f->folder = xstrdup(folder);
	f->fd = -1;
	if ((f->md = EVP_MD_CTX_new()) == NULL)
		fatalx("out of memory");
	return f;
}

void
import_file_free(struct import_file **fp)
{
	struct import_file *f = *fp;

	if (f == NULL)
		return;
	*fp = NULL;
	closefd(&f->fd);
	EVP_MD_CTX_free(f->md);
	free(f->folder);
	free(f);
}

void
import_file_begin(struct import_file *f)
{
	closefd(&f->fd);
	f->error = 0;
	f->on_disk = false;
	f->size = f->n = 0;
	f->last = '\0';
	if ((f->fd = memfd_create("message", MFD_CLOEXEC)) == -1)
		f->error = errno;
	if (EVP_DigestInit_ex(f->md, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(f->md, f->folder, strlen(f->folder) + 1) != 1)
		f->error = ENOMEM;
}

/* To the disk with it. */
static void
move_out(struct import_file *f)
{
	const char *tmp = getenv("TMPDIR");
	int fd = open(
	    tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	f->on_disk = true;
	if (fd == -1 || copy_file(f->fd, f->size, fd) == -1) {
		f->error = errno;
		closefd(&fd);
		return;
	}
	closefd(&f->fd);
	f->fd = fd;
}

static void
flush(struct import_file *f)
{
	if (!f->on_disk && f->error == 0 && f->size + f->n > IN_MEMORY_MAX_BYTES)
		move_out(f);
	if (f->error == 0 && write_all(f->fd, f->buffer, f->n) == -1)
		f->error = errno;
	if (f->error == 0 && EVP_DigestUpdate(f->md, f->buffer, f->n) != 1)
		f->error = ENOMEM;
	f->size += f->n;
	f->n = 0;
}

static void
put_bytes(struct import_file *f, const char *at, size_t n)
{
	while (n > 0) {
		size_t room = sizeof f->buffer - f->n, part = n < room ? n : room;

		memcpy(f->buffer + f->n, at, part);
		f->n += part;
		at += part;
		n -= part;
		if (f->n == sizeof f->buffer)
			flush(f);
	}
}

void
import_file_put(struct import_file *f, struct span bytes)
{
	while (bytes.len > 0) {
		const char *lf = memchr(bytes.at, '\n', bytes.len);
		size_t n = lf != NULL ? (size_t)(lf - bytes.at) : bytes.len;

		put_bytes(f, bytes.at, n);
		if (n > 0)
			f->last = bytes.at[n - 1];
		if (lf != NULL) {
			put_bytes(f, "\r\n" + (f->last == '\r'), 2 - (f->last == '\r'));
			f->last = '\n';
			n++;
		}
		bytes = (struct span){bytes.at + n, bytes.len - n};
	}
}

static void
print_name(struct import_file *f, uint64_t arrival_s, char name[IMPORT_NAME_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * NAME_DIGEST_BYTES + 1];

	if (EVP_DigestFinal_ex(f->md, digest, NULL) != 1)
		f->error = ENOMEM;
	for (size_t i = 0; i < NAME_DIGEST_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	snprintf(name, IMPORT_NAME_SIZE, "%llu.I%s.import,S=%llu", (unsigned long long)arrival_s,
	    hex, (unsigned long long)f->size);
}

int
import_file_end(struct import_file *f, uint64_t arrival_s, char name[IMPORT_NAME_SIZE])
{
	if (f->last != '\n' && f->size + f->n > 0)
		import_file_put(f, span_of("\n"));
	flush(f);
	print_name(f, arrival_s, name);
	if (f->error == 0)
		return f->fd;
	errno = f->error;
	return -1;
}
