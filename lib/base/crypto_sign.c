/* Signing with a private key, over OpenSSL's EVP. */
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* Never asks for a passphrase: an encrypted key is no key. */
static int no_passphrase(char *to, int size, int writing, void *arg)
{
    (void)to;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static EVP_PKEY *read_rsa_key(const char *pem)
{
    size_t len = strlen(pem);
    BIO *bio = len > 65536 ? NULL : BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

    BIO_free(bio);
    if (key && EVP_PKEY_base_id(key) != EVP_PKEY_RSA) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return key;
}

bool crypto_sign_rs256(const char *pem, const void *p, size_t n, struct buf *out)
{
    EVP_PKEY *key = read_rsa_key(pem);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t len = 0;
    bool ok = key && ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestSign(ctx, NULL, &len, p, n) == 1;
    char *to = ok ? buf_reserve(out, len) : NULL;

    ok = to && EVP_DigestSign(ctx, (unsigned char *)to, &len, p, n) == 1;
    if (ok)
        out->len += len;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return ok;
}
