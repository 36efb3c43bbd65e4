/*
 * The shipped configuration files, taken into the program when it is built.
 */
#include "master/shipped_conf.h"

/* Paths are those of the source's folder, where the compiler runs. */
__asm__(".pushsection .rodata\n"
	"shipped_config_ini_text: .incbin \"conf/config.ini\"\n"
	"shipped_config_ini_end: .byte 0\n"
	"shipped_mail_ini_text: .incbin \"conf/mail.ini\"\n"
	"shipped_mail_ini_end: .byte 0\n"
	".popsection\n");

extern const char shipped_config_ini_text[], shipped_config_ini_end[];
extern const char shipped_mail_ini_text[], shipped_mail_ini_end[];

struct span
shipped_config_ini(void)
{
	return (struct span){
	    shipped_config_ini_text, shipped_config_ini_end - shipped_config_ini_text};
}

struct span
shipped_mail_ini(void)
{
	return (struct span){shipped_mail_ini_text, shipped_mail_ini_end - shipped_mail_ini_text};
}
