/*
 * The hosts that a certificate is for.
 */
#include "common/certificate_names.h"

#include <openssl/x509v3.h>

static struct span
bytes_of(const ASN1_STRING *s)
{
	return (struct span){(const char *)ASN1_STRING_get0_data(s), ASN1_STRING_length(s)};
}

void
certificate_names(const X509 *x, void (*each)(void *arg, struct span name), void *arg)
{
	GENERAL_NAMES *alternatives = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	bool any = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(alternatives); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(alternatives, i);

		if (name->type == GEN_DNS) {
			each(arg, bytes_of(name->d.dNSName));
			any = true;
		}
	}
	GENERAL_NAMES_free(alternatives);
	if (!any && at != -1)
		each(arg, bytes_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}
