/* What all tests of this floor include, in the order cmocka wants it. */
#ifndef SENDQ_TESTS_UNIT_H
#define SENDQ_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
