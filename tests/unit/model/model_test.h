/* What every unit test of this floor includes. */
#ifndef SENDQ_TESTS_MODEL_TEST_H
#define SENDQ_TESTS_MODEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

#endif
