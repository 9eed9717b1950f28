#include <lanebridge/base/hash.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

enum { ID_RANDOM_BYTES = 15, ID_PREFIX_BYTES = 12 };

/* The kernel answers requests up to 256 bytes whole; without randomness nothing here is safe. */
static void fill_random(void *bytes, size_t count)
{
    ssize_t got;
    do {
        got = getrandom(bytes, count, 0);
    } while (got < 0 && errno == EINTR);
    if (got != (ssize_t)count)
        abort();
}

void hash_sha256_hex(struct str s, char ret_hex[SHA256_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)(s.len ? s.ptr : ""), s.len, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[SHA256_HEX_BYTES - 1] = '\0';
}

/* -- SipHash-1-3 (Aumasson and Bernstein), as Rust's and Ruby's tables use it. -------------------
 */

static uint64_t key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    fill_random(key, sizeof(key));
}

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t hash_bytes(struct str s)
{
    pthread_once(&key_once, make_key);
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                     key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u};
    size_t i = 0;
    for (; s.len - i >= 8; i += 8) {
        uint64_t word;
        memcpy(&word, s.ptr + i, 8);
        sip_word(v, word);
    }
    uint64_t last = 0;
    if (i < s.len)
        memcpy(&last, s.ptr + i, s.len - i);
    /* The length goes where no tail byte can stand; byte order is no matter, the hash stays here.
     */
    sip_word(v, last ^ ((uint64_t)s.len << 56));
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void id_make(const char *prefix, char ret_id[ID_BYTES])
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    assert(strlen(prefix) <= ID_PREFIX_BYTES);
    unsigned char random[ID_RANDOM_BYTES];
    fill_random(random, sizeof(random));
    char *out = ret_id + snprintf(ret_id, ID_BYTES, "%s_", prefix);
    unsigned bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < sizeof(random); i++) {
        bits = (bits << 8) | random[i];
        for (bit_count += 8; bit_count >= 5; bit_count -= 5)
            *out++ = digits[(bits >> (bit_count - 5)) & 31];
    }
    *out = '\0';
}
