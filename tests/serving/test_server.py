"""The server as a process: signals, workers, and what it says when it cannot start."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest

from sulsul.errors import UsageError
from sulsul.serving.server import listen
from sulsul.serving.settings import ServingSettings


@contextmanager
def served(run, *arguments):
    """Start ``sulsul serve`` on a free port; yields the process, its address and the lines of its log."""
    command = [sys.executable, "-m", "sulsul", "serve", str(run), "--port", "0", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
    reader.start()
    try:
        deadline = time.monotonic() + 60
        while not any("startup complete" in line for line in lines):
            assert process.poll() is None, lines
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)
        address = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines)).group()
        yield process, address, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


def post(url, content):
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def get(url):
    with urllib.request.urlopen(url, timeout=60) as response:
        return response.read().decode()


def test_a_signal_ends_the_server_after_what_it_accepted(finished_run):
    answers = []
    with served(finished_run / "run", "--set", "max_batch_texts=1", "--set", "max_body_bytes=100000000") as (
        process,
        address,
        lines,
    ):
        body = {"texts": ["설명이 좋고 빠르다 " * 100] * 500}
        asking = threading.Thread(target=lambda: answers.append(post(f"{address}/predict", body)))
        asking.start()
        while "sulsul_queued_texts 500.0" not in get(f"{address}/metrics"):
            assert asking.is_alive(), "the request ended before it could be interrupted; make it larger"
        process.send_signal(signal.SIGINT)
        asking.join()
        assert process.wait(30) == 0
    assert len(answers[0]["predictions"]) == 500
    assert "Traceback" not in "".join(lines)
    assert "설명이" not in "".join(lines)


def test_workers_share_the_port_and_the_metrics(finished_run):
    with served(finished_run / "run", "--workers", "2") as (process, address, lines):
        deadline = time.monotonic() + 60
        while sum("startup complete" in line for line in lines) < 2:
            assert time.monotonic() < deadline, lines
            time.sleep(0.02)
        for _ in range(20):
            assert post(f"{address}/predict", {"text": "좋았다"})["predictions"][0]["label"] in {"good", "bad"}
        assert 'sulsul_requests_total{route="/predict",status="200"} 20.0' in get(f"{address}/metrics")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "Traceback" not in "".join(lines)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_folder_that_is_no_run_is_refused_with_a_message(tmp_path, workers, monkeypatch, capsys):
    from sulsul.cli import main

    monkeypatch.setattr(sys, "argv", ["sulsul", "serve", str(tmp_path), "--port", "0", "--workers", workers])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert "not a trained classifier" in capsys.readouterr().err


def test_an_address_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port}.*--port"):
            listen(ServingSettings(port=port))
    with pytest.raises(UsageError, match="no-such-host"):
        listen(ServingSettings(host="no-such-host.invalid"))


def test_settings_are_shown(monkeypatch, capsys):
    from sulsul.cli import main

    monkeypatch.setattr(sys, "argv", ["sulsul", "serve", "any", "--show-settings", "--set", "max_texts=7"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 0
    assert "max_texts=7  # Most texts in a request." in capsys.readouterr().out
