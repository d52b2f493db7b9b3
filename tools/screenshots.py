"""The pictures in docs/images: both dashboards of the demo's business, as of the working afternoon before.

By the hour of `make demo` a garage may be empty and have earned nothing yet today: the hot clock is set, and set back.
"""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

from vend import demo, settings, source
from vend.cli import build_side, hot_dsn
from vend.dashboard import picture, write
from vend.errors import VendError

SIZES = {"executive": (960, 1010), "garage": (960, 1090)}
HOUR = 15
WEEKEND = (5, 6)
MODELS = ("--exclude-resource-type", "test", "unit_test")


def main() -> None:
    loaded = settings.load()
    hot, garage = hot_dsn(loaded), demo.best_garage(loaded)
    recorded = source.recorded(hot)
    if recorded is None or garage is None:
        raise VendError("There is no made-up business here that is built. Run `make demo` first.")
    as_of = recorded["as_of"]
    moment = as_of.replace(hour=HOUR, minute=0, second=0, microsecond=0) - timedelta(days=1)
    while moment.weekday() in WEEKEND:
        moment -= timedelta(days=1)
    images = loaded.project / "docs" / "images"
    images.mkdir(exist_ok=True)
    try:
        build_side(loaded, "hot", moment, MODELS)
        with tempfile.TemporaryDirectory() as folder:
            files = write.write(loaded, hot, Path(folder), garage=garage, platform=True).files
            for name, (width, height) in SIZES.items():
                (page,) = (file for file in files if file.name.startswith(name))
                image = images / f"{name}-dashboard.png"
                picture.take(page.read_text(encoding="utf-8"), image, width, height)
                print(f"{image.relative_to(loaded.project)}  {image.stat().st_size / 1000:.0f} kB  as of {moment}")
    finally:
        build_side(loaded, "hot", as_of, MODELS)


if __name__ == "__main__":
    try:
        main()
    except VendError as error:
        raise SystemExit(f"Error: {error}") from None
