/*
 * HTML of strangers, cleaned: what people write stays, and nothing of the well-known collections of
 * cross-site scripting runs or loads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/memory.h"
#include "common/mime.h"
#include "common/text_buffer.h"
#include "tests/unit/webd_html_support.h"
#include "webd/css_clean.h"
#include "webd/html_clean.h"

static char *
clean(const char *html, bool remote, bool styles, bool *had_remote)
{
	struct html_clean_options options = {.remote = remote, .styles = styles};
	struct html_cleaned c;

	html_clean(span_of(html), &options, &c);
	if (had_remote != NULL)
		*had_remote = c.had_remote;
	return c.html;
}

static const struct {
	const char *html, *cleaned;
} rows[] = {
    {"plain", "plain"},
    {"a < b & c", "a &lt; b &amp; c"},
    {"<p>a<p>b", "<p>a</p><p>b</p>"},
    {"<b>x", "<b>x</b>"},
    {"</b></i>x", "x"},
    {"<a href=http://x.org/?a=1&b=2>l</a>", "<a href=\"http://x.org/?a=1&amp;b=2\" "
					    "target=\"_blank\" rel=\"noopener noreferrer\">l</a>"},
    {"<a href=//x.org>l</a>",
	"<a href=\"https://x.org\" target=\"_blank\" rel=\"noopener noreferrer\">l</a>"},
    {"<a href=mailto:a@b>l</a>",
	"<a href=\"mailto:a@b\" target=\"_blank\" rel=\"noopener noreferrer\">l</a>"},
    {"<a target=_self rel=opener href=/etc>l</a>", "<a>l</a>"},
    {"<a href='java\nscript:alert(1)'>l</a>", "<a>l</a>"},
    {"<a href=' &#14; javascript:alert(1)'>l</a>", "<a>l</a>"},
    {"<a href=JaVaScRiPt:alert(1)>l</a>", "<a>l</a>"},
    {"<a href=data:text/html,x>l</a>", "<a>l</a>"},
    {"<a href=vbscript:x>l</a>", "<a>l</a>"},
    {"<img src=cid:a@b alt='\"x'>", "<img src=\"cid:a@b\" alt=\"&quot;x\">"},
    {"<img src=x.png onerror=alert(1)>", "<img>"},
    {"<img src=data:image/svg+xml;base64,AAAA>", "<img>"},
    {"<img src=data:image/png;base64,AAAA>", "<img src=\"data:image/png;base64,AAAA\">"},
    {"<img src='data:image/png;base64,AA\"onload=x'>", "<img>"},
    {"<script>alert(1)</script>x", "x"},
    {"<ScRiPt/x>alert(1)</sCrIpT >x", "x"},
    {"<style>p { color: red }</style>x", "x"},
    {"<svg onload=alert(1)><p>in</p></svg>x", "x"},
    {"<math><mi xlink:href=data:x>y</mi></math>x", "x"},
    {"<iframe src=http://x></iframe>x", "x"},
    {"<object data=x><p>y</p></object>x", "x"},
    {"<form action=http://x><input name=a><button>go</button></form>", "go"},
    {"<meta http-equiv=refresh content='0;url=http://x'>x", "x"},
    {"<base href=http://x>x", "x"},
    {"<link rel=stylesheet href=http://x>x", "x"},
    {"<body onload=alert(1) style='color:red'>x</body>", "<div style=\"color: red\">x</div>"},
    {"<div onclick=x onmouseover='y' title=t>x</div>", "<div title=\"t\">x</div>"},
    {"<p style='color: red; position: fixed; background: url(http://x)'>x",
	"<p style=\"color: red\">x</p>"},
    {"<p style='width: expression(alert(1))'>x", "<p>x</p>"},
    {"<p style='background: \\75rl(x)'>x", "<p>x</p>"},
    {"<p style='background-color: u/**/rl(x)'>x", "<p>x</p>"},
    {"<p style='-moz-binding: url(x); behavior: url(y)'>x", "<p>x</p>"},
    {"<p style='font-family: \"A B\", c; color:#fff'>x",
	"<p style=\"font-family: &quot;A B&quot;, c; color: #fff\">x</p>"},
    {"<p style='width:calc(1px + (2px * 3)); color: rgb(1,2,3)!important'>x",
	"<p style=\"width: calc(1px + (2px * 3)); color: rgb(1,2,3)!important\">x</p>"},
    {"<p style='color: image-set(\"http://x\" 1x)'>x", "<p>x</p>"},
    {"<p class=c id=i name=n>x", "<p>x</p>"},
    {"<table background=http://x><td>y</table>", "<table><td>y</td></table>"},
    {"<o:p>x</o:p><blink>y</blink>", "xy"},
    {"<!-- c --><![if IE]>x<![endif]><?php y ?>z", "xz"},
    {"<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">y</noscript>x", NULL},
    {"a&#0;b&#1;c", NULL},
};

static void
keeps_what_is_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		char *html = clean(rows[i].html, false, false, NULL);

		if (html_find_harm(html) != NULL)
			fail_msg("row %zu: %s", i, html);
		if (rows[i].cleaned != NULL && strcmp(html, rows[i].cleaned) != 0)
			fail_msg("row %zu: %s", i, html);
		free(html);
	}
}

/* After OWASP's filter evasion cheat sheet, html5sec.org, and what broke other cleaners. */
static const char *const attacks[] = {
    "<SCRIPT SRC=http://xss.rocks/xss.js></SCRIPT>",
    "javascript:/*--></title></style></textarea></script></xmp><svg/onload='+/\"/+/onmouseover=1/+/"
    "[*/[]/+alert(1)//'>",
    "<IMG SRC=\"javascript:alert('XSS');\">",
    "<IMG SRC=javascript:alert(String.fromCharCode(88,83,83))>",
    "<IMG \"\"\"><SCRIPT>alert(\"XSS\")</SCRIPT>\"\\>",
    "<IMG SRC=# onmouseover=\"alert('xxs')\">",
    "<IMG onmouseover=\"alert('xxs')\">",
    "<IMG SRC=/ onerror=\"alert(String.fromCharCode(88,83,83))\"></img>",
    "<img src=x onerror=\"&#0000106&#0000097&#0000118\">",
    "<a href=\"&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1)\">x</a>",
    "<a href=\"&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1)\">x</a>",
    "<a href=\"jav&#x09;ascript:alert('XSS');\">x</a>",
    "<a href=\"jav&#x0A;ascript:alert('XSS');\">x</a>",
    "<a href=\"jav&#x0D;ascript:alert('XSS');\">x</a>",
    "<a href=\"\x01javascript:alert(1)\">x</a>",
    "<a href=\"\xe2\x80\x8bjavascript:alert(1)\">x</a>",
    "<a href=\"javascript&colon;alert(1)\">x</a>",
    "<a href=\"java&Tab;script&colon;alert(1)\">x</a>",
    "<SCRIPT/XSS SRC=\"http://xss.rocks/xss.js\"></SCRIPT>",
    "<BODY onload!#$%&()*~+-_.,:;?@[/|\\]^`=alert(\"XSS\")>",
    "<SCRIPT/SRC=\"http://xss.rocks/xss.js\"></SCRIPT>",
    "<<SCRIPT>alert(\"XSS\");//\\<</SCRIPT>",
    "<SCRIPT SRC=http://xss.rocks/xss.js?< B >",
    "<SCRIPT SRC=//xss.rocks/.j>",
    "<IMG SRC=\"`<javascript:alert>`('XSS')\"",
    "<iframe src=http://xss.rocks/scriptlet.html <",
    "</TITLE><SCRIPT>alert(\"XSS\");</SCRIPT>",
    "<INPUT TYPE=\"IMAGE\" SRC=\"javascript:alert('XSS');\">",
    "<BODY BACKGROUND=\"javascript:alert('XSS')\">",
    "<IMG DYNSRC=\"javascript:alert('XSS')\"><IMG LOWSRC=\"javascript:alert('XSS')\">",
    "<STYLE>li {list-style-image: url(\"javascript:alert('XSS')\");}</STYLE><UL><LI>XSS</br>",
    "<IMG SRC='vbscript:msgbox(\"XSS\")'>",
    "<svg/onload=alert('XSS')>",
    "<BGSOUND SRC=\"javascript:alert('XSS');\">",
    "<BR SIZE=\"&{alert('XSS')}\">",
    "<LINK REL=\"stylesheet\" HREF=\"javascript:alert('XSS');\">",
    "<STYLE>@import'http://xss.rocks/xss.css';</STYLE>",
    "<META HTTP-EQUIV=\"Link\" Content=\"<http://xss.rocks/xss.css>; REL=stylesheet\">",
    "<STYLE>BODY{-moz-binding:url(\"http://xss.rocks/xssmoz.xml#xss\")}</STYLE>",
    "<STYLE>@im\\port'\\ja\\vasc\\ript:alert(\"XSS\")';</STYLE>",
    "<IMG STYLE=\"xss:expr/*XSS*/ession(alert('XSS'))\">",
    "<STYLE TYPE=\"text/javascript\">alert('XSS');</STYLE>",
    "<STYLE>.XSS{background-image:url(\"javascript:alert('XSS')\");}</STYLE><A CLASS=XSS></A>",
    "<XSS STYLE=\"xss:expression(alert('XSS'))\">",
    "<XSS STYLE=\"behavior: url(xss.htc);\">",
    "<META HTTP-EQUIV=\"refresh\" CONTENT=\"0;url=data:text/html base64,PHNjcmlwdD4\">",
    "<IFRAME SRC=# onmouseover=\"alert(document.cookie)\"></IFRAME>",
    "<FRAMESET><FRAME SRC=\"javascript:alert('XSS');\"></FRAMESET>",
    "<TABLE><TD BACKGROUND=\"javascript:alert('XSS')\">",
    "<DIV STYLE=\"background-image: url(javascript:alert('XSS'))\">",
    "<DIV STYLE=\"background-image:\\0075\\0072\\006C\\0028'\\006a\\0061\\0076'\\0029\">",
    "<DIV STYLE=\"width: expression(alert('XSS'));\">",
    "<!--[if gte IE 4]><SCRIPT>alert('XSS');</SCRIPT><![endif]-->",
    "<BASE HREF=\"javascript:alert('XSS');//\">",
    "<OBJECT TYPE=\"text/x-scriptlet\" DATA=\"http://xss.rocks/scriptlet.html\"></OBJECT>",
    "<EMBED SRC=\"data:image/svg+xml;base64,PHN2Zw==\" type=\"image/svg+xml\" "
    "AllowScriptAccess=\"always\"></EMBED>",
    "<XML ID=\"xss\"><I><B><IMG SRC=\"javas<!-- -->cript:alert('XSS')\"></B></I></XML>",
    "<HTML xmlns:xss><?import namespace=\"xss\" "
    "implementation=\"http://xss.rocks/xss.htc\"><xss:xss>XSS</xss:xss></HTML>",
    "<SCRIPT a=\">\" SRC=\"httx://xss.rocks/xss.js\"></SCRIPT>",
    "<SCRIPT a=`>` SRC=\"httx://xss.rocks/xss.js\"></SCRIPT>",
    "<a onmouseover=\"alert(document.cookie)\">xxs link</a>",
    "<a href=\"http://x\" onclick=alert(1)//\">x</a>",
    "<img src=`x` onerror=alert(1)>",
    "<img src='x'onerror=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<img\fsrc=x\fonerror=alert(1)>",
    "<img alt=\"x\"\"onerror=alert(1) src=y>",
    "<p title='\"><img src=x onerror=alert(1)>'>",
    "<p title=\"<img src=x onerror=alert(1)>\">",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 "
    "onerror=alert(1)&gt;\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<svg><style><img/src=x onerror=alert(1)//</b>",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\">",
    "<xmp><p title=\"</xmp><svg/onload=alert(1)>\">",
    "<title><a title=\"</title><svg onload=alert(1)>\">",
    "<template><script>alert(1)</script></template>",
    "<select><template><style><!--</style><a rel=\"--></style></template></select><img id=x src "
    "onerror=alert(1)>\">",
    "<style><img src=\"</style><img src=x onerror=alert(1)//\">",
    "<style>*{x:y}</style/><img src=x onerror=alert(1)>",
    "<style><!--</style><script>alert(1)//--></script>",
    "<plaintext><img src=x onerror=alert(1)>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "<video><source onerror=\"alert(1)\"><video poster=javascript:alert(1)//></video>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<a href=http://x style=\"position:fixed;top:0;left:0;width:100%;height:100%\">x</a>",
    "<a xlink:href=javascript:alert(1)>x</a>",
    "<a href=\"data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==\">x</a>",
    "<a href=\"blob:http://x\">x</a><a href=\"file:///etc/passwd\">y</a><a "
    "href=\"about:blank\">z</a>",
    "<img srcset=\"http://x 1x\" src=y><picture><source srcset=http://x></picture>",
    "<input autofocus onfocus=alert(1)>",
    "<keygen autofocus onfocus=alert(1)>",
    "<div contenteditable onfocus=alert(1) tabindex=1>x</div>",
    "<a href=http://x formaction=javascript:alert(1) ping=http://y download>x</a>",
    "<map><area href=javascript:alert(1)></map>",
    "\xc0\xbcscript\xc0\xbe"
    "alert(1)\xc0\xbc/script\xc0\xbe",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "<\0script>alert(1)</script>",
    "<scr\0ipt>alert(1)</scr\0ipt>",
    "<p style=\"color:red;}</style><script>alert(1)</script>\">x",
    "<p style='font-family:\"</p><img src=x onerror=alert(1)>\"'>x",
    "<b <script>alert(1)</script>0",
    "<div id=\"1\"/onclick=alert(1)>x",
    "<a href=http://x/\" onclick=\"alert(1)>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<p>&#60;script&#62;alert(1)&#60;/script&#62;",
    "<xss:script>alert(1)</xss:script><x:img src=x onerror=alert(1)>",
    "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]><p>&y;</p>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<p/><//script><script/ /x>alert(1)</script x>",
};

static void
lets_no_attack_through(void **state)
{
	(void)state;
	for (size_t i = 0; i < nitems(attacks); i++)
		for (int how = 0; how < 4; how++) {
			char *html = clean(attacks[i], how & 1, how & 2, NULL), *again;

			if (html_find_harm(html) != NULL)
				fail_msg("attack %zu: %s", i, html);
			again = clean(html, how & 1, how & 2, NULL);
			if (html_find_harm(again) != NULL)
				fail_msg("attack %zu, twice: %s", i, again);
			free(again);
			free(html);
		}
}

static void
knows_what_is_remote(void **state)
{
	bool remote;
	char *html;

	(void)state;
	html = clean("<img src=http://x/a.png width=1>", false, false, &remote);
	assert_true(remote);
	assert_string_equal(html, "<img width=\"1\">");
	free(html);
	html = clean("<img src=http://x/a.png>", true, false, &remote);
	assert_true(remote);
	assert_string_equal(html, "<img src=\"http://x/a.png\">");
	free(html);
	html = clean("<img src=cid:x><a href=http://x>y</a>", false, false, &remote);
	assert_false(remote);
	free(html);
}

static char *
give_picture(void *arg, const char *content_id)
{
	(void)arg;
	if (strcmp(content_id, "evil") == 0)
		return xstrdup("javascript:alert(1)");
	return strcmp(content_id, "a@b") == 0 ? xstrdup("data:image/gif;base64,R0lG") : NULL;
}

static void
puts_pictures_in(void **state)
{
	struct html_clean_options options = {.picture = give_picture};
	struct html_cleaned c;

	(void)state;
	html_clean(span_of("<img src=cid:a@b><img src=CID:none><img src=cid:evil>"), &options, &c);
	assert_string_equal(c.html, "<img src=\"data:image/gif;base64,R0lG\"><img><img>");
	free(c.html);
}

static void
cleans_style_sheets(void **state)
{
	static const struct {
		const char *css, *cleaned;
	} sheets[] = {
	    {"p { color: red }", "p { color: red }\n"},
	    {"<!-- .a, #b > c:hover { margin: 0; behavior: url(x) } -->", ""},
	    {"@import url(x); p{color:red}", "p { color: red }\n"},
	    {"@font-face { src: url(x) } p{color:red}", "p { color: red }\n"},
	    {"p::first-line { color: red } a, p:FIRST-letter { float: left } p { color: blue }",
		"p { color: blue }\n"},
	    {"@media screen and (max-width: 600px) { p { color: red } @media x { p {color:blue}} q "
	     "{ width: 1px } }",
		"@media screen and (max-width: 600px) { p { color: red }\nq { width: 1px }\n }\n"},
	    {"p { color: red; } } q { color: blue }", "p { color: red }\nq { color: blue }\n"},
	    {"p { color: red", "p { color: red }\n"},
	    {"p{background:url(x)}", "p {  }\n"},
	    {"a[href^=\"x\"] { color: red }", ""},
	    {"p\\{ { color: red }", ""},
	    {"</style><script>x</script> { color: red }", ""},
	    {"/* c */ p /* { */ { color /* : */ : red }", "p { color: red }\n"},
	};

	(void)state;
	for (size_t i = 0; i < nitems(sheets); i++) {
		struct text_buffer t;

		text_buffer_init(&t, 10000);
		css_clean_sheet(&t, span_of(sheets[i].css));
		if (strcmp(t.at, sheets[i].cleaned) != 0)
			fail_msg("sheet %zu: %s", i, t.at);
		text_buffer_free(&t);
	}
}

static void
keeps_sheets_in_documents(void **state)
{
	struct text_buffer t;
	char *html;

	(void)state;
	html = clean(
	    "<style>.a { color: red } @import 'x';</style><p class=a id=b>x", false, true, NULL);
	assert_string_equal(
	    html, "<style>.a { color: red }\n</style><p class=\"a\" id=\"b\">x</p>");
	free(html);
	/* the parser gives it in pieces */
	text_buffer_init(&t, 100000);
	text_put_text(&t, "<style>");
	for (int i = 0; i < 1000; i++)
		text_put_text(&t, "p { color: red }\n");
	text_put_text(&t, "</style>");
	html = clean(t.at, false, true, NULL);
	assert_string_equal(html, t.at);
	free(html);
	text_buffer_free(&t);
}

static void
ends_in_bounds(void **state)
{
	struct html_clean_options options = {.remote = true};
	struct html_cleaned c;
	struct text_buffer t;

	(void)state;
	text_buffer_init(&t, 4000000);
	while (!t.full)
		text_put_text(&t, "<div><b>");
	html_clean((struct span){t.at, t.len}, &options, &c);
	assert_true(c.cut);
	assert_null(html_find_harm(c.html));
	assert_string_equal(c.html + c.len - 6, "</div>");
	free(c.html);
	text_buffer_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_what_is_harmless),
	    cmocka_unit_test(lets_no_attack_through),
	    cmocka_unit_test(knows_what_is_remote),
	    cmocka_unit_test(puts_pictures_in),
	    cmocka_unit_test(cleans_style_sheets),
	    cmocka_unit_test(keeps_sheets_in_documents),
	    cmocka_unit_test(ends_in_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
