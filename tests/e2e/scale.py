"""How long the fault tests are: short in ./run test, long in ./run faults."""
import os

import pytest

LONG = os.environ.get("SENDQ_TEST_FAULTS") == "long"

# What others do in short.
long_only = pytest.mark.skipif(not LONG, reason="only ./run faults does this")


def times(short, long):
    return long if LONG else short
