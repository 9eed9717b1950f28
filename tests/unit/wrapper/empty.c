/* Must be seen as failing by tests/run-criterion: no test is in it. */
#include <criterion/criterion.h>
