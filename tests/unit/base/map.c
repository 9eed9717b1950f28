#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>

#include <lanebridge/base.h>

TestSuite(map, .timeout = 10);

static void *value_of(size_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

static struct str key_of(size_t i, char text[24])
{
    return (struct str){text, (size_t)snprintf(text, 24, "key-%zu", i)};
}

Test(map, empty_answers)
{
    struct map map = {0};
    cr_assert_eq(map_count(&map), 0);
    cr_assert_null(map_get(&map, STR("a")));
    cr_assert_not(map_has(&map, STR("a")));
    cr_assert_null(map_remove(&map, STR("a")));
    size_t at = 0;
    struct str key;
    void *value;
    cr_assert_not(map_next(&map, &at, &key, &value));
    map_finish(&map);
}

Test(map, copies_keys_and_replaces_values)
{
    struct map map = {0};
    char key[] = "a\0b";
    cr_assert_null(map_set(&map, (struct str){key, 3}, value_of(1)));
    key[0] = 'x';
    cr_assert_eq(map_get(&map, STR("a\0b")), value_of(1));
    cr_assert_null(map_get(&map, STR("a")));
    cr_assert_eq(map_set(&map, STR("a\0b"), value_of(2)), value_of(1));
    cr_assert_eq(map_count(&map), 1);
    cr_assert_null(map_set(&map, STR(""), NULL));
    cr_assert(map_has(&map, (struct str){NULL, 0}));
    cr_assert_null(map_get(&map, STR("")));
    map_finish(&map);
    cr_assert_eq(map_count(&map), 0);
}

Test(map, iterates_in_insertion_order)
{
    struct map map = {0};
    char text[24];
    for (size_t i = 0; i < 1000; i++)
        map_set(&map, key_of(i, text), value_of(i));
    size_t at = 0, seen = 0;
    struct str key;
    void *value;
    while (map_next(&map, &at, &key, &value)) {
        cr_assert(str_eq(key, key_of(seen, text)));
        cr_assert_eq(value, value_of(seen));
        seen++;
    }
    cr_assert_eq(seen, 1000);
    map_finish(&map);
}

/* Against a plain array as the model, with a fixed sequence of random steps. */
Test(map, agrees_with_a_model_through_random_steps)
{
    enum { KEYS = 500, STEPS = 50000 };
    bool present[KEYS] = {false};
    size_t count = 0;
    struct map map = {0};
    uint32_t random = 12345;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 8) % KEYS;
        bool insert = (random >> 28) < (step < STEPS / 2 ? 10u : 6u);
        char text[24];
        struct str key = key_of(i, text);
        void *before = present[i] ? value_of(i) : NULL;
        cr_assert_eq(map_get(&map, key), before);
        cr_assert_eq(insert ? map_set(&map, key, value_of(i)) : map_remove(&map, key), before);
        count += (size_t)insert - (size_t)present[i];
        present[i] = insert;
        cr_assert_eq(map_count(&map), count);
    }
    for (size_t i = 0; i < KEYS; i++) {
        char text[24];
        cr_assert_eq(map_has(&map, key_of(i, text)), present[i]);
    }
    map_finish(&map);
}

Test(map, can_be_emptied_and_filled_again)
{
    struct map map = {0};
    char text[24];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 100; i++)
            map_set(&map, key_of(i, text), value_of(i));
        for (size_t i = 0; i < 100; i++)
            cr_assert_eq(map_remove(&map, key_of(99 - i, text)), value_of(99 - i));
        cr_assert_eq(map_count(&map), 0);
        cr_assert_null(map_get(&map, STR("key-5")));
    }
    map_finish(&map);
}
