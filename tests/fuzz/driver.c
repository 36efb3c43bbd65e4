/*
 * Runs a fuzz target without a fuzzing engine: each seed, each front part of it, then a fixed
 * number of mutations drawn from a fixed generator, so that every run feeds the same inputs.
 * Reads the seeds, writes TARGET.crash when an input ends the process.
 *
 * usage: TARGET [-n INPUTS] [-s NUMBER] [SEED-FILE-OR-DIRECTORY]...
 *
 * Without names the seeds are tests/fuzz/seeds/FOLDER_THING/ of the current directory. A crash is
 * repeated by naming the .crash file with -n 0.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	INPUT_MAX_BYTES = 65536,
	SEEDS_MAX = 1000,
	MUTATIONS_MAX = 8,
	FRONTS_MAX = 200,
	HANG_S = 300 /* ends a target that loops; never decides a verdict otherwise */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static struct {
	uint8_t *at;
	size_t len;
} seeds[SEEDS_MAX];
static size_t n_seeds;

static struct {
	uint8_t at[INPUT_MAX_BYTES];
	size_t len;
} input;
static unsigned long n_inputs;
static char crash_path[PATH_MAX];
static uint64_t state = 88172645463325252ULL;

/* xorshift64: the same numbers on every machine. */
static uint64_t
draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static size_t
draw_below(size_t n)
{
	return n == 0 ? 0 : draw() % n;
}

/* ---- a death leaves its input behind ---- */

static void
keep_input(void)
{
	static const char text[] = "fuzz: the input that ended this is in ";
	int fd = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd == -1 || write(fd, input.at, input.len) != (ssize_t)input.len ||
	    write(STDERR_FILENO, text, sizeof text - 1) == -1 ||
	    write(STDERR_FILENO, crash_path, strlen(crash_path)) == -1 ||
	    write(STDERR_FILENO, "\n", 1) == -1)
		_exit(71);
	close(fd);
}

static void
on_death(int number)
{
	keep_input();
	signal(number, SIG_DFL);
	raise(number);
}

static void
watch_for_death(void)
{
	static const int signals[] = {SIGABRT, SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(keep_input);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (__sanitizer_set_death_callback == NULL || i < 2)
			signal(signals[i], on_death);
	alarm(HANG_S);
}

/* The target gets memory of exactly this size, so that a read past its end is seen. */
static void
run(void)
{
	uint8_t *exact = malloc(input.len ? input.len : 1);

	if (exact == NULL)
		err(71, "malloc");
	memcpy(exact, input.at, input.len);
	LLVMFuzzerTestOneInput(exact, input.len);
	free(exact);
	n_inputs++;
}

/* ---- seeds ---- */

static void
read_seed(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0, all = 0;

	if (fd == -1)
		err(66, "%s", path);
	if (n_seeds == SEEDS_MAX)
		errx(65, "more than %d seeds", SEEDS_MAX);
	while (all < INPUT_MAX_BYTES && (n = read(fd, input.at + all, INPUT_MAX_BYTES - all)) > 0)
		all += n;
	if (n == -1)
		err(66, "%s", path);
	close(fd);
	if ((seeds[n_seeds].at = malloc(all + 1)) == NULL)
		err(71, "malloc");
	memcpy(seeds[n_seeds].at, input.at, all);
	seeds[n_seeds++].len = all;
}

static int
is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void
read_seeds(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, is_visible, alphasort);
	char file[PATH_MAX + NAME_MAX + 2];

	if (n == -1 && errno == ENOTDIR) {
		read_seed(path);
		return;
	}
	if (n == -1)
		err(66, "%s", path);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		read_seed(file);
		free(names[i]);
	}
	free(names);
}

static void
read_own_seeds(const char *target)
{
	const char *name = strrchr(target, '/') ? strrchr(target, '/') + 1 : target;
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof path, "tests/fuzz/seeds/%.*s", (int)strcspn(name, "."), name);
	if (strlen(path) > 5 && strcmp(path + strlen(path) - 5, "_fuzz") == 0)
		path[strlen(path) - 5] = '\0';
	if (stat(path, &st) == 0)
		read_seeds(path);
	else
		warnx("there is no %s: starting from nothing", path);
}

/* ---- mutations ---- */

static void
resize_hole(size_t at, size_t old, size_t new)
{
	size_t tail = input.len - at - old;

	if (at + new + tail > INPUT_MAX_BYTES)
		return;
	memmove(input.at + at + new, input.at + at + old, tail);
	input.len = at + new + tail;
}

static void
flip_bit(void)
{
	if (input.len > 0)
		input.at[draw_below(input.len)] ^= 1 << draw_below(8);
}

static void
set_byte(void)
{
	static const uint8_t favourites[] = {0, '\r', '\n', '.', ' ', '\t', '<', '>', '"', '\\',
	    '@', '*', '=', ':', ',', '-', '0', '9', 0x7f, 0x80, 0xff};
	uint8_t byte = draw_below(4) ? favourites[draw_below(sizeof favourites)] : draw();

	if (input.len > 0)
		input.at[draw_below(input.len)] = byte;
}

static void
insert_bytes(void)
{
	size_t at = draw_below(input.len + 1), n = 1 + draw_below(16), before = input.len;
	uint8_t byte = draw();

	resize_hole(at, 0, n);
	if (input.len == before + n)
		memset(input.at + at, byte, n);
}

static void
insert_text(void)
{
	static const char *const texts[] = {"\r\n", "\r\n.\r\n", "\n.\n", "\r\r\n", "..", "%s%n",
	    "-1", "4294967296", "18446744073709551616", "00000000000000000000", "\xff\xff\xff\xff",
	    "\xc3\xa9", "\xc0\x80", "[IPv6:::1]", "[]", "<>", "\"\"", "*", "%00", "../"};
	const char *text = texts[draw_below(sizeof texts / sizeof *texts)];
	size_t at = draw_below(input.len + 1), n = strlen(text), before = input.len;

	resize_hole(at, 0, n);
	if (input.len == before + n)
		memcpy(input.at + at, text, n);
}

static void
remove_bytes(void)
{
	size_t at = draw_below(input.len), left = input.len - at;

	if (input.len > 0)
		resize_hole(at, 1 + draw_below(left < 64 ? left : 64), 0);
}

static void
repeat_part(void)
{
	static uint8_t part[256];
	size_t at = draw_below(input.len), left = input.len - at, n, times = 1 + draw_below(20);

	if (input.len == 0)
		return;
	n = 1 + draw_below(left < sizeof part ? left : sizeof part);
	memcpy(part, input.at + at, n);
	for (size_t i = 0; i < times && input.len + n <= INPUT_MAX_BYTES; i++) {
		resize_hole(at, 0, n);
		memcpy(input.at + at, part, n);
	}
}

static void
splice_seed(void)
{
	size_t other = draw_below(n_seeds), from = draw_below(seeds[other].len),
	       n = draw_below(seeds[other].len - from + 1), at = draw_below(input.len + 1),
	       before = input.len;

	resize_hole(at, 0, n);
	if (input.len == before + n)
		memcpy(input.at + at, seeds[other].at + from, n);
}

static void
set_number(void)
{
	static const uint32_t numbers[] = {
	    0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff};
	uint32_t number = numbers[draw_below(sizeof numbers / sizeof *numbers)];

	if (input.len >= sizeof number)
		memcpy(
		    input.at + draw_below(input.len - sizeof number + 1), &number, sizeof number);
}

static void
mutate(void)
{
	static void (*const kinds[])(void) = {flip_bit, set_byte, insert_bytes, insert_text,
	    remove_bytes, repeat_part, splice_seed, set_number};
	size_t seed = draw_below(n_seeds), times = 1 + draw_below(MUTATIONS_MAX);

	memcpy(input.at, seeds[seed].at, seeds[seed].len);
	input.len = seeds[seed].len;
	for (size_t i = 0; i < times; i++)
		kinds[draw_below(sizeof kinds / sizeof *kinds)]();
}

/* ---- the run ---- */

static void
run_seeds(void)
{
	for (size_t i = 0; i < n_seeds; i++) {
		size_t step = seeds[i].len / FRONTS_MAX + 1;

		for (size_t len = seeds[i].len % step; len <= seeds[i].len; len += step) {
			memcpy(input.at, seeds[i].at, len);
			input.len = len;
			run();
		}
	}
}

static unsigned long
number_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		errx(64, "not a number: %s", text);
	return n;
}

int
main(int argc, char **argv)
{
	unsigned long wanted = 20000;
	int option;

	while ((option = getopt(argc, argv, "n:s:")) != -1)
		switch (option) {
		case 'n':
			wanted = number_of(optarg);
			break;
		case 's':
			state ^= number_of(optarg) * 0x9e3779b97f4a7c15ULL;
			break;
		default:
			errx(64, "usage: %s [-n inputs] [-s number] [seeds]...", argv[0]);
		}
	snprintf(crash_path, sizeof crash_path, "%s.crash", argv[0]);
	for (int i = optind; i < argc; i++)
		read_seeds(argv[i]);
	if (optind == argc)
		read_own_seeds(argv[0]);
	if (n_seeds == 0)
		seeds[n_seeds++].at = calloc(1, 1);
	watch_for_death();
	run_seeds();
	for (unsigned long i = 0; i < wanted; i++) {
		mutate();
		run();
	}
	printf("%lu inputs\n", n_inputs);
	for (size_t i = 0; i < n_seeds; i++)
		free(seeds[i].at);
	return 0;
}
