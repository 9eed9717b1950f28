/* Must be seen as failing by tests/run-criterion: it leaves in the middle. */
#include <criterion/criterion.h>
#include <unistd.h>

Test(wrapper, leaves_in_the_middle)
{
    _exit(0);
}
