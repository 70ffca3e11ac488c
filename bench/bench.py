"""Measures sendqd against the bare HTTP loop (floor_curl) on this machine.

  single  N e-mail jobs: messages/s, CPU per message of sendqd and Redis, beside the bare loop
  loop    rate beside the minimal loop without features: claim by script, POST, complete by script
  queue   cost per message with 1,000 and with --depth messages waiting behind those sent
  idle    CPU of an idle sendqd, and how fast a job leaves an idle one
  bulk    one bulk to N leads by filter: rate, memory of sendqd, bytes and CPU of Redis per recipient
  filter  leads that a filter is asked about per second, without reading them
  senders cost per message where 1, 10, ... 10,000 senders share them
  limits  cost per message of 10 senders, alone and beside 9,990 that have work and are over their cap
  urgent  how long a HIGH message takes on another sender, alone and beside a bulk
  memory  Redis' bytes per job in its list, per message that waits, and per message that was sent
  latency50  cost per message and rate with 2,000 in flight to a sink that takes 50 ms
  tls-h2  as single, over HTTP/2 and TLS
  stages  instructions per message of each stage and of Redis, by callgrind: also on a busy machine
  allocations  calls of malloc per message, of sendqd and of its libraries, by caller (callgrind)
  large   e-mails with an attachment of 1 MiB
  formats CPU of parsing, checking and answering a 600-byte job of each format, in process

sendqd and floor_curl run on CPU 0, nginx, Redis and this program on CPU 1. Machines get faster and
slower by the minute: only rates of one interleaved run may be compared, so ratios are what counts.
Prints a table for people and, last, one JSON line. Exits 1 when a message is lost or repeated,
or when a format, or a sender's company, costs more than its bound."""
import argparse
import json
import os
import sys

from stand import SERVER_CPU, Bench  # before the others: makes tools/ importable
from allocations import scenario_allocations
from bulk import scenario_bulk, scenario_filter
from crowd import scenario_limits, scenario_senders
from depth import scenario_queue
from loop import scenario_loop
from plain import scenario_formats, scenario_idle, scenario_memory, scenario_single
from rig import Rig, RigError
from stages import scenario_stages
from urgent import scenario_urgent
from wire import scenario_large, scenario_latency50, scenario_tls_h2

SCENARIOS = {"single": scenario_single, "loop": scenario_loop, "queue": scenario_queue,
             "idle": scenario_idle, "formats": scenario_formats, "senders": scenario_senders,
             "limits": scenario_limits, "urgent": scenario_urgent, "memory": scenario_memory,
             "latency50": scenario_latency50, "tls-h2": scenario_tls_h2, "large": scenario_large,
             "bulk": scenario_bulk, "filter": scenario_filter, "stages": scenario_stages,
             "allocations": scenario_allocations}


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="single", choices=[*SCENARIOS, "all"])
    parser.add_argument("--n", type=int, default=20000, help="jobs per round (20000)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument("--aof", action="store_true", help="Redis with AOF, fsync every second")
    parser.add_argument("--awake", action="store_true",
                        help="keep both CPUs busy by loops of idle priority")
    parser.add_argument("--idle-seconds", type=float, default=10.0)
    parser.add_argument("--pushes", type=int, default=200)
    parser.add_argument("--leads", type=int, default=1000000, help="of bulk (1000000)")
    parser.add_argument("--depth", type=int, default=1000000,
                        help="messages that wait in queue, 1,250 bytes each (1000000)")
    parser.add_argument("--ready", type=int, default=10000,
                        help="recipients of bulk that wait when their bytes are measured (10000)")
    parser.add_argument("--compare", metavar="REV",
                        help="stages of this revision too, and the ratios")
    parser.add_argument("--build", default="build/release")
    options = parser.parse_args(arguments)
    if options.compare:
        options.scenario = "stages"
    if options.n < 1 or options.rounds < 1 or options.pushes < 1:
        parser.error("--n, --rounds and --pushes must be at least 1")
    return options


def main(arguments):
    options = parse_options(arguments)
    if os.cpu_count() < 2:
        sys.exit("bench: needs two CPUs, one for the client and one for the servers")
    os.sched_setaffinity(0, {SERVER_CPU})
    names = SCENARIOS if options.scenario == "all" else [options.scenario]
    results = {}
    for name in names:
        try:
            with Rig(options.build) as rig:
                results[name] = SCENARIOS[name](Bench(rig, options), options)
        except (RigError, TimeoutError) as error:
            sys.exit(f"bench: {name}: {error}")
        print(f"{name}")
        for key, value in results[name].items():
            print(f"  {key:<24} {value!s:>12}")
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1:])
