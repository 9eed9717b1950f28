#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(redact, .timeout = 60, .init = begin, .fini = end);

static const struct {
    const char *text, *expected;
} rows[] = {
    {"plain text", "plain text"},
    {"key is canary-secret-value!", "key is [redacted]!"},
    {"xcanary-secret-valuex", "x[redacted]x"},
    {"OPENAI_API_KEY=sk-abcdefghijklmnopqrstuvwxyz123456", "OPENAI_API_KEY=[redacted]"},
    {"sk-short", "sk-short"},
    {"task-abcdefghijklmnopqrstuvwxyz123456", "task-abcdefghijklmnopqrstuvwxyz123456"},
    {"Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "Authorization: Bearer [redacted]"},
    {"ghp_abcdefghijklmnopqrstuvwxyz0123456789 x", "[redacted] x"},
    {"AKIAIOSFODNN7EXAMPLE", "[redacted]"},
    {"https://user:hunter2@example.com/a", "https://user:[redacted]@example.com/a"},
    {"https://example.com:8080/a@b", "https://example.com:8080/a@b"},
    {"a\n-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nb",
     "a\n[redacted]\nb"},
    {"-----BEGIN PRIVATE KEY-----\nMII", "[redacted]"},
    {"-----BEGIN CERTIFICATE-----\nMII", "-----BEGIN CERTIFICATE-----\nMII"},
    {"", ""},
};

Test(redact, sec_04_known_values_and_shapes_of_keys)
{
    policy_add_secret(policy, STR("canary-secret-value"));
    policy_add_secret(policy, STR("ab"));
    for (size_t i = 0; i < array_count(rows); i++) {
        struct buf out = {0};
        buf_append_c(&out, "");
        policy_redact(policy, str_from(rows[i].text), &out);
        cr_assert_str_eq(out.ptr, rows[i].expected);
        buf_finish(&out);
    }
}

Test(redact, sec_04_headers_that_carry_a_secret)
{
    static const struct {
        const char *header, *text, *expected;
    } headers[] = {
        {"api-key: c4n4ry-1", "it was c4n4ry-1.", "it was [redacted]."},
        {"X-Gateway-Token:c4n4ry-2", "it was c4n4ry-2.", "it was [redacted]."},
        {"Authorization: Basic c4n4ry-3", "Basic c4n4ry-3 and Basic", "Basic [redacted] and Basic"},
        {"Proxy-Authorization: c4n4ry-4", "it was c4n4ry-4.", "it was [redacted]."},
        {"X-Team: platform", "the platform team", "the platform team"},
        {"nothing", "nothing", "nothing"},
    };
    for (size_t i = 0; i < array_count(headers); i++) {
        struct buf out = {0};
        policy_add_secret_header(policy, str_from(headers[i].header));
        policy_redact(policy, str_from(headers[i].text), &out);
        cr_assert_str_eq(out.ptr, headers[i].expected);
        buf_finish(&out);
    }
}

Test(redact, sec_12_a_fingerprint_is_of_everything_shown)
{
    char a[SHA256_HEX_BYTES], b[SHA256_HEX_BYTES];
    policy_fingerprint(STR("git push\n(in /r)"), a);
    policy_fingerprint(STR("git push\n(in /s)"), b);
    cr_assert_str_neq(a, b);
    policy_fingerprint(STR("git push\n(in /r)"), b);
    cr_assert_str_eq(a, b);
}
