from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connector_pipelines.core.errors import (
    ConfigurationError,
    ConnectorError,
    Encrypted,
    Malformed,
    ResourceError,
    TransientError,
    Unavailable,
)
from connector_pipelines.core.types import InputFile, Ocr, Shortfall, Untaken
from connector_pipelines.extractors._pool import Extraction, ExtractionPool, Limits
from tests import files
from tests.extractors.conftest import MakeFile

LIMITS = Limits(time_s=60, memory_bytes=1024**3)
HOSTILE = "application/x-hostile"
# An extractor in another distribution, that does what its file tells it to.
PLUGIN = """
import os, signal, sys
from connector_pipelines.core.errors import ResourceError, PermanentError
from connector_pipelines.core.types import Facts, Place, Recognising, Section, Shortfall, Untaken

class OurOwn(PermanentError):
    code = "our_own"

class Extractor:
    version = "7"
    media_types = {"application/x-hostile": (".hostile",), "text/csv": (".csv",)}

    def extract(self, file):
        exec(compile(file.path.read_text(), "file", "exec"), globals())
        yield from run(file)
"""
WAITS = """
def run(file):
    fifo = open({fifo!r}, "w")  # kept open: whoever reads it meets its end when this process is gone
    fifo.write(f"{{os.getpid()}}\\n")
    fifo.flush()
    while True:
        yield Facts()
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where that distribution is installed."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "hostile_plugin.py").write_text(PLUGIN)
    info = folder / "hostile-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[connector_pipelines.extractors]\nhostile = hostile_plugin:Extractor\n")
    monkeypatch.syspath_prepend(folder)
    return folder


def hostile(make_file: MakeFile, code: str, **others: object) -> InputFile:
    return make_file("x.hostile", code.encode(), HOSTILE, **others)


def raised(pool: ExtractionPool, file: InputFile, limits: Limits | None = None) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        pool.extract(file, limits)
    return caught.value


def pid_of_worker(pool: ExtractionPool, make_file: MakeFile) -> str:
    found = pool.extract(hostile(make_file, "def run(file): yield Section(str(os.getpid()))"))
    assert found
    return found.sections[0].text


def works(pool: ExtractionPool, make_file: MakeFile) -> bool:
    found = pool.extract(make_file("note.txt", b"still here", "text/plain"))
    return found is not None and found.sections[0].text == "still here"


def test_what_comes_out_says_which_extractor_made_it(pool: ExtractionPool, make_file: MakeFile) -> None:
    found = pool.extract(make_file("wrong.docx", files.pdf(["wall"], title="Report"), "application/octet-stream"))

    assert found
    assert (found.media_type, found.extractor) == ("application/pdf", "pdf")
    assert found.version.startswith("2, ocr ")
    assert [section.text for section in found.sections] == ["wall"]
    assert found.facts.title == "Report"


def test_a_file_without_text_says_so(pool: ExtractionPool, make_file: MakeFile) -> None:
    silent = pool.extract(make_file("empty.csv", b"", "text/csv"))

    assert silent is not None
    assert silent.facts.warnings == ("no text was found in it",)


def test_a_type_no_extractor_takes_gives_none(pool: ExtractionPool, make_file: MakeFile) -> None:
    assert pool.extract(make_file("part.step", b"ISO-10303-21;", "model/step")) is None


def test_a_plugin_adds_a_type_and_takes_none_over(pool: ExtractionPool, make_file: MakeFile) -> None:
    own = pool.extract(hostile(make_file, "def run(file): yield Section('own', Place(heading='h'))"))
    csv = pool.extract(make_file("a.csv", b"a,b\n1,2\n", "text/csv"))

    assert own
    assert (own.extractor, own.version, own.sections[0].place.heading) == ("hostile", "7", "h")
    assert csv
    assert csv.extractor == "tabular"


def test_errors_of_an_extractor_arrive_as_they_are(pool: ExtractionPool, make_file: MakeFile) -> None:
    locked = raised(pool, make_file("a.pdf", files.encrypted_pdf(["x"], "geheim"), "application/pdf"))
    limited = raised(pool, hostile(make_file, "def run(file): raise ResourceError('much', limit='parts=3', advice='cut it')"))
    own = raised(pool, hostile(make_file, "def run(file): raise OurOwn('odd')"))

    assert type(locked) is Encrypted
    assert isinstance(limited, ResourceError)
    assert (limited.limit, limited.advice) == ("parts=3", "cut it")
    assert own.code == "permanent"


def test_a_bug_in_an_extractor_is_the_trouble_of_one_file(pool: ExtractionPool, make_file: MakeFile) -> None:
    error = raised(pool, hostile(make_file, "def run(file): yield {}['missing']"))

    assert isinstance(error, Malformed)
    assert "KeyError" in str(error)
    assert works(pool, make_file)


def test_a_worker_stuck_in_a_loop_is_killed_at_the_deadline(pool: ExtractionPool, make_file: MakeFile) -> None:
    file = hostile(make_file, "def run(file):\n    while True: pass\n    yield")

    error = raised(pool, file, Limits(time_s=0.5, memory_bytes=1024**3))

    assert isinstance(error, ResourceError)
    assert error.limit == "time=0.5s"
    assert works(pool, make_file)


def test_recognition_of_text_has_time_of_its_own_and_is_granted_it_once(pool: ExtractionPool, make_file: MakeFile) -> None:
    waits = "    import time\n    ends_at = time.monotonic() + {}\n    while time.monotonic() < ends_at: pass\n"
    code = f"def run(file):\n    yield Recognising()\n    yield Recognising()\n{waits}    yield Section('read')"
    limits = Limits(time_s=2, memory_bytes=1024**3)

    found = pool.extract(hostile(make_file, code.format(2.2), ocr=Ocr(time_s=30)), limits)
    error = raised(pool, hostile(make_file, code.format(60), ocr=Ocr(time_s=0.5)), limits)

    assert found
    assert [section.text for section in found.sections] == ["read"]
    assert isinstance(error, ResourceError)
    assert error.limit == "time=2.5s"


def test_what_an_extractor_leaves_out_and_declines_to_take_arrives(pool: ExtractionPool, make_file: MakeFile) -> None:
    lacking = pool.extract(hostile(make_file, "def run(file): yield Section('a'); yield Shortfall(message='b', advice='c', limit='d=1')"))
    declined = pool.extract(hostile(make_file, "def run(file): yield Untaken('no_ocr'); yield Section('unheard' * 10**6)"))

    assert isinstance(lacking, Extraction)
    assert lacking.shortfalls == (Shortfall(message="b", advice="c", limit="d=1"),)
    assert declined == Untaken("no_ocr")
    assert works(pool, make_file)


@pytest.mark.parametrize(
    "said", ["nonsense", '{"text":-5,"place":{}}', '{"text":x,"place":{}}', '{"type":"facts"}', "[]", '{"type":"done","media":1}']
)
def test_a_worker_that_does_not_keep_to_the_protocol_fails_its_file_alone(pool: ExtractionPool, make_file: MakeFile, said: str) -> None:
    # The pipe is in the worker's hands, and so in those of a file that took it over.
    pipes = "[n for n in map(int, os.listdir('/proc/self/fd')) if n > 2 and os.path.exists(f'/proc/self/fd/{n}')]"
    code = f"""
def run(file):
    for number in {pipes}:
        if os.readlink(f'/proc/self/fd/{{number}}').startswith('pipe:'):
            try: os.write(number, {said + chr(10)!r}.encode())
            except OSError: pass
    yield Section('after')
"""

    error = raised(pool, hostile(make_file, code))

    assert isinstance(error, Malformed)
    assert "out of turn" in str(error)
    assert works(pool, make_file)


@pytest.mark.parametrize("code", ["yield Section('x' * 10**10)", "os.write(2, b'memory allocation of 99 bytes failed'); os.abort(); yield"])
def test_a_file_that_needs_too_much_memory_names_the_limit(pool: ExtractionPool, make_file: MakeFile, code: str) -> None:
    error = raised(pool, hostile(make_file, f"def run(file): {code}"), Limits(time_s=60, memory_bytes=512 * 1024**2))

    assert isinstance(error, ResourceError)
    assert error.limit == "memory=512 MiB"
    assert works(pool, make_file)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "the extractor crashed on it (signal 11)"),
        ("os._exit(3)", "the extractor ended on it (status 3)"),
    ],
)
def test_a_crash_is_the_fault_of_its_file_and_the_pool_goes_on(pool: ExtractionPool, make_file: MakeFile, code: str, message: str) -> None:
    error = raised(pool, hostile(make_file, f"def run(file):\n    {code}\n    yield"))

    assert isinstance(error, Malformed)
    assert str(error) == message
    assert works(pool, make_file)


def test_a_worker_killed_from_outside_is_one_failure_and_not_the_fault_of_its_file(pool: ExtractionPool, make_file: MakeFile) -> None:
    error = raised(pool, hostile(make_file, "def run(file):\n    os.kill(os.getpid(), signal.SIGKILL)\n    yield"))

    assert type(error) is TransientError
    assert works(pool, make_file)


def test_a_worker_that_died_while_idle_is_replaced(pool: ExtractionPool, make_file: MakeFile) -> None:
    pid = int(pid_of_worker(pool, make_file))
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert works(pool, make_file)


def test_what_is_printed_does_not_corrupt_what_is_said(pool: ExtractionPool, make_file: MakeFile) -> None:
    noise = "os.write(1, b'{\"type\": \"done\"}\\n' * 100_000); print('x' * 10**6); print('y' * 10**6, file=sys.stderr); sys.stdin.read()"

    found = pool.extract(hostile(make_file, f"def run(file):\n    {noise}\n    yield Section('quiet')"))

    assert found
    assert [section.text for section in found.sections] == ["quiet"]


@pytest.mark.parametrize("text", ["'word ' * 100", "'x'"])
def test_an_extractor_without_end_is_stopped_at_the_limit_of_text(pool: ExtractionPool, make_file: MakeFile, text: str) -> None:
    file = hostile(make_file, f"def run(file):\n    while True: yield Section({text})", max_text_bytes=50_000)

    error = raised(pool, file)

    assert isinstance(error, ResourceError)
    assert error.limit == "text=48.83 KiB"


def test_characters_that_json_or_postgres_refuse_do_not_come_through(pool: ExtractionPool, make_file: MakeFile) -> None:
    found = pool.extract(hostile(make_file, "def run(file): yield Section('a\\x00b\\ud800c'); yield Facts(title='t\\udfff')"))

    assert found
    assert found.sections[0].text == "ab\ufffdc"
    assert found.facts.title == "t\ufffd"


def test_a_path_that_is_not_utf8_gets_through(pool: ExtractionPool, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"gr\xfc\xdfe.txt")
    path.write_text("hello")

    found = pool.extract(InputFile(path=path, name="grüße.txt", media_type="text/plain"))

    assert found
    assert found.sections[0].text == "hello"


def test_one_worker_serves_many_files_whichever_thread_asks(pool: ExtractionPool, make_file: MakeFile) -> None:
    pids = set()
    for _ in range(3):
        with ThreadPoolExecutor(1) as thread:  # it ends with the block, and the worker must not end with it
            pids.add(thread.submit(pid_of_worker, pool, make_file).result())

    assert len(pids) == 1


def test_several_threads_extract_at_once_and_none_gets_what_is_anothers(make_file: MakeFile) -> None:
    given = [make_file(f"{n}.txt", f"text {n}".encode(), "text/plain") for n in range(40)]

    with ExtractionPool(2, LIMITS) as pool, ThreadPoolExecutor(4) as threads:
        found = list(threads.map(pool.extract, given))

    assert [one.sections[0].text for one in found if one] == [f"text {n}" for n in range(40)]


def test_close_kills_workers_in_the_middle_of_a_file(make_file: MakeFile, tmp_path: Path) -> None:
    file, fifo = _waiting(make_file, tmp_path)
    pool = ExtractionPool(1, LIMITS)

    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(pool.extract, file)
        with fifo.open() as stream:
            stream.readline()
            pool.close()
            assert stream.read() == ""
        assert isinstance(outcome.exception(), Unavailable)

    with pytest.raises(Unavailable):
        pool.extract(file)


def test_an_interrupt_kills_the_worker_of_the_interrupted_caller(pool: ExtractionPool, make_file: MakeFile, tmp_path: Path) -> None:
    file, fifo = _waiting(make_file, tmp_path)
    ends: list[str] = []

    def interrupt() -> None:
        with fifo.open() as stream:
            stream.readline()
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            ends.append(stream.read())

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        pool.extract(file)
    thread.join()

    assert ends == [""]
    assert works(pool, make_file)


def test_the_death_of_the_parent_kills_its_workers(make_file: MakeFile, tmp_path: Path) -> None:
    file, fifo = _waiting(make_file, tmp_path)
    code = (
        "import sys; from pathlib import Path; from connector_pipelines.core.types import InputFile\n"
        "from connector_pipelines.extractors._pool import ExtractionPool, Limits\n"
        f"sys.path[:0] = {sys.path!r}\n"
        f"ExtractionPool(1, Limits(60, 2**30)).extract(InputFile(path=Path({str(file.path)!r}), name='x', media_type={HOSTILE!r}))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])

    with fifo.open() as stream:
        stream.readline()
        parent.kill()
        parent.wait()
        rest = stream.read()

    assert rest == ""


def test_a_worker_is_fenced_in(pool: ExtractionPool, make_file: MakeFile) -> None:
    code = """
def run(file):
    import resource
    soft = lambda name: resource.getrlimit(getattr(resource, name))[0]
    descriptors = {int(n) for n in os.listdir("/proc/self/fd")}
    yield Facts(details={
        "memory": soft("RLIMIT_AS"), "core": soft("RLIMIT_CORE"), "nice": os.nice(0),
        "written": soft("RLIMIT_FSIZE"), "secrets": "A_SECRET" in os.environ, "inherited": number in descriptors,
        "session": os.getsid(0) == os.getpid(), "interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
    })
"""
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    os.dup2(writing, 400)
    os.environ["A_SECRET"] = "x"

    try:
        found = pool.extract(hostile(make_file, f"number = 400\n{code}"))
    finally:
        del os.environ["A_SECRET"]
        for number in (reading, writing, 400):
            os.close(number)

    assert found
    assert dict(found.facts.details) == {
        "memory": 1024**3, "core": 0, "nice": 10, "written": 1024**2, "secrets": False, "inherited": False, "session": True, "interrupt": True,
    }  # fmt: skip


def test_workers_that_do_not_start_are_an_operators_business(make_file: MakeFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with ExtractionPool(1, LIMITS) as pool:
        assert isinstance(raised(pool, make_file("a.txt", b"x", "text/plain")), ConfigurationError)


def test_a_worker_starts_without_anything_heavy() -> None:
    code = (
        "import sys, connector_pipelines.extractors._worker as w; w.find_extractor('text/csv')\n"
        "print(*sorted({'dagster', 'pandas', 'numpy', 'pydantic', 'pypdf', 'pypdfium2', 'docx', 'pptx', 'lxml'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == ""


def _waiting(make_file: MakeFile, tmp_path: Path) -> tuple[InputFile, Path]:
    """A file on which an extractor stays for ever, and the pipe in which it says that it has begun."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    return hostile(make_file, WAITS.format(fifo=str(fifo))), fifo
