"""Start mobilellm-serve on a free port, and stop it as an operator would."""

import contextlib
import queue
import re
import signal
import subprocess
import threading

START = 120  # seconds in which a server has to say where it serves
STOP = 60


@contextlib.contextmanager
def serving(binaries, model, *args):
    """The URL of a server, which must end well when it is told to."""
    server = subprocess.Popen([binaries / "mobilellm-serve", "--model", model, "--listen", "127.0.0.1:0", *args],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log, found = [], queue.Queue()

    def read():
        for line in server.stderr:
            log.append(line)
            if m := re.search(r"url=(http\S+)", line):
                found.put(m[1])
        found.put(None)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        url = found.get(timeout=START)
        if url is None:
            raise RuntimeError("mobilellm-serve ended: " + "".join(log))
        yield url
        server.send_signal(signal.SIGTERM)
        if code := server.wait(STOP):
            raise RuntimeError(f"mobilellm-serve ended with {code}: " + "".join(log[-20:]))
    finally:
        server.kill()
        server.wait()
        reader.join()
