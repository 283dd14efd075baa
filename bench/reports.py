"""PDF/s of the sold report by WeasyPrint (tagged PDF/UA-1), beside Chromium printing the same HTML (tagged), on one core.

Both are warm: WeasyPrint has its fonts read, Chromium is one running browser that is told to print by its DevTools protocol. Each print
bears another date, for a report that was printed a moment ago is not printed again. The ratio is of processor time, of this process and
of all of the browser's: other work on the machine distorts it less than the clock on the wall, which is printed beside.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from bench.results import write
from leadfactory.d06_reports.rendering import PdfUnavailable, render_html, render_pdf
from tests.unit.d06_reports.inputs import an_input, spreads

ROUNDS = 5
GOAL = 1.5
WAIT_S = 30


def main() -> int:
    """Measures both in turns, so that a busy moment meets both; prints and writes the ratio."""
    given = an_input(compared=spreads(), sites=40)
    html, _ = render_html(given)
    try:
        render_pdf(html, given.report_on)  # reads the fonts
    except PdfUnavailable as error:
        print(error)
        return 1
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    ours, theirs = asyncio.run(_measure(html, given.report_on, chromium))
    rate = _rate(ours)
    print(f"WeasyPrint {rate:.2f} PDF a CPU-second ({_told(ours)})")
    if not theirs:
        print("Chromium is not installed (apt-get install chromium): no ratio")
        write("reports", [], weasyprint_per_cpu_second=rate)
        return 0
    other = _rate(theirs)
    print(f"Chromium   {other:.2f} PDF a CPU-second ({_told(theirs)})   ratio {rate / other:.2f}, goal {GOAL}")
    write(
        "reports",
        [{"name": "report PDF a CPU-second: WeasyPrint to Chromium", "ratio": rate / other, "goal": GOAL}],
        weasyprint_per_cpu_second=rate,
        chromium_per_cpu_second=other,
    )
    return 0


Print = tuple[float, float]  # seconds of processor time, and by the clock on the wall


def _rate(prints: list[Print]) -> float:
    return len(prints) / sum(cpu for cpu, _ in prints)


def _told(prints: list[Print]) -> str:
    return f"fastest {min(cpu for cpu, _ in prints):.2f} s, by the clock {min(wall for _, wall in prints):.2f} s"


async def _measure(html: str, on: dt.date, chromium: str | None) -> tuple[list[Print], list[Print]]:
    ours: list[Print] = []
    theirs: list[Print] = []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(html)
        browser = None if chromium is None else _start(chromium, Path(folder))
        try:
            printer = None if browser is None else await _Printer.attach(Path(folder), page)
            for number in range(1, ROUNDS + 1):
                spent, began = time.process_time(), time.perf_counter()
                render_pdf(html, on + dt.timedelta(days=number))
                ours.append((time.process_time() - spent, time.perf_counter() - began))
                if printer is not None and browser is not None:
                    spent, began = _cpu_s(browser.pid), time.perf_counter()
                    await printer.pdf()
                    theirs.append((_cpu_s(browser.pid) - spent, time.perf_counter() - began))
        finally:
            if browser is not None:
                browser.terminate()
                browser.wait()
    return ours, theirs


def _cpu_s(pid: int) -> float:
    """Processor time so far of a process and all below it, of those that have ended too."""
    root = psutil.Process(pid)
    spent = 0.0
    for each in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(each.cpu_times()[:4])
    return spent


def _start(chromium: str, folder: Path) -> subprocess.Popen[bytes]:
    flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
    ]
    return subprocess.Popen([chromium, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class _Printer:
    """One page of a running Chromium, by the DevTools protocol: load the HTML anew and print it."""

    def __init__(self, socket: Any, url: str) -> None:
        self._socket, self._url, self._last = socket, url, 0

    @classmethod
    async def attach(cls, folder: Path, page: Path) -> _Printer:
        from websockets.asyncio.client import connect

        told = folder / "profile" / "DevToolsActivePort"
        until = time.monotonic() + WAIT_S
        while not told.is_file() or not told.read_text().strip():
            if time.monotonic() > until:
                raise TimeoutError(f"Chromium did not start within {WAIT_S} s")
            await asyncio.sleep(0.1)
        port = told.read_text().split()[0]
        target = _page_of(port)
        socket = await connect(target, max_size=None)
        printer = cls(socket, page.as_uri())
        await printer._call("Page.enable")
        await printer.pdf()
        return printer

    async def pdf(self) -> bytes:
        """Loads and prints the page, tagged and with an outline."""
        await self._call("Page.navigate", url=self._url)
        while json.loads(await self._socket.recv()).get("method") != "Page.loadEventFired":
            pass
        done = await self._call(
            "Page.printToPDF",
            generateTaggedPDF=True,
            preferCSSPageSize=True,
            printBackground=True,
            generateDocumentOutline=True,
        )
        return base64.b64decode(done["data"])

    async def _call(self, method: str, **parameters: Any) -> Any:
        self._last += 1
        await self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            told = json.loads(await self._socket.recv())
            if told.get("id") == self._last:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]


def _page_of(port: str) -> str:
    """The address at which the browser's one page takes commands."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=WAIT_S) as answer:
        return str(next(each for each in json.load(answer) if each["type"] == "page")["webSocketDebuggerUrl"])


if __name__ == "__main__":
    sys.exit(main())
