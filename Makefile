# Sambar Mail. make run: see it work. make check: all tests. make: build. See README.md.
#
#   B=DIR        where objects and programs go (default build)
#   SANITIZE=1   AddressSanitizer and UndefinedBehaviorSanitizer (default B: build-sanitize)
#   DESTDIR= PREFIX=   for make install

SANITIZE ?=
B        ?= $(if $(SANITIZE),build-sanitize,build)
PREFIX   ?= /usr/local
CC       ?= gcc
VERSION  := 0.1
# The instance of sendmail and sambarctl when neither SAMBAR_DIR nor the command line says which.
INSTANCE ?= /var/lib/sambar

PROGRAMS := master queue store auth router smtpd pop3d fetcher webd
LIBRARIES := libevent_core libevent_pthreads openssl jansson libseccomp libbsd-overlay libcrypt zlib ldns libidn2 sqlite3 gmime-3.0 libxml-2.0 libarchive libmagic

PKG_CFLAGS := $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(LIBRARIES) 2>/dev/null)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wvla -Wwrite-strings -Wundef -Wno-sign-compare -Wno-format-truncation
HARDEN   := -fPIE -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
OPTIMIZE := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed
ifneq ($(SANITIZE),)
OPTIMIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DSANITIZE
LDHARDEN := -pie -fsanitize=address,undefined
endif
CFLAGS_ALL  := -std=gnu11 $(WARNINGS) $(HARDEN) $(OPTIMIZE) $(PKG_CFLAGS) -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"' -MMD -MP $(CFLAGS)
LDFLAGS_ALL := $(LDHARDEN) $(LDFLAGS)
LIBS        := $(PKG_LIBS) -lpthread

# ---- what is made of what ----

sources  = $(wildcard $(1)/*.c)
objects  = $(patsubst %.c,$(B)/obj/%.o,$(1))
COMMON  := $(call objects,$(call sources,common))
# The doors: the client's side of each guardian's protocol.
DOORS   := $(call objects,$(wildcard queue/client.c queue/own_client.c queue/envelope.c store/client.c store/mailbox_client.c store/folders_client.c store/folders_ask.c store/folders_answer.c store/folder_name.c store/maildir_name.c store/message_flags.c store/backups.c store/copy_file.c auth/client.c router/client.c))
MAINS   := $(foreach p,$(PROGRAMS),$(B)/obj/$(p)/main.o) $(B)/obj/master/sambarctl.o $(B)/obj/router/deliver_main.o $(B)/obj/router/mailit_main.o $(B)/obj/fetcher/fetch_main.o $(B)/obj/smtpd/sendmail_main.o $(B)/obj/store/indexer_main.o
EXECUTABLES := $(PROGRAMS) deliver fetch indexer

all: $(addprefix $(B)/,$(EXECUTABLES)) $(B)/sambarctl $(B)/sendmail $(B)/mailit

$(B)/libcommon.a: $(COMMON)
$(B)/libdoors.a: $(DOORS)
define program_library
$(B)/lib$(1).a: $(filter-out $(MAINS) $(DOORS),$(call objects,$(call sources,$(1))))
$(B)/$(1): $(B)/obj/$(1)/main.o $(B)/lib$(1).a $(B)/libdoors.a $(B)/libcommon.a
	$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_library,$(p))))

$(B)/sambarctl: $(B)/obj/master/sambarctl.o $(B)/libmaster.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The children of router.
$(B)/deliver: $(B)/obj/router/deliver_main.o $(B)/librouter.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Sends a script's message, with the SMTP client of router's children.
$(B)/mailit: $(B)/obj/router/mailit_main.o $(B)/librouter.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The children of fetcher.
$(B)/fetch: $(B)/obj/fetcher/fetch_main.o $(B)/libfetcher.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# Looks into messages for store.
$(B)/indexer: $(B)/obj/store/indexer_main.o $(B)/libstore.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(B)/sendmail: $(B)/obj/smtpd/sendmail_main.o $(B)/libsmtpd.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
$(B)/obj/smtpd/sendmail_main.o $(B)/obj/master/sambarctl.o: CFLAGS_ALL += -DINSTANCE_DIR='"$(INSTANCE)"'

# webd takes the pages in.
STATIC := $(sort $(wildcard webd/static/*))
$(B)/made/static_files.c: webd/static_files.sh webd/static $(STATIC)
	@mkdir -p $(@D)
	webd/static_files.sh $@ $(STATIC)
$(B)/obj/webd/static_files.o: $(B)/made/static_files.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<
$(B)/libwebd.a: $(B)/obj/webd/static_files.o

# It takes the shipped files in.
$(B)/obj/master/shipped_conf.o: conf/config.ini conf/mail.ini

$(B)/lib%.a:
	@rm -f $@
	ar rcs $@ $^

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

# ---- tests: tests/unit/FOLDER_THING_test.c and tests/fuzz/FOLDER_THING_fuzz.c link FOLDER's library ----

UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*_test.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
folder_of = $(firstword $(subst _, ,$(1)))
library_of = $(if $(filter $(PROGRAMS),$(call folder_of,$(1))),$(B)/lib$(call folder_of,$(1)).a)

.SECONDEXPANSION:
$(B)/unit/%: $(B)/obj/tests/unit/%.o $$(call library_of,$$*) $(B)/libdoors.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS) -lcmocka
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/driver.o $$(call library_of,$$*) $(B)/libdoors.a $(B)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

unit: $(UNIT)
fuzz: $(FUZZ)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# A program that the system tests put in another's place, to try what it may reach there.
$(B)/probe: $(B)/obj/tests/system/probe.o $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
# Prints notifications of delivery for the tests that read them.
$(B)/dsn_print: $(B)/obj/tests/system/dsn_print.o $(B)/libqueue.a $(B)/libdoors.a $(B)/libcommon.a
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
probe: $(B)/probe $(B)/dsn_print

clean:
	rm -rf build build-sanitize

.PHONY: all unit fuzz probe clean

# ---- what people and machines call; packages come first, and what pkg-config knows after them is read anew ----

PYTHON ?= /usr/bin/python3
REMAKE := $(MAKE) --no-print-directory -s -j$(shell nproc)

run:
	@tests/packages.sh build run
	@$(REMAKE) all
	@tests/run.sh $(B)

check:
	@tests/packages.sh build check
	@$(PYTHON) tests/check.py

# See tests/bench/README.md; PEERS=1 PEER_SCRIPTS=DIR compares with other servers.
bench:
	@tests/packages.sh build bench
	@$(REMAKE) all $(addprefix $(B)/bench/,popload smtplat smtpsink)
	@B=$(B) $(PYTHON) tests/bench/bench.py

$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -D_GNU_SOURCE -pthread -o $@ $<

# A Debian package in build/, from what is in this directory.
DEB_TREE := build/sambar-mail-$(VERSION)
deb:
	@tests/packages.sh build deb
	rm -rf $(DEB_TREE)
	mkdir -p $(DEB_TREE)
	tar -c --exclude=./build --exclude='./build-*' --exclude=./.git . | tar -x -C $(DEB_TREE)
	cp -r conf/debian $(DEB_TREE)/debian
	cd $(DEB_TREE) && dpkg-buildpackage -us -uc -b
	lintian --fail-on error,warning build/sambar-mail_$(VERSION)_*.changes

# Installs, uses, upgrades and removes that package on a Debian with systemd that runs in namespaces, and sees its AppArmor
# profiles at work in a virtual machine. As root.
check-package: deb
	@tests/packages.sh package
	$(PYTHON) tests/package/check_package.py build/sambar-mail_$(VERSION)_*.deb

SOURCES = $(wildcard */*.[ch] tests/*/*.[ch])
lint:
	@tests/packages.sh build lint
	clang-tidy --quiet $(wildcard $(addsuffix /*.c,common $(PROGRAMS))) -- -std=gnu11 $(PKG_CFLAGS) -I. -D_GNU_SOURCE -DVERSION='"$(VERSION)"'
	mandoc -Tlint -Wwarning docs/man/*

format:
	clang-format -i $(SOURCES)

LIBDIR  = $(DESTDIR)$(PREFIX)/lib/sambar
SBINDIR = $(DESTDIR)$(PREFIX)/sbin
SHARE   = $(DESTDIR)$(PREFIX)/share
UNITS = $(notdir $(wildcard conf/*.service conf/*.path))
# Where the unit mounts what its programs see.
ROOT_DIRECTORIES = dev etc opt proc run srv sys tmp usr var
BASH_COMPLETIONS ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETIONS  ?= $(PREFIX)/share/zsh/site-functions
$(B)/made/completion.%: $(B)/sambarctl
	@mkdir -p $(@D)
	$(B)/sambarctl completion $* >$@

install: all $(B)/made/completion.bash $(B)/made/completion.zsh
	install -d $(LIBDIR) $(SBINDIR) $(DESTDIR)$(PREFIX)/bin $(SHARE)/sambar $(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man8
	install -m 755 $(addprefix $(B)/,$(EXECUTABLES)) $(LIBDIR)
	install -m 755 $(B)/sambarctl $(B)/sendmail $(SBINDIR)
	install -m 755 $(B)/mailit $(DESTDIR)$(PREFIX)/bin
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/bin/mailq
	ln -sf ../sbin/sendmail $(DESTDIR)$(PREFIX)/bin/newaliases
	install -m 644 $(wildcard conf/*.ini) $(SHARE)/sambar
	for u in $(UNITS); do sed 's,/usr/sbin/,$(PREFIX)/sbin/,; s,/usr/lib/,$(PREFIX)/lib/,' conf/$$u >$(SHARE)/sambar/$$u; done
	install -d $(addprefix $(LIBDIR)/root/,$(ROOT_DIRECTORIES))
	for d in bin sbin lib lib64; do ln -sfn usr/$$d $(LIBDIR)/root/$$d; done
	install -D -m 644 conf/apparmor/abstractions/sambar $(SHARE)/sambar/apparmor/abstractions/sambar
	sed 's,/usr/lib/,$(PREFIX)/lib/,' conf/apparmor/sambar >$(SHARE)/sambar/apparmor/sambar
	install -D -m 644 $(B)/made/completion.bash $(DESTDIR)$(BASH_COMPLETIONS)/sambarctl
	install -D -m 644 $(B)/made/completion.zsh $(DESTDIR)$(ZSH_COMPLETIONS)/_sambarctl
	install -m 644 $(wildcard docs/man/*.1) $(SHARE)/man/man1
	install -m 644 $(wildcard docs/man/*.5) $(SHARE)/man/man5
	install -m 644 $(wildcard docs/man/*.8) $(SHARE)/man/man8
	ln -sf sendmail.8 $(SHARE)/man/man8/mailq.8
	ln -sf sendmail.8 $(SHARE)/man/man8/newaliases.8

uninstall:
	rm -rf $(LIBDIR) $(SHARE)/sambar
	rm -f $(SBINDIR)/sambarctl $(SBINDIR)/sendmail $(addprefix $(DESTDIR)$(PREFIX)/bin/,mailit mailq newaliases)
	rm -f $(DESTDIR)$(BASH_COMPLETIONS)/sambarctl $(DESTDIR)$(ZSH_COMPLETIONS)/_sambarctl
	rm -f $(foreach n,1 5 8,$(addprefix $(SHARE)/man/man$(n)/,$(notdir $(wildcard docs/man/*.$(n)))))
	rm -f $(SHARE)/man/man8/mailq.8 $(SHARE)/man/man8/newaliases.8

.PHONY: run check check-package bench deb lint format install uninstall
