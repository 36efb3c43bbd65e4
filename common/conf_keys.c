/*
 * The table of all configuration keys: the manual's with their exact names, and ours. sambar.ini(5)
 * and conf/ describe the same keys; tests/unit/common_conf_keys_test.c holds them together.
 */
#include "common/config.h"
#include "common/ipc.h"
#include "common/memory.h"

#define K    1024ULL
#define M    (1024ULL * K)
#define G    (1024ULL * M)
#define HOUR 3600
#define DAY  (24 * HOUR)

enum {
	S = ROLE_SMTPD,
	P = ROLE_POP3D,
	Q = ROLE_QUEUE,
	R = ROLE_ROUTER,
	T = ROLE_STORE,
	A = ROLE_AUTH,
	D = ROLE_DELIVER,
	F = ROLE_FETCHER,
	C = ROLE_FETCH, /* fetcher's children */
	I = ROLE_INDEXER,
	W = ROLE_WEBD,
	SUP = ROLE_MASTER
};

const struct config_key config_keys[] = {
    /* file, section, key, type, preset, words, min, max, roles, not yet, meaning */
    /* clang-format off */
	{ "config.ini", "common", "Act As Mail Server", CONFIG_BOOL, "true", NULL, 0, 0, SUP, NULL, "Run the mail server at all." },
	{ "config.ini", "common", "Uid Base", CONFIG_NUMBER, "0", NULL, 0, 4000000000ULL, SUP, NULL, "The first of the numeric accounts that the programs run under when root starts them and accounts sambar-<program> do not exist; 0: none. Takes effect at the next stop and start." },
	{ "config.ini", "common", "System Administrator IP", CONFIG_ADDRESSES, NULL, NULL, 0, 0, SUP, NULL, "From where System Administration may be used, as IP addresses with * or CIDR; without one from anywhere." },
	{ "config.ini", "common", "SMTP Server", CONFIG_HOST, NULL, NULL, 0, 0, R, NULL, "The ISP's SMTP server (host or host:port) that takes all mail for the internet when Use MTA is false." },
	{ "config.ini", "common", "SMTP Server User", CONFIG_TEXT, NULL, NULL, 0, 255, R, NULL, "Whom to log in to the SMTP Server as; without one nobody logs in." },
	{ "config.ini", "common", "SMTP Server Password", CONFIG_SECRET, NULL, NULL, 0, 255, R, NULL, "The password of SMTP Server User." },
	{ "config.ini", "common", "SMTP Server TLS", CONFIG_CHOICE, "opportunistic", "none opportunistic required implicit", 0, 0, R, NULL, "TLS on the way to the SMTP Server: never, if it is offered, always, or always and from the start." },
	{ "config.ini", "common", "SMTP Server Verify", CONFIG_BOOL, "true", NULL, 0, 0, R, NULL, "With TLS required or implicit, insist on a certificate of a known issuer for the SMTP Server's name." },
	{ "config.ini", "common", "SMTP Server AUTH Without TLS", CONFIG_BOOL, "false", NULL, 0, 0, R, NULL, "Log in to the SMTP Server even where the password can be overheard; at a loopback address it cannot." },
	{ "config.ini", "common", "DNS Primary", CONFIG_NAMESERVER, NULL, NULL, 0, 0, SUP, NULL, "The DNS server that answers MX look-ups; without it those of resolv.conf." },
	{ "config.ini", "common", "DNS Secondary", CONFIG_NAMESERVER, NULL, NULL, 0, 0, SUP, NULL, "The DNS server asked when the primary one does not answer." },
	{ "config.ini", "common", "Trust DNSSEC", CONFIG_BOOL, "false", NULL, 0, 0, SUP, NULL, "These DNS servers validate, and nobody is between them and this host: DANE is used." },
	{ "config.ini", "common", "Maximum Content-Length", CONFIG_SIZE, "10M", NULL, 1 * K, 2 * G, W, NULL, "The largest upload that WebMail accepts, such as one attached file." },

	{ "config.ini", "listen", "SMTP", CONFIG_LISTEN, "0.0.0.0:25 [::]:25", NULL, 0, 0, D | SUP, NULL, "Where smtpd takes mail from other servers." },
	{ "config.ini", "listen", "Submission", CONFIG_LISTEN, "0.0.0.0:587 [::]:587", NULL, 0, 0, D | W | SUP, NULL, "Where smtpd takes mail from users, with STARTTLS and AUTH." },
	{ "config.ini", "listen", "SMTPS", CONFIG_LISTEN, "0.0.0.0:465 [::]:465", NULL, 0, 0, D | W | SUP, NULL, "The same with TLS from the start." },
	{ "config.ini", "listen", "POP3", CONFIG_LISTEN, "0.0.0.0:110 [::]:110", NULL, 0, 0, W | SUP, NULL, "Where pop3d serves mailboxes, with STLS." },
	{ "config.ini", "listen", "POP3S", CONFIG_LISTEN, "0.0.0.0:995 [::]:995", NULL, 0, 0, W | SUP, NULL, "The same with TLS from the start." },

	{ "config.ini", "listen", "HTTP", CONFIG_LISTEN, NULL, NULL, 0, 0, SUP, NULL, "Where webd serves WebMail and System Administration in clear: for browsers on this host, and for a reverse proxy of Trusted Proxies." },
	{ "config.ini", "listen", "HTTPS", CONFIG_LISTEN, "0.0.0.0:443 [::]:443", NULL, 0, 0, W | SUP, NULL, "The same with TLS." },

	{ "config.ini", "web", "Trusted Proxies", CONFIG_ADDRESSES, NULL, NULL, 0, 0, W, NULL, "Reverse proxies, whose X-Forwarded-For and X-Forwarded-Proto are believed." },
	{ "config.ini", "web", "Session Timeout", CONFIG_DURATION, "1h", NULL, 60, 7 * DAY, W, NULL, "How long a browser stays logged in without a request." },
	{ "config.ini", "web", "Metrics Key", CONFIG_SECRET, NULL, NULL, 16, 255, W, NULL, "The key with which Prometheus reads /metrics; without one nobody does." },
	{ "config.ini", "web", "Client Autoconfiguration", CONFIG_BOOL, "true", NULL, 0, 0, W | SUP, NULL, "Tell mail clients the settings of the servers, for addresses at local domains." },

	{ "config.ini", "tls", "Certificate", CONFIG_PATH, "config/tls.crt", NULL, 0, 0, SUP, NULL, "The certificate chain in PEM." },
	{ "config.ini", "tls", "Private Key", CONFIG_PATH, "config/tls.key", NULL, 0, 0, SUP, NULL, "Its private key in PEM." },
	{ "config.ini", "tls", "Minimum Version", CONFIG_CHOICE, "TLSv1.2", "TLSv1.2 TLSv1.3", 0, 0, S | P | W | D | C, NULL, "The oldest TLS version that is spoken; to other hosts, where TLS is demanded." },
	{ "config.ini", "tls", "Trusted Roots", CONFIG_PATH, "/etc/ssl/certs/ca-certificates.crt", NULL, 0, 0, D | C, NULL, "The certificates of the issuers that are believed when another host's certificate is verified, in PEM." },
	{ "config.ini", "tls", "Client Certificate", CONFIG_PATH, NULL, NULL, 0, 0, SUP, NULL, "The certificate chain that is shown to other mail servers that ask for one, in PEM." },
	{ "config.ini", "tls", "Client Key", CONFIG_PATH, NULL, NULL, 0, 0, SUP, NULL, "Its private key in PEM." },

	{ "config.ini", "certificate *", "Certificate", CONFIG_PATH, NULL, NULL, 0, 0, SUP, NULL, "The certificate chain in PEM, whose names clients ask for." },
	{ "config.ini", "certificate *", "Private Key", CONFIG_PATH, NULL, NULL, 0, 0, SUP, NULL, "Its private key in PEM." },

	{ "config.ini", "outgoing", "IP Protocol", CONFIG_CHOICE, "auto", "auto both IPv4 IPv6", 0, 0, D | C, NULL, "The addresses of other hosts that are tried; auto: those that this host has a route to." },
	{ "config.ini", "outgoing", "Own Names", CONFIG_DOMAINS, NULL, NULL, 0, 0, D, NULL, "Further names of this host: a domain whose mail would go to them is a loop." },
	{ "config.ini", "outgoing", "Own Addresses", CONFIG_ADDRESSES, NULL, NULL, 0, 0, D, NULL, "Addresses under which other hosts reach this one though it does not have them, as behind NAT: the same." },
	{ "config.ini", "outgoing", "Unusable Addresses", CONFIG_ADDRESSES, "0.0.0.0/8 127.0.0.0/8 224.0.0.0/3 ::/128 ::1/128 fe80::/10 ff00::/8", NULL, 0, 0, D, NULL, "Addresses that the DNS cannot mean: mail is never sent to an MX there." },

	{ "config.ini", "limits", "SMTP Workers", CONFIG_NUMBER, "0", NULL, 0, 64, SUP, NULL, "smtpd processes; 0: one a core." },
	{ "config.ini", "limits", "POP3 Workers", CONFIG_NUMBER, "0", NULL, 0, 64, SUP, NULL, "pop3d processes; 0: one a core." },
	{ "config.ini", "limits", "Auth Workers", CONFIG_NUMBER, "2", NULL, 1, 64, A, NULL, "Passwords that are hashed at one time." },
	{ "config.ini", "limits", "Maximum SMTP Connections", CONFIG_NUMBER, "10000", NULL, 1, 1000000, S, NULL, "SMTP connections at one time; more are told 421 4.3.2." },
	{ "config.ini", "limits", "Maximum SMTP Connections Per Address", CONFIG_NUMBER, "50", NULL, 0, 1000000, S, NULL, "The same from one address (an IPv6 address counts as its /64); 0: no limit." },
	{ "config.ini", "limits", "Maximum POP3 Connections", CONFIG_NUMBER, "5000", NULL, 1, 1000000, P, NULL, "POP3 connections at one time." },
	{ "config.ini", "limits", "Maximum POP3 Connections Per Address", CONFIG_NUMBER, "50", NULL, 0, 1000000, P, NULL, "The same from one address; 0: no limit." },
	{ "config.ini", "limits", "Maximum HTTP Connections", CONFIG_NUMBER, "2000", NULL, 1, 1000000, W, NULL, "HTTP connections at one time." },
	{ "config.ini", "limits", "Maximum HTTP Connections Per Address", CONFIG_NUMBER, "100", NULL, 0, 1000000, W, NULL, "The same from one address; 0: no limit." },
	{ "config.ini", "limits", "Unlimited Addresses", CONFIG_ADDRESSES, "127.0.0.1 ::1", NULL, 0, 0, S | P | W, NULL, "Addresses without a limit of connections per address." },
	{ "config.ini", "limits", "Maximum SMTP Errors", CONFIG_NUMBER, "20", NULL, 1, 100000, S, NULL, "Refused commands in one SMTP connection before it is closed with 421 4.7.0." },
	{ "config.ini", "limits", "Maximum SMTP Commands Without Mail", CONFIG_NUMBER, "200", NULL, 10, 1000000, S, NULL, "Commands between two messages (RCPT not counted) before the connection is closed with 421 4.7.0." },
	{ "config.ini", "limits", "Maximum POP3 Errors", CONFIG_NUMBER, "20", NULL, 1, 100000, P, NULL, "Refused commands in one POP3 connection before it is closed." },
	{ "config.ini", "limits", "Maximum Login Failures", CONFIG_NUMBER, "5", NULL, 1, 1000, S | P, NULL, "Failed logins in one connection before it is closed." },
	{ "config.ini", "limits", "Maximum Alias Depth", CONFIG_NUMBER, "10", NULL, 1, 100, R, NULL, "Aliases of aliases that are followed." },
	{ "config.ini", "limits", "Maximum Messages In Hand", CONFIG_NUMBER, "200", NULL, 1, 5000, R, NULL, "Messages that router works on at one time." },
	{ "config.ini", "limits", "Maximum Connections To A Host", CONFIG_NUMBER, "20", NULL, 1, 1000, R, NULL, "Conversations at one time with one destination; they begin with few, and grow with success." },
	{ "config.ini", "limits", "Maximum Fetches", CONFIG_NUMBER, "20", NULL, 1, 1000, F | SUP, NULL, "Remote mailboxes that are collected, or waited at, at one time." },
	{ "config.ini", "limits", "Spare Spool Files", CONFIG_NUMBER, "64", NULL, 1, 1000, S, NULL, "Spool files without a message that each smtpd keeps in hand." },

	{ "config.ini", "timeouts", "SMTP Command", CONFIG_DURATION, "5m", NULL, 1, DAY, S, NULL, "Longest wait for the next SMTP command (RFC 5321 4.5.3.2)." },
	{ "config.ini", "timeouts", "SMTP Data", CONFIG_DURATION, "3m", NULL, 1, DAY, S, NULL, "Longest wait for the next piece of a message." },
	{ "config.ini", "timeouts", "SMTP Transaction", CONFIG_DURATION, "1h", NULL, 1, 7 * DAY, S, NULL, "Longest time for receiving one message." },
	{ "config.ini", "timeouts", "Inner Answer", CONFIG_DURATION, "30s", NULL, 1, HOUR, S, NULL, "Longest wait of an SMTP client for what router says of an address, or for a spool file; then 451 4.3.0." },
	{ "config.ini", "timeouts", "POP3 Login", CONFIG_DURATION, "1m", NULL, 1, DAY, P, NULL, "Longest time from connecting to being logged in." },
	{ "config.ini", "timeouts", "POP3 Idle", CONFIG_DURATION, "10m", NULL, 1, DAY, P, NULL, "Longest wait for the next POP3 command (RFC 1939 3)." },
	{ "config.ini", "timeouts", "TLS Handshake", CONFIG_DURATION, "1m", NULL, 1, HOUR, S | P | W | D | C, NULL, "Longest time for a TLS handshake." },
	{ "config.ini", "timeouts", "DNS Reply", CONFIG_DURATION, "5s", NULL, 1, 60, D | C, NULL, "Longest wait for one DNS server's answer." },
	{ "config.ini", "timeouts", "Outgoing Connect", CONFIG_DURATION, "30s", NULL, 1, HOUR, D | C, NULL, "Longest wait for a connection to another host." },
	{ "config.ini", "timeouts", "Outgoing Reply", CONFIG_DURATION, "5m", NULL, 1, HOUR, D | C, NULL, "Longest wait for another host's reply to a command (RFC 5321 4.5.3.2)." },
	{ "config.ini", "timeouts", "Outgoing Data", CONFIG_DURATION, "3m", NULL, 1, HOUR, D | C, NULL, "Longest wait until another host takes the next piece of a message." },
	{ "config.ini", "timeouts", "Outgoing End", CONFIG_DURATION, "10m", NULL, 1, DAY, D, NULL, "Longest wait for another host's reply to the end of a message." },
	{ "config.ini", "timeouts", "Outgoing Idle", CONFIG_DURATION, "5s", NULL, 1, 300, D, NULL, "How long a session waits for another message to the same destination." },
	{ "config.ini", "timeouts", "Shutdown", CONFIG_DURATION, "30s", NULL, 1, HOUR, SUP, NULL, "What a program may take to finish its work when it is stopped." },
	{ "config.ini", "timeouts", "Remember Login", CONFIG_DURATION, "5m", NULL, 0, DAY, A, NULL, "How long a successful password is remembered (as a keyed hash in memory); 0: not at all." },
	{ "config.ini", "timeouts", "Maximum Login Delay", CONFIG_DURATION, "15s", NULL, 0, 600, A, NULL, "The longest delay of a failed login; it doubles with each failure of an address or account." },
	{ "config.ini", "timeouts", "Dead Destination", CONFIG_DURATION, "4m", NULL, 0, DAY, R, NULL, "How long nobody tries a destination of which no host could be reached; its mail is deferred at once. Less than the first of Retry Intervals, so that this tries it." },
	{ "config.ini", "timeouts", "Retry Intervals", CONFIG_DURATIONS, "5m 15m 30m 1h 2h 4h", NULL, 1, 30 * DAY, Q, NULL, "Waits before the second, third, ... attempt; the last one is repeated." },

	{ "config.ini", "log", "Debug", CONFIG_BOOL, "false", NULL, 0, 0, S | P | W | Q | R | T | A | D | F | C | I | SUP, NULL, "Also log what only a developer wants to know." },

	{ "mail.ini", "mail", "Mail Server", CONFIG_DOMAIN, NULL, NULL, 0, 0, S | P | W | R | T | A | Q | D | F | C | SUP, NULL, "The domain of the mail server; identifies local mail. Without it the system's name." },
	{ "mail.ini", "mail", "Mail Directory", CONFIG_PATH, "mail/mbox", NULL, 0, 0, SUP, NULL, "The directory in which user mailboxes are created." },
	{ "mail.ini", "mail", "Maximum Users", CONFIG_NUMBER, "1000", NULL, 1, 1000000, T, NULL, "Users who read their mail at one time." },
	{ "mail.ini", "mail", "Maximum MTA Routers", CONFIG_NUMBER, "1", NULL, 1, 1000, R | SUP, NULL, "Processes that deliver to other hosts at one time." },
	{ "mail.ini", "mail", "Maximum Mailbox Size", CONFIG_SIZE, NULL, NULL, 1, 0, T, NULL, "The largest size of any mailbox; without it there is no limit." },
	{ "mail.ini", "mail", "Run SMTPD", CONFIG_BOOL, "true", NULL, 0, 0, W | SUP, NULL, "Run the SMTP server." },
	{ "mail.ini", "mail", "Enable WebMail", CONFIG_BOOL, "true", NULL, 0, 0, W, NULL, "Offer WebMail; System Administration is there without it." },
	{ "mail.ini", "mail", "Trace SMTP", CONFIG_BOOL, "false", NULL, 0, 0, S, NULL, "Write SMTP dialogues to log/smtpd.trace." },
	{ "mail.ini", "mail", "Trace POP3", CONFIG_BOOL, "false", NULL, 0, 0, P, NULL, "Write POP3 dialogues to log/pop3d.trace." },
	{ "mail.ini", "mail", "Trace Router", CONFIG_BOOL, "false", NULL, 0, 0, R | D, NULL, "Write each decision of the router to log/router.trace, and the dialogues with other hosts to log/deliver.trace." },
	{ "mail.ini", "mail", "Trace Fetcher", CONFIG_BOOL, "false", NULL, 0, 0, F | C, NULL, "Write POP3 and IMAP4 dialogues of the Mail Fetcher to log/fetch.trace." },
	{ "mail.ini", "mail", "Backup Mailboxes", CONFIG_BOOL, "false", NULL, 0, 0, T, NULL, "Back up all mailboxes daily, and keep the backups of a week." },

	{ "mail.ini", "smtpd", "Relay Delivery", CONFIG_CHOICE, "ondemand", "ondemand never hourly daily", 0, 0, S | R, NULL, "When mail for other hosts is passed on to the SMTP Server; never: only local mail is accepted." },
	{ "mail.ini", "smtpd", "Relay FROM User", CONFIG_MAIL_ADDRESS, NULL, NULL, 0, 0, R, NULL, "The reverse-path of all mail relayed to the SMTP Server." },
	{ "mail.ini", "smtpd", "Local Domains", CONFIG_DOMAINS, NULL, NULL, 0, 0, R | A | F | W, NULL, "Further domains whose mail is local." },
	{ "mail.ini", "smtpd", "Relay Domains", CONFIG_DOMAINS, NULL, NULL, 0, 0, R, NULL, "Domains of peers: their mail is accepted and passed on." },
	{ "mail.ini", "smtpd", "Maximum Message Size", CONFIG_SIZE, "25M", NULL, 64 * K, 2 * G, S | W | F, NULL, "The largest message that is accepted." },
	{ "mail.ini", "smtpd", "Spool Directory", CONFIG_PATH, "spool", NULL, 0, 0, SUP, NULL, "Where mail waits for its delivery." },
	{ "mail.ini", "smtpd", "Failures Directory", CONFIG_PATH, "failures", NULL, 0, 0, SUP, NULL, "Where mail ends that cannot be delivered." },
	{ "mail.ini", "smtpd", "Require AUTH", CONFIG_BOOL, "true", NULL, 0, 0, S, NULL, "Relay only for users who have logged in, and for programs of this host." },
	{ "mail.ini", "smtpd", "Restrict Relay", CONFIG_BOOL, "true", NULL, 0, 0, S, NULL, "Without a login, relay only from Restrict Relay IPs and for senders with a local account." },
	{ "mail.ini", "smtpd", "Trusted Users", CONFIG_TEXT, NULL, NULL, 0, 1000, S, NULL, "Accounts of this machine, besides root, that may send under any address by sendmail." },
	{ "mail.ini", "smtpd", "Restrict Relay IPs", CONFIG_ADDRESSES, "127.0.0.1 ::1", NULL, 0, 0, S, NULL, "Hosts that may relay without a login." },
	{ "mail.ini", "smtpd", "Allow Any FROM", CONFIG_BOOL, "false", NULL, 0, 0, S | W, NULL, "Users who have logged in may send under any address, not only their own." },
	{ "mail.ini", "smtpd", "Use MTA", CONFIG_BOOL, "true", NULL, 0, 0, R, NULL, "Deliver by MX; else by the SMTP Server, and without one only local mail is accepted." },
	{ "mail.ini", "smtpd", "Unknown Mailbox", CONFIG_MAILBOX, NULL, NULL, 0, 0, R, NULL, "The mailbox for mail to unknown local addresses; without it they are refused." },
	{ "mail.ini", "smtpd", "Maximum Recipients", CONFIG_NUMBER, "1000", NULL, 1, 100000, S | W, NULL, "Recipients of one message, after alias expansion." },
	{ "mail.ini", "smtpd", "Maximum Received Hops", CONFIG_NUMBER, "30", NULL, 1, 1000, S | F, NULL, "Received: lines before a message counts as looping." },
	{ "mail.ini", "smtpd", "Delay Notice", CONFIG_DURATION, "4h", NULL, 0, 30 * DAY, Q, NULL, "When the sender of a message that still waits is told so, once; 0: never." },
	{ "mail.ini", "smtpd", "Maximum Bounces", CONFIG_NUMBER, "100", NULL, 0, 1000000, Q, NULL, "Notifications of delivery to one address in an hour; 0: no limit." },
	{ "mail.ini", "smtpd", "Maximum Bounce Size", CONFIG_SIZE, "100K", NULL, 0, 2 * G, Q, NULL, "The largest message that is returned whole to its sender; of a larger one the header is." },
	{ "mail.ini", "smtpd", "Maximum Retry", CONFIG_NUMBER, "12", NULL, 0, 1000, Q, NULL, "4 hour intervals in which delivery is tried again." },

	{ "mail.ini", "fetch *", "Protocol", CONFIG_CHOICE, "pop3", "pop3 imap", 0, 0, F, NULL, "How the remote mailbox is read." },
	{ "mail.ini", "fetch *", "Server", CONFIG_HOST, NULL, NULL, 0, 0, F, NULL, "The host of the remote mailbox, with :port where that is not the usual one." },
	{ "mail.ini", "fetch *", "TLS", CONFIG_CHOICE, "implicit", "implicit starttls none", 0, 0, F, NULL, "From the start, by STARTTLS or STLS before the login, or, where the password may be overheard, none." },
	{ "mail.ini", "fetch *", "Certificate Fingerprint", CONFIG_FINGERPRINT, NULL, NULL, 0, 0, F, NULL, "The SHA-256 fingerprint of the only certificate that is believed, whoever issued it; without it, one of a known issuer for the server's name." },
	{ "mail.ini", "fetch *", "User", CONFIG_TEXT, NULL, NULL, 0, 255, F, NULL, "Whom to log in as." },
	{ "mail.ini", "fetch *", "Password", CONFIG_SECRET, NULL, NULL, 0, 255, F, NULL, "The password of User." },
	{ "mail.ini", "fetch *", "OAuth Token Endpoint", CONFIG_URL, NULL, NULL, 0, 0, F, NULL, "Where an access token is had that is used in place of the Password." },
	{ "mail.ini", "fetch *", "OAuth Client ID", CONFIG_TEXT, NULL, NULL, 0, 1000, F, NULL, "The name under which this host is known there." },
	{ "mail.ini", "fetch *", "OAuth Client Secret", CONFIG_SECRET, NULL, NULL, 0, 1000, F, NULL, "The secret of OAuth Client ID; without it the client is a public one." },
	{ "mail.ini", "fetch *", "OAuth Refresh Token", CONFIG_SECRET, NULL, NULL, 0, 6000, F, NULL, "What entitles to access tokens for User." },
	{ "mail.ini", "fetch *", "OAuth Token Command", CONFIG_COMMAND, NULL, NULL, 0, 0, F | SUP, NULL, "A command that prints an access token, which is used in place of the Password." },
	{ "mail.ini", "fetch *", "Folders", CONFIG_FOLDERS, "INBOX", NULL, 0, 0, F, NULL, "The folders that are collected with IMAP: names with blanks between them, in quotes where they hold blanks, or patterns with * and %." },
	{ "mail.ini", "fetch *", "Interval", CONFIG_INTERVAL, "10m", NULL, 0, 30 * DAY, F, NULL, "The time between two collections; manual: only by sambarctl fetch now." },
	{ "mail.ini", "fetch *", "IDLE", CONFIG_BOOL, "true", NULL, 0, 0, F, NULL, "With IMAP, stay connected between collections, so that new mail arrives at once." },
	{ "mail.ini", "fetch *", "Maximum Message Size", CONFIG_SIZE, NULL, NULL, 1 * K, 2 * G, F, NULL, "Larger messages stay at the server, and are reported; without it that of [smtpd] holds." },
	{ "mail.ini", "fetch *", "At Server", CONFIG_AT_SERVER, "leave", NULL, 0, 0, F, NULL, "What becomes of a message there once it is safe here: leave, delete, delete after TIME, or with IMAP seen or move FOLDER." },
	{ "mail.ini", "fetch *", "Routing", CONFIG_ROUTING, NULL, NULL, 0, 0, F, NULL, "Where the mail goes: mailbox NAME, or by the addresses in its header, local or all." },
	{ "mail.ini", "fetch *", "Local Domains", CONFIG_DOMAINS, NULL, NULL, 0, 0, F, NULL, "Further domains whose addresses in the header mean the mailbox of that name here." },
	{ "mail.ini", "fetch *", "Unknown Mailbox", CONFIG_MAILBOX, NULL, NULL, 0, 0, F, NULL, "With Routing local or all, the mailbox for mail whose header names nobody here." },
    /* clang-format on */
};

const size_t n_config_keys = nitems(config_keys);
