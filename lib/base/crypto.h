/* Digests, HMAC and base64 over OpenSSL's EVP. */
#ifndef SENDQ_BASE_CRYPTO_H
#define SENDQ_BASE_CRYPTO_H

#include "buf.h"

void crypto_sha1(const void *p, size_t n, uint8_t ret[20]);
void crypto_sha256(const void *p, size_t n, uint8_t ret[32]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret[32]);
/* RSASSA-PKCS1-v1_5 with SHA-256 (JWT's RS256); false if pem holds no RSA private key. */
bool crypto_sign_rs256(const char *pem, const void *p, size_t n, struct buf *out);
void crypto_hex(const uint8_t *p, size_t n, char *ret); /* ret has 2n+1 bytes, lower case */

void base64_encode(struct buf *out, const void *p, size_t n);    /* RFC 4648, padded */
void base64url_encode(struct buf *out, const void *p, size_t n); /* url alphabet, no padding */
/* Strict: no white space, padding right (or absent, with url alphabet too if url). */
enum sq_err base64_decode(struct buf *out, const char *s, size_t len, bool url) SQ_MUST_CHECK;
/* True if s decodes; *ret_bytes = decoded size. Allocates nothing. */
bool base64_check(const char *s, size_t len, size_t *ret_bytes);

#endif
