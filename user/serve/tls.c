// SPDX-License-Identifier: BSD-2-Clause
#include "serve/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/log.h"

#define PEM_MAX (1 << 20)

static int read_pem(struct buf *ret, const char *option, const char *path)
{
	_cleanup_close_ int fd = -1;
	int err;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	err = fd < 0 ? -errno : buf__read_fd(ret, fd, PEM_MAX);
	if (!err && !ret->len)
		err = -ENODATA;
	if (err)
		log_error("cannot read %s %s: %s", option, path, strerror(-err));
	return err;
}

static gnutls_datum_t datum(const struct buf *buf)
{
	return (gnutls_datum_t){.data = (void *)buf->data, .size = buf->len};
}

static int check_ca(gnutls_certificate_credentials_t credentials, const char *option,
		    const struct buf *pem)
{
	gnutls_datum_t ca = datum(pem);
	int n = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);

	if (n <= 0)
		log_error("%s holds no certificate in PEM: %s", option,
			  n ? gnutls_strerror(n) : "it is empty");
	return n > 0 ? 0 : -EINVAL;
}

/* libmicrohttpd would only say that it cannot start. */
static int check(const struct tls *tls)
{
	gnutls_datum_t cert = datum(&tls->cert), key = datum(&tls->key);
	gnutls_certificate_credentials_t credentials;
	int err;

	if (gnutls_certificate_allocate_credentials(&credentials))
		return -ENOMEM;
	err = gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM);
	if (err < 0)
		log_error("--tls-cert and --tls-key are no pair in PEM: %s", gnutls_strerror(err));
	if (err >= 0 && tls->client_ca.len)
		err = check_ca(credentials, "--tls-client-ca", &tls->client_ca);
	gnutls_certificate_free_credentials(credentials);
	return err < 0 ? -EINVAL : 0;
}

int tls__read(struct tls *tls, const char *cert, const char *key, const char *client_ca)
{
	int err = read_pem(&tls->cert, "--tls-cert", cert);

	if (!err)
		err = read_pem(&tls->key, "--tls-key", key);
	if (!err)
		err = read_pem(&tls->client_ca, "--tls-client-ca", client_ca);
	return err || !tls->key.len ? err : check(tls);
}

int tls__check_ca(const char *option, const char *path)
{
	gnutls_certificate_credentials_t credentials;
	_cleanup_buf_ struct buf pem = {};
	int err = read_pem(&pem, option, path);

	if (err || !path)
		return err;
	if (gnutls_certificate_allocate_credentials(&credentials))
		return -ENOMEM;
	err = check_ca(credentials, option, &pem);
	gnutls_certificate_free_credentials(credentials);
	return err;
}

void tls__free(struct tls *tls)
{
	if (tls->key.data)
		explicit_bzero(tls->key.data, tls->key.len);
	buf__free(&tls->cert);
	buf__free(&tls->key);
	buf__free(&tls->client_ca);
}

enum tls_caller tls__caller(const struct tls *tls, struct MHD_Connection *connection,
			    const char **why)
{
	gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
					 .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
	const union MHD_ConnectionInfo *info;
	unsigned n = 0, status = 0;
	gnutls_session_t session;

	if (!tls->client_ca.len)
		return TLS_NO_CERTIFICATE;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	session = info ? info->tls_session : NULL;
	if (!session || !gnutls_certificate_get_peers(session, &n) || !n)
		return TLS_NO_CERTIFICATE;
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status)) {
		*why = "it cannot be verified";
		return TLS_REFUSED;
	}
	*why = status & GNUTLS_CERT_EXPIRED	       ? "it has expired"
	       : status & GNUTLS_CERT_NOT_ACTIVATED    ? "it is not valid yet"
	       : status & GNUTLS_CERT_PURPOSE_MISMATCH ? "it is not for clients"
						       : "no CA that is trusted here has signed it";
	return status ? TLS_REFUSED : TLS_TRUSTED;
}
