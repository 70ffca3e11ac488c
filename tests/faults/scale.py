"""How long the fault tests are: short in ./run test, long in ./run faults."""
import os

LONG = os.environ.get("SENDQ_TEST_FAULTS") == "long"


def times(short, long):
    return long if LONG else short
