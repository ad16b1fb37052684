"""A user at a terminal: starts a program on a terminal of its own, reads its screen, types, resizes, sends signals.

terminal.py STEPS PROGRAM ARGUMENT...

STEPS is JSON, a list of
  ["expect", TEXT]         wait until TEXT is on the screen (white space does not count; what was matched before does not)
  ["type", TEXT]           type it
  ["resize", ROWS, COLS]   change the window
  ["signal", NAME]         send a signal to the program alone
  ["insist", TEXT]         type it, again and again, until the program ends
Printed is JSON: how the program ended (code, signal), what it wrote (text), whether the terminal's modes are as they were (sane),
and the step that was not reached (failed), if one was not.
"""

import fcntl, json, os, re, select, signal, struct, sys, termios, time

PATIENCE = 60

steps, argv = json.loads(sys.argv[1]), sys.argv[2:]
master, slave = os.openpty()


def resize(rows, cols):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


resize(40, 100)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 256)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(argv[0], argv)

# Control sequences (ECMA-48), operating system commands, and the two-character escapes.
CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\|\x1b[ -/]*[0-~]")
raw, read_to, status, failed = b"", 0, None, None
deadline = time.monotonic() + PATIENCE


def screen():
    return re.sub(r"\s", "", CONTROL.sub(b"", raw).decode(errors="replace"))


def read(patience):
    """Reads what is there. Whether the program still runs."""
    global raw, status
    ready, _, _ = select.select([master], [], [], patience)
    if ready:
        raw += os.read(master, 65536)
        return True
    if status is None:
        ended, result = os.waitpid(pid, os.WNOHANG)
        status = result if ended else None
        # What it wrote last may have come in between: once more, then.
        return True
    return False


for step in steps:
    what, rest = step[0], step[1:]
    if what == "expect":
        wanted = re.sub(r"\s", "", rest[0])
        while screen().find(wanted, read_to) < 0 and time.monotonic() < deadline and read(0.05):
            pass
        found = screen().find(wanted, read_to)
        if found < 0:
            failed = step
            break
        read_to = found + len(wanted)
    elif what == "type":
        os.write(master, rest[0].encode())
    elif what == "resize":
        resize(*rest)
    elif what == "signal":
        os.kill(pid, getattr(signal, rest[0]))
    elif what == "insist":
        while status is None and time.monotonic() < deadline:
            os.write(master, rest[0].encode())
            pause = time.monotonic() + 0.3
            while status is None and time.monotonic() < pause:
                read(0.05)

while status is None and time.monotonic() < deadline:
    read(0.05)
if status is None:
    # The whole session: each of its processes has this terminal.
    failed = failed or ["end"]
    os.close(master)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    status, sane = os.waitpid(pid, 0)[1], None
else:
    while select.select([master], [], [], 0)[0]:
        raw += os.read(master, 65536)
    sane = termios.tcgetattr(slave) == before
print(json.dumps({
    "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
    "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
    "text": CONTROL.sub(b"", raw).decode(errors="replace").replace("\r", ""),
    "sane": sane,
    "failed": failed,
}))
