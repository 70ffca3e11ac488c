/* Digests and HMAC over OpenSSL. They fail only when memory or the library is broken: abort. */
#include "crypto.h"
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

void crypto_sha1(const void *p, size_t n, uint8_t ret[20])
{
    if (EVP_Digest(p, n, ret, NULL, EVP_sha1(), NULL) != 1)
        abort();
}

void crypto_sha256(const void *p, size_t n, uint8_t ret[32])
{
    if (EVP_Digest(p, n, ret, NULL, EVP_sha256(), NULL) != 1)
        abort();
}

void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n, uint8_t ret[32])
{
    /* HMAC() takes a NULL key for "the key of before", so an empty one needs an address. */
    if (key_len > INT_MAX || !HMAC(EVP_sha256(), key_len ? key : "", (int)key_len, p, n, ret, NULL))
        abort();
}

void crypto_hex(const uint8_t *p, size_t n, char *ret)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = hex[p[i] >> 4];
        ret[2 * i + 1] = hex[p[i] & 15];
    }
    ret[2 * n] = '\0';
}
