"""The broker by hand: `broker.py` runs it on port 9092, `broker.py read` prints the events it holds."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from tools.kafka.broker import ROOT, Broker
from tools.kafka.events import print_events
from tools.kafka.jars import BrokerError
from tools.ports import port_taken

DEFAULT_PORT = 9092
DATA = ROOT / "var" / "kafka" / "data"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways of being stopped end as KeyboardInterrupt
    try:
        if options.command == "read":
            print_events(_address(), topics=options.topic, from_beginning=options.from_beginning)
        else:
            _run(_port())
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our output, `head` for instance, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="broker.py",
        description=f"Run a Kafka broker on this machine (port KAFKA_PORT, else {DEFAULT_PORT}), or read events.",
    )
    read = parser.add_subparsers(dest="command").add_parser(
        "read",
        help="print each event as one line: topic, key, sequence, type, data; from KAFKA_BOOTSTRAP_SERVERS if set",
    )
    read.add_argument("--topic", action="append", help="only this topic; may be repeated (default: all of careapp)")
    read.add_argument("--from-beginning", action="store_true", help="start with the oldest event, not with the next")
    return parser


def _port() -> int:
    given = os.environ.get("KAFKA_PORT") or str(DEFAULT_PORT)
    if not given.isdecimal():
        raise BrokerError(f"KAFKA_PORT={given} is not a port number.")
    return int(given)


def _address() -> str:
    return os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or f"127.0.0.1:{_port()}"


def _run(port: int) -> None:
    """Run the broker in the foreground until Ctrl-C or SIGTERM; BrokerError when it ends by itself."""
    if port_taken(port):
        raise BrokerError(
            f"Port {port} is taken: a broker may be running already. Stop it, or choose another port: "
            f"KAFKA_PORT={port + 1} make kafka"
        )
    print("Starting Kafka; the first time its jars (about 60 MB) are fetched by Maven.", flush=True)
    with Broker(DATA, port) as broker:
        chosen = "" if port == DEFAULT_PORT else f"KAFKA_PORT={port} "
        print(f"Kafka answers on {broker.bootstrap}. Ctrl-C stops it; the events stay in {DATA.relative_to(ROOT)}.")
        print(f"Send to it:       KAFKA_BOOTSTRAP_SERVERS={broker.bootstrap} make run")
        print(f"Read the events:  {chosen}{_python()} tools/kafka/broker.py read --from-beginning", flush=True)
        pause = threading.Event()
        while broker.running:
            pause.wait(0.5)
        raise BrokerError(f"Kafka has ended by itself. The end of {broker.log}:\n{broker.log_tail()}")


def _python() -> str:
    """This Python as the user would type it: a path below the project when it lies there."""
    return os.path.relpath(sys.executable, ROOT) if sys.executable.startswith(f"{ROOT}{os.sep}") else sys.executable


if __name__ == "__main__":
    sys.exit(main())
