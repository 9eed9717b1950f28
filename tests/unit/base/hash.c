#include <criterion/criterion.h>
#include <string.h>

#include <lanebridge/base.h>

TestSuite(hash, .timeout = 10);
TestSuite(time_, .timeout = 10);

Test(hash, sha256_of_the_standard)
{
    char hex[SHA256_HEX_BYTES];
    hash_sha256_hex((struct str){NULL, 0}, hex);
    cr_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_sha256_hex(STR("abc"), hex);
    cr_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_sha256_hex(STR("a\0b"), hex);
    cr_assert_str_neq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(hash, bytes_differ_by_every_byte_and_by_length)
{
    char text[40] = {0};
    uint64_t seen[41];
    for (size_t len = 0; len <= sizeof(text); len++) {
        seen[len] = hash_bytes((struct str){text, len});
        cr_assert_eq(seen[len], hash_bytes((struct str){text, len}));
        for (size_t i = 0; i < len; i++)
            cr_assert_neq(seen[len], seen[i], "%zu zero bytes like %zu", len, i);
    }
    uint64_t whole = hash_bytes((struct str){text, sizeof(text)});
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = 1;
        cr_assert_neq(hash_bytes((struct str){text, sizeof(text)}), whole);
        text[i] = 0;
    }
    cr_assert_eq(hash_bytes((struct str){NULL, 0}), hash_bytes(STR("")));
}

Test(hash, ids_have_their_shape)
{
    char previous[ID_BYTES] = "";
    for (int i = 0; i < 100; i++) {
        char id[ID_BYTES];
        id_make("thr", id);
        cr_assert_eq(strlen(id), 4 + 24);
        cr_assert_eq(strncmp(id, "thr_", 4), 0);
        cr_assert_eq(strspn(id + 4, "abcdefghijklmnopqrstuvwxyz234567"), 24);
        cr_assert_str_neq(id, previous);
        strcpy(previous, id);
    }
    char id[ID_BYTES];
    id_make("twelve_chars", id);
    cr_assert_eq(strlen(id), 13 + 24);
}

Test(time_, clocks_go_forward)
{
    uint64_t before = time_mono_ns();
    cr_assert_geq(time_mono_ns(), before);
    cr_assert_gt(time_wall_ms(), 1600000000000u);
}
