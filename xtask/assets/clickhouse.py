"""Serves the ClickHouse engine of the chdb-core wheel over ClickHouse's own HTTP handler, on loopback.

Arguments: WHEEL (the unpacked wheel), DATA (the data directory), PORT. The one user is `default`, without a password:
the engine's own session and a connection from this machine look alike to its access rules, so a password would lock out
both.

Stops in order on SIGTERM and SIGINT, and when stdin reaches its end: the parent closed it or died. Exit code 0 means
that it was told to stop, 1 that the engine gave up by itself (port taken, directory locked); the reason is on stderr.
"""

import os
import signal
import sys
import threading

wheel, data, port = sys.argv[1:4]

# The engine reads ./config.xml and files in the home directory: it must find ours and nobody else's.
os.umask(0o077)
os.makedirs(data, exist_ok=True)
os.chdir(data)
os.environ["HOME"] = data

# The memory limit leaves room for the rest of the stack on a small machine; the engine may peak at 1.5 times of it.
with open("config.xml", "w", encoding="utf-8") as config:
    config.write(
        f"""<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{int(port)}</http_port>
  <max_server_memory_usage>1500000000</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <logger><level>warning</level></logger>
</clickhouse>
"""
    )

# Python runs signal handlers between byte codes, and the main thread stays inside the engine: one thread waits for the
# signals, one for the end of stdin, and either closes the pipe that the engine's last query reads.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
reader, writer = os.pipe()
told = threading.Event()
once = threading.Lock()


def stop():
    with once:
        if not told.is_set():
            told.set()
            os.close(writer)


def on_signal():
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    stop()


def on_end_of_stdin():
    while sys.stdin.buffer.read(4096):
        pass
    stop()


for wait in (on_signal, on_end_of_stdin):
    threading.Thread(target=wait, daemon=True).start()

sys.path.insert(0, wheel)
from chdb import _chdb  # noqa: E402  (the path to it is an argument)

_chdb.set_signal_handlers_enabled(False)
serve = f"SYSTEM START LISTEN HTTP; SELECT count() FROM file('/dev/fd/{reader}', LineAsString) FORMAT Null"
try:
    _chdb.query(serve, "CSV", path=data)
except Exception as error:  # whatever the engine raises, the log is where it belongs
    print(error, file=sys.stderr)

# Without the interpreter's clean-up: it would unload an engine that still runs its background threads.
sys.stderr.flush()
os._exit(0 if told.is_set() else 1)
