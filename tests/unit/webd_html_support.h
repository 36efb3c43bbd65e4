/*
 * What cleaned HTML must be, whatever it was made of: known elements, known attributes, harmless
 * addresses, no '<' but those of tags.
 */
#ifndef TESTS_WEBD_HTML_SUPPORT_H
#define TESTS_WEBD_HTML_SUPPORT_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const harmful_elements[] = {"script", "iframe", "object", "embed", "form",
    "input", "svg", "math", "meta", "link", "base", "template", "noscript", "textarea", "select",
    "button", "video", "audio", "frame", "frameset", "applet", "title", "xmp", "plaintext", "body",
    "html", "head", "isindex", "animate", "set", "foreignobject", "annotation-xml", "dialog",
    "portal"};

static bool
html_name_is(const char *at, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(at, name, len) == 0;
}

/* After the name and its '="': the end of the value, or NULL. */
static const char *
html_check_value(const char *name, size_t name_len, const char *value)
{
	const char *end = strchr(value, '"');

	if (end == NULL || memchr(value, '<', end - value) != NULL)
		return NULL;
	if (name_len >= 2 && strncasecmp(name, "on", 2) == 0)
		return NULL;
	if (html_name_is(name, name_len, "href") && strncasecmp(value, "http://", 7) != 0 &&
	    strncasecmp(value, "https://", 8) != 0 && strncasecmp(value, "mailto:", 7) != 0 &&
	    strncasecmp(value, "tel:", 4) != 0)
		return NULL;
	if (html_name_is(name, name_len, "src") && strncasecmp(value, "http://", 7) != 0 &&
	    strncasecmp(value, "https://", 8) != 0 && strncasecmp(value, "cid:", 4) != 0 &&
	    strncasecmp(value, "data:image/", 11) != 0)
		return NULL;
	if (html_name_is(name, name_len, "style"))
		for (const char *c = value; c < end; c++)
			if (*c == '\\' || *c == '@' || strncasecmp(c, "url(", 4) == 0 ||
			    strncasecmp(c, "expression(", 11) == 0)
				return NULL;
	return end + 1;
}

/* NULL, or where it goes wrong. */
static const char *
html_find_harm(const char *html)
{
	for (const char *at = html; (at = strchr(at, '<')) != NULL;) {
		const char *tag = at, *name = at[1] == '/' ? at + 2 : at + 1;
		size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");

		if (len == 0)
			return tag;
		for (size_t i = 0; i < sizeof harmful_elements / sizeof harmful_elements[0]; i++)
			if (html_name_is(name, len, harmful_elements[i]))
				return tag;
		at = name + len;
		while (*at == ' ') {
			const char *attribute = ++at;
			size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz");

			at += n;
			if (n == 0 || at[0] != '=' || at[1] != '"' ||
			    (at = html_check_value(attribute, n, at + 2)) == NULL)
				return tag;
		}
		if (*at++ != '>')
			return tag;
	}
	return NULL;
}

#endif
