"""A page as a picture, taken by the Chromium that is on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from vend.errors import VendError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, SECONDS = 1200, 60
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
MEASURE = "<script>document.title = 'height ' + document.documentElement.scrollHeight</script>"


def browser() -> str:
    """The path of Chromium. Raises VendError where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise VendError(
            "A picture needs Chromium, and there is none on PATH. Install it (Debian: apt-get install chromium, "
            "or `make browser`), or leave --format png away and open the page in a browser."
        )
    return found


def take(page: str, file: Path, width: int = WIDTH, height: int | None = None) -> None:
    """Write the page as PNG: the whole of it, or what a screen of that height shows."""
    with tempfile.TemporaryDirectory(prefix="vend-picture-") as folder:
        html, measured = Path(folder) / "page.html", Path(folder) / "measured.html"
        html.write_text(page, encoding="utf-8")
        if height is None:
            measured.write_text(POLICY.sub("", page) + MEASURE, encoding="utf-8")
            told = re.search(
                r"<title>height (\d+)", _run(folder, f"--window-size={width},800", "--dump-dom", measured.as_uri())
            )
            height = int(told[1]) if told else 4000
        shot = Path(folder) / "page.png"
        _run(folder, f"--window-size={width},{height}", f"--screenshot={shot}", html.as_uri())
        if not shot.exists():
            raise VendError(f"Chromium ({browser()}) took no picture. Leave --format png away.")
        try:
            shutil.copyfile(shot, file)
        except OSError as error:
            raise VendError(f"{file} cannot be written ({error.strerror}). Name another folder with --out.") from None


def _run(folder: str, *arguments: str) -> str:
    command = [browser(), "--headless", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
    command += ["--no-first-run", "--disable-extensions", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        command.append("--no-sandbox")  # root's Chromium does not start with one
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise VendError(
            f"Chromium ({command[0]}) did not work ({type(error).__name__}). Leave --format png away."
        ) from None
    return done.stdout.decode(errors="replace")
